// The keeper is killed before each of its calls, and started again: what it had to log and to tell is logged
// and told at least once.

import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { verify } from '../../src/keylog/verify.ts';
import { Keeping } from '../support/keeping.ts';
import { shortOf, testLong } from '../support/long.ts';
import { run } from '../support/process.ts';
import { makeSite } from '../support/sealdir.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';

const [ALICE, BOB, CAROL] = ['alice@example.com', 'bob@example.com', 'carol@example.com'];
const [OLD, NEW, CAROLS] = [await makeKey(ALICE), await makeKey(ALICE), await makeKey(CAROL)];
const ENDING = await makeKey(BOB, { date: new Date(Date.now() - 60_000), expiresAfter: 5 * 24 * 3600 });
const PROGRAM = join(import.meta.dirname, 'crashing.js');
const AT_ONCE = 2;
/** In the short form: calls spread over the whole round. */
const SHORT_KILLS = 6;

const parent = await mkdtemp(join(tmpdir(), 'sealdir-crash-'));
after(() => rm(parent, { recursive: true, force: true }));

/** Copies the site of each kill from one, and runs a keeper there until its nth call. Returns the copy. */
async function killedAt(site: string, n: number): Promise<string> {
  const copy = join(parent, `${n}-${Math.random()}`);
  await cp(site, copy, { recursive: true });
  const { code, stderr } = await run(process.execPath, [PROGRAM, copy, String(n)]);
  assert.equal(code, 128 + 9, stderr);
  return copy;
}

/** Runs a keeper to its end. Resolves to the names of its calls. */
async function callsAt(site: string): Promise<string[]> {
  const copy = join(parent, 'whole');
  await cp(site, copy, { recursive: true });
  const { code, stdout, stderr } = await run(process.execPath, [PROGRAM, copy, '0']);
  assert.equal(code, 0, stderr);
  await rm(copy, { recursive: true });
  return JSON.parse(stdout.toString()) as string[];
}

async function eachKill(
  site: string,
  check: (after: Keeping, call: string) => Promise<void>,
): Promise<number> {
  const calls = await callsAt(site);
  const pending = shortOf(
    calls.map((call, index) => ({ call, n: index + 1 })),
    SHORT_KILLS,
  ).slice();
  const work = async () => {
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
      const copy = await killedAt(site, next.n);
      const recovered = Keeping.at(copy);
      try {
        await recovered.round();
        const bytes = await readFile(recovered.state('key.log'));
        assert.equal(verify(bytes).problem, undefined, next.call);
        const left = await readdir(recovered.state(''), { recursive: true });
        assert.deepEqual(
          left.filter((name) => name.endsWith('.tmp')),
          [],
          next.call,
        );
        await check(recovered, next.call);
      } finally {
        await recovered.remove();
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return calls.length;
}

async function readBy(key: TestKey, messages: readonly Buffer[]): Promise<string[]> {
  return Promise.all(messages.map(async (each) => (await readSealed(each, key)).toString()));
}

test('F37: a keeper that is killed at any call has logged and told each change at least once, after its next start', {
  timeout: 900_000,
}, async (t) => {
  const site = await Keeping.make({
    [ALICE]: OLD.certificate,
    [CAROL]: CAROLS.certificate,
    'dave@example.com': NEW.certificate,
  });
  t.after(() => site.remove());
  await mkdir(join(site.directory, 'mail/example.com/carol/new'), { recursive: true });
  await site.round();
  site.close();
  await site.put(`${ALICE}.asc`, NEW.certificate);
  await site.put(`${BOB}.asc`, ENDING.certificate);
  await unlink(site.keyFile(`${CAROL}.asc`));
  const kills = await eachKill(site.directory, async (recovered, call) => {
    const events = (await recovered.events()).slice(3).sort();
    assert.deepEqual([...new Set(events)], [`came ${BOB} 1`, `changed ${ALICE} 1`, `went ${CAROL} 0`], call);
    for (const [address, key, text] of [
      [ALICE, OLD, /has changed/],
      [CAROL, CAROLS, /has no key for/],
      [BOB, ENDING, /ends in 4 days/],
    ] as const) {
      const texts = await readBy(key, await recovered.mail(address));
      assert.ok(texts.length === 1 || texts.length === 2, `${call}: ${texts.length} for ${address}`);
      for (const each of texts) assert.match(each, text);
    }
  });
  t.diagnostic(`${kills} kills`);
  assert.ok(kills > 20, `${kills} kills`);
});

testLong(
  'F37: a keeper that is killed in its first look has looked at all keys after its next start',
  {
    timeout: 480_000,
  },
  async (t) => {
    const directory = await makeSite({ [ALICE]: OLD.certificate, [CAROL]: CAROLS.certificate });
    t.after(() => rm(directory, { recursive: true, force: true }));
    await mkdir(join(directory, 'keystate'), { mode: 0o700 });
    const kills = await eachKill(directory, async (recovered, call) => {
      assert.deepEqual(
        (await recovered.events()).sort(),
        [`first-look ${ALICE} 1`, `first-look ${CAROL} 1`],
        call,
      );
      await recovered.put(`${ALICE}.asc`, NEW.certificate);
      await recovered.round();
      assert.equal((await readBy(OLD, await recovered.mail(ALICE))).length, 1, call);
    });
    assert.ok(kills > 8, `${kills} kills`);
  },
);
