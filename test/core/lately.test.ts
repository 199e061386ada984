import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lately } from '../../src/core/lately.ts';
import { gate } from '../support/fakedisk.ts';

function openLately(options: { keepMs?: number; waitMs?: number } = {}) {
  let micros = 0;
  let asked = 0;
  const lately = new Lately<string, number>({
    world: { micros: () => micros },
    keepMs: 1000,
    waitMs: 10,
    ...options,
  });
  return {
    get: (key: string, answer?: Promise<void>) =>
      lately.get(key, async () => {
        asked++;
        const mine = asked;
        await answer;
        return mine;
      }),
    asked: () => asked,
    pass(ms: number) {
      micros += ms * 1000;
    },
  };
}

test('a question is put once for its time and each key, and then anew', async () => {
  const { get, pass } = openLately();
  assert.equal(await get('a'), 1);
  pass(1000);
  assert.equal(await get('a'), 1);
  assert.equal(await get('b'), 2);
  pass(1);
  assert.equal(await get('a'), 3);
  assert.equal(await get('b'), 2);
});

test('all who ask while a question is open get its answer', async () => {
  const { get, asked } = openLately({ waitMs: 10_000 });
  const answer = gate();
  const all = [get('a', answer.opened), get('a'), get('a')];
  answer.open();
  assert.deepEqual(await Promise.all(all), [1, 1, 1]);
  assert.equal(asked(), 1);
});

test('one that hangs is waited for once, not put again while it does, and counts once it comes', async () => {
  const { get, asked, pass } = openLately();
  const answer = gate();
  assert.equal(await get('a', answer.opened), undefined);
  pass(5000);
  assert.equal(await get('a'), undefined);
  assert.equal(asked(), 1);
  answer.open();
  await new Promise(setImmediate);
  assert.equal(await get('a'), 2, 'the answer is older than it may be');
});

test('one that fails is not known, and not put again at once', async () => {
  const { get, asked, pass } = openLately();
  assert.equal(await get('a', Promise.reject(new Error('no'))), undefined);
  assert.equal(await get('a'), undefined);
  assert.equal(asked(), 1);
  pass(1001);
  assert.equal(await get('a'), 2);
});
