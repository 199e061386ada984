// Pins of fingerprints: the first one of an address counts, whichever process wrote it.

import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { realWorld } from '../../src/edge/world.ts';
import { PinError, Pins } from '../../src/keys/pins.ts';
import { needsUsers, SERVER_UID } from '../support/checking.ts';
import { run } from '../support/process.ts';
import { makeTraversable } from '../support/traversable.ts';

const MODULES = new URL('../../src/', import.meta.url);
const ADDRESSES = Array.from({ length: 25 }, (_, n) => `user${n}@example.com`);

async function openState(t: TestContext): Promise<string> {
  const state = await mkdtemp(join(tmpdir(), 'sealdir-pins-'));
  t.after(() => rm(state, { recursive: true, force: true }));
  return state;
}

/** A program that pins its own fingerprint for each address, and prints those that it may use. */
const pinning = (state: string, fingerprint: string) => `
import { Pins, PinError } from '${MODULES}keys/pins.js';
import { realWorld } from '${MODULES}edge/world.js';
const pins = new Pins('${state}', { world: realWorld('mx.example.com') });
await pins.ready();
for (const address of ${JSON.stringify(ADDRESSES)}) {
  try {
    await pins.hold(address, ['${fingerprint}']);
    console.log(address);
  } catch (error) {
    if (!(error instanceof PinError)) throw error;
  }
}`;

test('of several processes that see different keys at the same time, one decides for each address', async (t) => {
  const state = await openState(t);
  const fingerprints = Array.from({ length: 6 }, (_, n) => String(n).repeat(40));
  const ran = await Promise.all(
    fingerprints.map((each) => run(process.execPath, ['--input-type=module', '-e', pinning(state, each)])),
  );
  for (const { code, stderr } of ran) assert.equal(code, 0, stderr.toString());
  const files = await readdir(join(state, 'pins'));
  assert.deepEqual(files.sort(), [...ADDRESSES].sort(), 'and nothing else is left there');
  for (const address of ADDRESSES) {
    const users = fingerprints.filter((_, n) => ran[n]?.stdout.toString().split('\n').includes(address));
    assert.equal(users.length, 1, `${address} is used by ${users}`);
    assert.equal(await readFile(join(state, 'pins', address), 'latin1'), `${users[0]}\n`);
  }
});

test('an address makes no name outside of the directory', async (t) => {
  const state = await openState(t);
  const pins = new Pins(state, { world: realWorld('mx.example.com') });
  await pins.ready();
  for (const address of ['../../x@example.com', '.hidden@example.com', 'a/b@example.com', 'ü@example.com'])
    await pins.hold(address, ['A'.repeat(40)]);
  assert.equal((await readdir(join(state, 'pins'))).length, 4);
  assert.deepEqual(await readdir(state), ['pins']);
  await assert.rejects(pins.hold('a/b@example.com', ['B'.repeat(40)]), PinError);
});

test(
  'F34: a place where nothing can be pinned is told before anybody is asked (451 4.3.0)',
  needsUsers(),
  async (t) => {
    const state = await openState(t);
    await makeTraversable(state);
    const program = pinning(state, 'A'.repeat(40));
    const asOther = () =>
      run('setpriv', [
        `--reuid=${SERVER_UID}`,
        '--clear-groups',
        process.execPath,
        '--input-type=module',
        '-e',
        program,
      ]);
    const { code, stderr } = await asOther();
    assert.equal(code, 1);
    assert.match(stderr.toString(), /keys\.state: no key can be pinned.*EACCES/);
    await chmod(state, 0o777);
    assert.equal((await asOther()).code, 0);
  },
);
