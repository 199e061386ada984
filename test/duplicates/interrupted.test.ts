// What the memory of deliveries knows of copies whose process died while it stored them.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { isAlive, processTag } from '../../src/duplicates/processtag.ts';
import { account, deliver, identity, knows, openState } from '../support/memory.ts';

/** A process that is dead: its tag is that of one which has just ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}

test('what a process began before it died is known as interrupted, with the name of its file', async (t) => {
  const state = await openState(t);
  await state.own();
  state.open({}, deadPid()).begin(identity(1, 'a', 'b'), account(1), 'the file');
  const memory = state.open();
  const found = memory.find(identity(1, 'b'));
  assert.ok(typeof found === 'object');
  assert.deepEqual(
    ['the file', 'the file2', ''].map((name) => found.isFile(name)),
    [true, false, false],
  );
  assert.equal(memory.find(identity(1, 'c')), 'unknown', 'it was for other recipients');
  found.stored();
  for (const each of [memory, state.open()]) assert.equal(each.find(identity(1, 'a')), 'stored');
});

test('what another living process began is under way there, for a quarter of an hour', async (t) => {
  const state = await openState(t);
  await state.own();
  const [one, two] = [state.open({}, process.ppid), state.open()];
  const attempt = one.begin(identity(1), account(1), 'file');
  assert.equal(two.find(identity(1)), 'elsewhere');
  attempt.stored();
  assert.equal(two.find(identity(1)), 'stored');
  two.begin(identity(2), account(1), 'file');
  assert.equal(two.find(identity(2)), 'unknown', 'what is ours is known otherwise');
  const long = state.open({ windowMs: 24 * 3600_000 }, process.ppid);
  long.begin(identity(3), account(1), 'file');
  const later = state.open({ windowMs: 24 * 3600_000 });
  state.clock.now += 14 * 60_000;
  assert.equal(later.find(identity(3)), 'elsewhere');
  state.clock.now += 60_000;
  assert.equal(later.find(identity(3)), 'unknown', 'its end was not written down');
});

test('what failed is unknown, also when its process has died since and the file could not be removed', async (t) => {
  const state = await openState(t);
  await state.own();
  state.open({}, deadPid()).begin(identity(1), account(1), 'file').failed();
  assert.equal(state.open().find(identity(1)), 'unknown');
});

test('a failed second attempt does not make a stored copy unknown', async (t) => {
  const state = await openState(t);
  await state.own();
  const [one, two] = [state.open(), state.open()];
  deliver(one, 1, 'a');
  two.begin(identity(1, 'b'), account(1), 'another file').failed();
  assert.ok(knows(one, 1, 'a') && knows(two, 1, 'a'));
  assert.equal(knows(two, 1, 'b'), false);
});

test('a process lives until it ends, and one with the same ID that began at another time is another process', async () => {
  const own = processTag(process.pid);
  assert.equal(isAlive(own), true);
  assert.equal(isAlive({ ...own, start: (own.start + 1) % 251 }), false);
  const child = spawn(process.execPath, ['-e', 'process.stdin.read()']);
  await once(child, 'spawn');
  const tag = processTag(child.pid ?? 0);
  assert.equal(isAlive(tag), true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal(isAlive(tag), false);
});
