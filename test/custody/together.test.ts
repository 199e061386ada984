// Processes that change one wrapped file at a time: each change is in the file or its command says that it is
// not, and whoever reads meanwhile finds a whole file.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { EXIT } from '../../src/commands/errors.ts';
import { readWrapped } from '../../src/custody/place.ts';
import { textOf } from '../../src/custody/wrappedfile.ts';
import { CLI } from '../support/child.ts';
import { Dice } from '../support/dice.ts';
import { testLong } from '../support/long.ts';
import { run } from '../support/process.ts';
import { enrolled, keyOf } from '../support/wrapped.ts';

const ROUNDS = 30;
const CODE = /^ {4}((?:[0-9A-Z]{4}-){6}[0-9A-Z]{4})$/m;

testLong('of changes at a time, none is lost unsaid', { timeout: 900_000 }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, 'wrapped');
  const { file, secrets, secretKey } = await enrolled();
  await writeFile(path, textOf(file));
  await writeFile(join(directory, 'recovery'), secrets.recovery);
  const slots = async (name: string, ...args: string[]) => {
    const ran = await run(process.execPath, [CLI, 'slots', name, '--file', path, ...args], {
      cwd: directory,
    });
    const isRefused = ran.code === EXIT.tempFail && /another command .*: try again/.test(ran.stderr);
    assert.ok(ran.code === 0 || isRefused, `${name}: ${ran.code} ${ran.stderr}`);
    return { isDone: ran.code === 0, code: CODE.exec(ran.stdout.toString())?.[1] ?? '' };
  };
  const secret = ['--print-codes', '--password-file', 'recovery'];
  const now = async () => (await readWrapped({ path })) ?? assert.fail('it is gone');
  const dice = new Dice('together');
  const labels = new Set(['recovery', 'device']);
  await slots('revoke', 'password');
  let [refused, reads] = [0, 0];
  for (let round = 1; round <= ROUNDS; round++) {
    const before = await now();
    const oldest = [...labels][2]; // the first one that was added
    const running = [
      slots('add', '--device', `${round}`, ...secret),
      slots('change', '--slot', 'device', ...secret),
      slots('change', '--slot', 'device', ...secret),
      ...(oldest === undefined ? [] : [pause(dice.below(2500)).then(() => slots('revoke', oldest))]),
    ];
    let haveEnded = false;
    const ended = Promise.all(running).finally(() => {
      haveEnded = true;
    });
    ended.catch(() => undefined); // awaited below
    for (; !haveEnded; reads++) {
      await now(); // throws unless it is whole
      await pause(5);
    }
    const [added, first, second, revoked] = await ended;
    if (added?.isDone) labels.add(`${round}`);
    if (revoked?.isDone) labels.delete(oldest ?? '');
    const after = await now();
    assert.deepEqual(new Set(after.slots.map(({ label }) => label)), labels);
    const done = [added, first, second, revoked].filter((each) => each?.isDone);
    refused += running.length - done.length;
    assert.equal(after.serial, before.serial + done.length);
    if (added?.isDone) assert.deepEqual(await keyOf(after, added.code), secretKey);
    const changes = [first, second].filter((each) => each?.isDone);
    const keys = await Promise.all(changes.map((each) => keyOf(after, each?.code ?? '')));
    assert.equal(keys.filter((key) => key?.equals(secretKey)).length, 1, 'of two, the later one counts');
  }
  assert.ok(refused > 0 && reads > 100 * ROUNDS, `${refused} refused, ${reads} reads`);
  t.diagnostic(`${ROUNDS} rounds, ${refused} changes refused, ${reads} reads`);
});
