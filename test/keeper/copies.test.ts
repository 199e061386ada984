// Copies of keys that are damaged or lost: they are made again while that can be done, and a notice that
// needs one waits for it.

import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { digestOf } from '../../src/keylog/copies.ts';
import { Keeping } from '../support/keeping.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const FILE = `${ALICE}.asc`;
const HOUR_MS = 60 * 60 * 1000;
const [OLD, NEW] = [await makeKey(ALICE), await makeKey(ALICE)];
const COPY = join('known', digestOf(Buffer.from(OLD.certificate)));

async function keeping(t: TestContext): Promise<Keeping> {
  const site = await Keeping.make({ [ALICE]: OLD.certificate });
  t.after(() => site.remove());
  await site.round();
  return site;
}

/** How many of the messages open with a key. */
async function opened(site: Keeping, key: TestKey): Promise<number> {
  const tried = (await site.mail(ALICE)).map((each) => readSealed(each, key));
  return (await Promise.allSettled(tried)).filter(({ status }) => status === 'fulfilled').length;
}

const errors = (site: Keeping) =>
  site.said.filter(({ level, detail }) => level === 'error' && /cannot be told/.test(String(detail.error)));

for (const [what, harm] of [
  ['damaged', (site: Keeping) => writeFile(site.state(COPY), 'no key')],
  ['lost', (site: Keeping) => rm(site.state('known'), { recursive: true })],
] as const)
  test(`a notice whose copy is ${what} waits until the file of before is back, and that is said`, async (t) => {
    const site = await keeping(t);
    await harm(site);
    await site.put(FILE, NEW.certificate);
    for (let n = 0; n < 3; n++) await site.round();
    assert.equal(errors(site).length, 1);
    site.reopen();
    await site.round();
    assert.equal(errors(site).length, 2);
    assert.deepEqual(await site.mail(ALICE), []);
    await site.put(FILE, OLD.certificate);
    await site.round();
    assert.deepEqual([await opened(site, OLD), await opened(site, NEW)], [1, 1]);
  });

test('a lost copy of a key that a command has replaced is found in former/', async (t) => {
  const site = await keeping(t);
  await rm(site.state(COPY));
  await mkdir(site.state('former/folder'), { recursive: true });
  await writeFile(site.state('former/20260101-alice'), OLD.certificate);
  await site.put(FILE, NEW.certificate);
  await site.round();
  assert.equal(await opened(site, OLD), 1);
});

test('a damaged copy is made again within a day while its file is there', async (t) => {
  const site = await keeping(t);
  await site.round();
  await writeFile(site.state(COPY), 'no key');
  for (let hour = 0; hour < 25; hour++) {
    site.pass(HOUR_MS);
    await site.round();
  }
  assert.equal(await readFile(site.state(COPY), 'utf8'), OLD.certificate);
});
