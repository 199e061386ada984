// The key-change log alone: what an edit, a cut, another order and a crash in the middle of a line lead to.

import assert from 'node:assert/strict';
import {
  appendFileSync,
  chownSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { lockDescriptor } from '../../src/edge/lock.ts';
import { type Change, hashOf, NO_HASH } from '../../src/keylog/entry.ts';
import { StateFiles } from '../../src/keylog/files.ts';
import { KeyLog } from '../../src/keylog/keylog.ts';
import { verify } from '../../src/keylog/verify.ts';

const keys = (fingerprint: string) => ({ fingerprints: [fingerprint], files: [] });
const change = (address: string): Change => ({
  address,
  event: 'changed',
  before: keys('A'),
  after: keys('B'),
  by: { how: 'directory' },
});

function open(t: TestContext, step?: (name: string) => void) {
  const directory = mkdtempSync(join(tmpdir(), 'sealdir-keylog-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return at(directory, step);
}

function at(directory: string, step?: (name: string) => void) {
  const troubles: string[] = [];
  const log = new KeyLog({
    files: new StateFiles(directory, step),
    lock: lockDescriptor,
    world: { now: () => Date.now() },
    trouble: (what) => troubles.push(what),
  });
  const path = join(directory, 'key.log');
  const append = (...addresses: string[]) => log.locked(async () => log.append(addresses.map(change)));
  const lines = () => readFileSync(path, 'utf8').trimEnd().split('\n');
  return { directory, log, path, troubles, append, lines };
}

test('each line continues the one before, and the head is the hash of the last', async (t) => {
  const { log, append, lines, path } = open(t);
  await append('a@x');
  await append('b@x', 'c@x');
  const texts = lines();
  const entries = texts.map((line) => JSON.parse(line));
  assert.deepEqual(
    entries.map(({ n }) => n),
    [1, 2, 3],
  );
  assert.deepEqual(
    entries.map(({ previous }) => previous),
    [NO_HASH, hashOf(texts[0] ?? ''), hashOf(texts[1] ?? '')],
  );
  assert.equal(log.head, hashOf(texts[2] ?? ''));
  assert.deepEqual(verify(readFileSync(path), log.head), {
    entries: 3,
    head: log.head,
    problem: undefined,
    askedFor: 3,
  });
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('an edit of any line but the last is found out where it is, by any byte of it', async (t) => {
  const { append, path } = open(t);
  await append('a@x', 'b@x', 'c@x');
  const bytes = readFileSync(path);
  const lastLine = bytes.lastIndexOf(0x0a, bytes.length - 2) + 1;
  for (let place = 0; place < lastLine; place++) {
    const edited = Buffer.from(bytes);
    edited[place] = (edited[place] ?? 0) ^ 1;
    const line = bytes.subarray(0, place).filter((byte) => byte === 0x0a).length + 1;
    const { problem } = verify(edited);
    assert.ok(problem !== undefined, `byte ${place}`);
    assert.ok(
      problem.line === line || problem.line === line + 1,
      `byte ${place}: ${JSON.stringify(problem)}`,
    );
  }
});

test('the last line edited, lines cut off, and a log written anew are found out against a head, and nowhere else', async (t) => {
  const { append, path, lines, log } = open(t);
  await append('a@x', 'b@x', 'c@x');
  const { head } = log;
  const texts = lines();
  const edited = `${[texts[0], texts[1], texts[2]?.replace('c@x', 'd@x')].join('\n')}\n`;
  const cut = `${[texts[0], texts[1]].join('\n')}\n`;
  const { append: appendAnew, path: anew } = open(t);
  await appendAnew('a@x', 'b@x', 'c@x');
  for (const bytes of [Buffer.from(edited), Buffer.from(cut), readFileSync(anew)]) {
    assert.equal(verify(bytes).problem, undefined);
    assert.equal(verify(bytes, head).askedFor, undefined);
  }
  assert.equal(verify(readFileSync(path), head).askedFor, 3);
  assert.equal(verify(readFileSync(path), hashOf(texts[1] ?? '').toUpperCase()).askedFor, 2, 'an older head');
});

test('lines in another order, one left out, one twice: each is found out', async (t) => {
  const { append, lines } = open(t);
  await append('a@x', 'b@x', 'c@x', 'd@x');
  const [a = '', b = '', c = '', d = ''] = lines();
  for (const [order, line] of [
    [[a, c, b, d], 2],
    [[b, c, d], 1],
    [[a, c, d], 2],
    [[a, b, b, c, d], 3],
    [[a, '', b], 2],
  ] as const)
    assert.equal(verify(Buffer.from(`${order.join('\n')}\n`)).problem?.line, line, `${order.length}`);
});

test('a hash from after the place of an edit proves nothing', async (t) => {
  const { append, lines } = open(t);
  await append('a@x', 'b@x', 'c@x');
  const [a = '', b = '', c = ''] = lines();
  const bytes = Buffer.from(`${[a.replace('a@x', 'z@x'), b, c].join('\n')}\n`);
  assert.equal(verify(bytes, hashOf(c)).askedFor, undefined);
});

test('a half line that a crash has left is cut off and told; whole lines stay, and the chain goes on', async (t) => {
  const first = open(t);
  await first.append('a@x', 'b@x');
  const whole = readFileSync(first.path, 'utf8');
  for (const rest of ['{', '{"n":3,"time":"2026-', first.lines()[1] ?? '']) {
    writeFileSync(first.path, whole + rest);
    const { log, append, troubles, path } = at(first.directory);
    await append('c@x');
    assert.match(troubles.join(), /ended in the middle of a line/);
    assert.ok(readFileSync(path, 'utf8').startsWith(whole));
    assert.deepEqual(verify(readFileSync(path), log.head).askedFor, 3);
    assert.equal(log.entries, 3);
  }
});

test('two that log at the same time make one chain, and know of each other', async (t) => {
  const one = open(t);
  const two = at(one.directory);
  const all = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? one : two).append(`${n}@x`).catch(() => n));
  // one object logs once at a time
  assert.ok((await Promise.all(all)).some((each) => each === undefined));
  await one.append('last@x');
  await two.log.locked(async () => {});
  assert.equal(two.log.head, one.log.head);
  assert.equal(verify(readFileSync(one.path), one.log.head).problem, undefined);
});

test('a log that was cut, replaced or removed while it is open is told with the head that it had', async (t) => {
  for (const harm of [
    (path: string) => writeFileSync(path, readFileSync(path, 'utf8').split('\n').slice(0, 1).join('\n')),
    (path: string) => rmSync(path),
  ]) {
    const { log, append, path, troubles } = open(t);
    await append('a@x', 'b@x');
    const { head } = log;
    harm(path);
    await append('c@x');
    assert.match(
      troubles.join(),
      new RegExp(`was cut, removed or replaced: it had 2 entries up to the hash ${head}`),
    );
  }
});

test('an edit in place is found by the look of each day, also when the chain was made whole again', async (t) => {
  const { log, append, path } = open(t);
  await append('a@x', 'b@x');
  assert.equal(log.verify().problem, undefined);
  const [a = '', b = ''] = readFileSync(path, 'utf8').split('\n');
  const forged = a.replace('a@x', 'z@x');
  const chained = b.replace(/"previous":"[0-9a-f]+"/, `"previous":"${hashOf(forged)}"`);
  writeFileSync(path, `${forged}\n${chained}\n`);
  assert.match(log.verify().problem?.what ?? '', /no entry with the hash/);
});

test('what cannot be made durable is taken back, and logged the next time', async (t) => {
  let isBroken = false;
  const { append, lines, log } = open(t, (step) => {
    if (isBroken && step === 'sync key.log') throw new Error('EIO');
  });
  await append('a@x');
  isBroken = true;
  await assert.rejects(append('b@x'), /EIO/);
  assert.equal(lines().length, 1);
  isBroken = false;
  await append('c@x');
  assert.match(lines()[1] ?? '', /"n":2,.*"c@x"/);
  assert.equal(log.verify().problem, undefined);
});

test('lines of others that are no entries break the chain, and stop nobody from logging', async (t) => {
  const { log, append, path } = open(t);
  await append('a@x');
  appendFileSync(path, 'hello\n');
  await append('b@x');
  assert.equal(log.entries, 3);
  assert.deepEqual(verify(readFileSync(path)).problem, { line: 2, what: 'is no entry' });
});

test('what root logs belongs to the owner of the directory, so that the server can go on with it', {
  skip: process.getuid?.() === 0 ? false : 'left out: needs root',
}, async (t) => {
  const { directory } = open(t);
  chownSync(directory, 47110, 47110);
  const { append, path } = at(directory);
  await append('a@x');
  await append('b@x');
  for (const file of [path, join(directory, 'lock')]) assert.equal(statSync(file).uid, 47110, file);
});
