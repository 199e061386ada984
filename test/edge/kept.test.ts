// A process that is kept running, as a program of a few lines.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Death, Kept } from '../../src/edge/kept.ts';
import { until } from '../support/until.ts';

/** Tells its pid, then the work that it is given; ends when it is told to, a little later. */
const PROGRAM = `process.on('message', (message) => {
  if (message === 'stop') setTimeout(() => process.disconnect(), 100);
  else process.send({ pid: process.pid, work: message });
});`;

interface Told {
  readonly pid: number;
  readonly work: string;
}

async function keep(t: TestContext, work: () => string | undefined) {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  await writeFile(join(directory, 'program.mjs'), PROGRAM);
  const told: Told[] = [];
  const deaths: Death[] = [];
  let living = 0;
  let most = 0;
  const kept = new Kept<string, Told>({
    program: pathToFileURL(join(directory, 'program.mjs')),
    work,
    begun() {
      most = Math.max(most, ++living);
      return { hear: (message) => void told.push(message), ended: () => void living-- };
    },
    failed: (error) => assert.fail(error),
    said: (words) => assert.fail(words),
    died: (death) => void deaths.push(death),
  });
  t.after(async () => {
    await kept.stop();
    await rm(directory, { recursive: true });
  });
  return { kept, told, deaths, most: () => most, living: () => living };
}

test('one that dies is started again, and that is told', async (t) => {
  const { told, deaths } = await keep(t, () => 'a');
  await until('it has begun', () => told.length === 1);
  process.kill(told[0]?.pid ?? 0, 'SIGKILL');
  await until('another one has', () => told.length === 2);
  assert.deepEqual(deaths, [{ code: null, signal: 'SIGKILL' }]);
});

test('renewed twice at once, there is never more than one, and the last has the newest work', async (t) => {
  let work: string | undefined = 'a';
  const { kept, told, deaths, most, living } = await keep(t, () => work);
  await until('it has begun', () => told.length === 1);
  kept.renew();
  work = 'b';
  kept.renew();
  await until('another one has', () => told.length === 2);
  assert.equal(told[1]?.work, 'b');
  work = undefined;
  kept.renew();
  await until('none is left', () => living() === 0);
  work = 'c';
  kept.renew();
  await until('there is work again', () => told.length === 3);
  assert.equal(most(), 1);
  assert.deepEqual(deaths, []);
});

test('stopped while it is renewed, no other one begins', async (t) => {
  const { kept, told, living } = await keep(t, () => 'a');
  await until('it has begun', () => told.length === 1);
  kept.renew();
  await kept.stop();
  assert.equal(living(), 0);
  assert.equal(told.length, 1);
});
