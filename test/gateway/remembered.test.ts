// What lists show, in its file: all of it comes back, or what was written before anything that is wrong.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { isUnopened, newCaches, noteUnopened } from '../../src/gateway/mailbox.ts';
import { Remembered } from '../../src/gateway/remembered.ts';
import { type Metadata, metadataOf } from '../../src/gateway/shown.ts';
import { openView } from '../../src/view/view.ts';
import { spread } from '../support/long.ts';

const KEY = randomBytes(32);
const MOST = 1024 * 1024;

const metadata = (n: number): Metadata =>
  metadataOf(
    openView(Buffer.from(`Subject: canary ${n} \xfc\r\nFrom: a@example.org\r\n\r\nText\r\n`, 'latin1')),
  );

describe('what is remembered of messages', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sealdir-remembered-'));
  after(() => rmSync(directory, { recursive: true }));
  let count = 0;
  const fresh = () => join(directory, `file${count++}`);
  const complaints: unknown[] = [];

  async function read(path: string, key = KEY, most = MOST) {
    const found = new Map<string, Metadata>();
    const parts = { path, key, most, complain: (error: unknown) => void complaints.push(error) };
    return { remembered: await Remembered.open(parts, (name, value) => found.set(name, value)), found };
  }

  /** Three batches of one entry each. */
  async function written(): Promise<string> {
    const path = fresh();
    const { remembered } = await read(path);
    for (const n of [0, 1, 2]) {
      remembered.add(`1/${n}/INBOX`, metadata(n));
      await remembered.flush();
    }
    return path;
  }

  const namesIn = async (path: string, key = KEY) => [...(await read(path, key)).found.keys()];
  const ALL = ['1/0/INBOX', '1/1/INBOX', '1/2/INBOX'];

  test('it comes back as it was, over three openings, and nothing of it is in clear', async () => {
    const path = await written();
    const { remembered, found } = await read(path);
    assert.deepEqual(
      [...found],
      ALL.map((name, n) => [name, metadata(n)]),
    );
    remembered.add('1/3/INBOX', metadata(3));
    await remembered.flush();
    assert.deepEqual((await read(path)).found.get('1/3/INBOX'), metadata(3));
    assert.doesNotMatch(readFileSync(path, 'latin1'), /canary|example|INBOX/);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  test('cut off or changed anywhere, it is what stood before, and goes on from there', async () => {
    const path = await written();
    const bytes = readFileSync(path);
    const length = bytes.length / 3;
    for (const at of spread([...bytes.keys()], 60)) {
      const before = ALL.slice(0, Math.floor(at / length));
      writeFileSync(path, bytes.subarray(0, at));
      assert.deepEqual(await namesIn(path), before, `cut at ${at}`);
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(path, changed);
      const { remembered, found } = await read(path);
      assert.deepEqual([...found.keys()], before, `changed at ${at}`);
      remembered.add('1/9/INBOX', metadata(9));
      await remembered.flush();
      assert.deepEqual(await namesIn(path), [...before, '1/9/INBOX']);
    }
  });

  test('batches in another order, or of another key, are none', async () => {
    const path = await written();
    const bytes = readFileSync(path);
    const [first, second, third] = [0, 1, 2].map((n) =>
      bytes.subarray((n * bytes.length) / 3, ((n + 1) * bytes.length) / 3),
    );
    writeFileSync(path, Buffer.concat([first, third, second].map((each) => each ?? Buffer.alloc(0))));
    assert.deepEqual(await namesIn(path), ['1/0/INBOX']);
    writeFileSync(path, bytes);
    assert.deepEqual(await namesIn(path, randomBytes(32)), []);
    assert.equal(statSync(path).size, 0);
  });

  test('what does not open is remembered for the version that has tried', async () => {
    const path = fresh();
    const { remembered } = await read(path);
    const [before, same, other] = ['1.0', '1.0', '1.1'].map((version) =>
      newCaches(undefined, undefined, version),
    );
    assert.ok(before && same && other);
    before.remember = (key, value) => remembered.add(key, value);
    noteUnopened(before, '1/7/INBOX');
    await remembered.flush();
    for (const [key, value] of (await read(path)).found)
      for (const caches of [same, other]) caches.metadata.set(key, value);
    const states = [before, same, other].map((caches) => isUnopened(caches, '1/7/INBOX'));
    assert.deepEqual(states, [true, true, false]);
    assert.equal(isUnopened(same, '1/17/INBOX'), false);
    assert.equal(same.metadata.get('1/7/INBOX'), undefined);
  });

  test('a file that is too large begins anew, and a link is not followed', async () => {
    const path = await written();
    const { remembered, found } = await read(path, KEY, statSync(path).size - 1);
    assert.equal(found.size, 0);
    remembered.add('1/4/INBOX', metadata(4));
    await remembered.flush();
    assert.deepEqual(await namesIn(path), ['1/4/INBOX']);
    const link = fresh();
    symlinkSync(path, link);
    await assert.rejects(read(link), { code: 'ELOOP' });
    assert.deepEqual(complaints, []);
  });
});
