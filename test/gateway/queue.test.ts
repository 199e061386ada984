// Logins that wait for their turn: whoever asks for many keeps nobody out who comes from elsewhere.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Queue, type Whence } from '../../src/gateway/queue.ts';

/** A queue whose pieces of work end when they are told to. */
function queueOf(atOnce: number) {
  const queue = new Queue(atOnce);
  const going: { name: string; end(): void }[] = [];
  const begun: string[] = [];
  const refused: string[] = [];
  const come = async (name: string, whence: Whence) => {
    const outcome = await queue.run(whence, () => {
      begun.push(name);
      return new Promise<'done'>((resolve) => going.push({ name, end: () => resolve('done') }));
    });
    if (outcome === 'busy') refused.push(name);
  };
  /** Has everybody go, one after the other. */
  const all = async () => {
    await turn();
    for (let next = going.shift(); next !== undefined; next = going.shift()) {
      next.end();
      await turn();
    }
  };
  return { come, all, going, begun, refused };
}

const LOCAL: Whence = ['', '', 'somebody'];
const times = (count: number) => Array.from({ length: count }, (_, n) => n);

test('from one place, who comes first goes first, and beyond sixteen they come later', async () => {
  const { come, all, begun, refused } = queueOf(1);
  for (const n of times(20)) void come(`${n}`, LOCAL);
  await all();
  assert.deepEqual(begun, times(17).map(String));
  assert.deepEqual(refused, ['17', '18', '19']);
});

test('who comes from elsewhere has the place of those who have many, and the next turn but one', async () => {
  const { come, all, begun, refused } = queueOf(1);
  for (const n of times(40)) void come(`guess ${n}`, ['192.0.2.1', '192.0.2.1', `user${n}`]);
  for (const network of times(10)) {
    const site = `2001:db8:${network}`;
    for (const n of times(40)) void come(`guess`, [site, `${site}:${n}`, 'x']);
  }
  void come('owner', ['198.51.100.1', '198.51.100.1', 'alice']);
  await all();
  assert.ok(begun.indexOf('owner') <= 12, begun.join());
  assert.ok(!refused.includes('owner'));
  assert.equal(begun.length, 17);
});

test('many networks of one site count as one, and so do many users of a network', async () => {
  for (const crowd of [
    (n: number) => ['2001:db8:1', `2001:db8:1:${n}`, 'x'],
    (n: number) => ['', '', `user${n % 2}`],
  ]) {
    const { come, all, begun } = queueOf(1);
    for (const n of times(100)) void come('guess', crowd(n));
    void come('owner', ['', '', 'alice']);
    await all();
    assert.ok(begun.includes('owner') && begun.indexOf('owner') <= 3, begun.join());
  }
});

test('whatever comes, as many go as may, and everybody has an answer', async () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * below);
  };
  for (const atOnce of [1, 2, 3]) {
    const { come, all, going, begun, refused } = queueOf(atOnce);
    for (const n of times(2000)) {
      void come(`${n}`, [`${random(4)}`, `${random(3)}`, `${random(5)}`]);
      if (random(3) === 0) going.splice(random(going.length), 1)[0]?.end();
      await turn();
      assert.ok(going.length <= atOnce);
    }
    await all();
    assert.deepEqual(
      [...begun, ...refused].map(Number).sort((a, b) => a - b),
      times(2000),
    );
    assert.ok(refused.length > 0 && begun.length > 200);
  }
});
