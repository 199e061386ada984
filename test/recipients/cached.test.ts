// How long answers count, and what becomes of look-ups while the source fails or is slow.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CachedSource } from '../../src/recipients/cached.ts';
import { AnswerError, type Recipient, SourceError } from '../../src/recipients/source.ts';

const ALICE = 'alice@example.com';
const FOUND_MS = 60_000;
const NONE_MS = 5000;
const HOUR_MS = 3_600_000;

/** A source that answers as told, and a clock that the test moves. */
function openCached(waitMs = 1000) {
  const state = {
    ms: 0,
    asked: 0,
    answer: (): Promise<Recipient | undefined> => Promise.resolve({ address: ALICE }),
  };
  const source = {
    find() {
      state.asked++;
      return state.answer();
    },
  };
  const world = { micros: () => state.ms * 1000 };
  return { state, cached: new CachedSource(source, { world, foundMs: FOUND_MS, noneMs: NONE_MS, waitMs }) };
}

const down = () => Promise.reject<undefined>(new Error('connection refused'));
const silent = () => new Promise<undefined>(() => {});

test('a recipient counts for a minute, and "none" for five seconds', async () => {
  const { state, cached } = openCached();
  assert.deepEqual(await cached.find(ALICE), { address: ALICE });
  state.ms = FOUND_MS - 1;
  await cached.find(ALICE);
  assert.equal(state.asked, 1);
  state.ms = FOUND_MS;
  state.answer = () => Promise.resolve(undefined);
  assert.equal(await cached.find(ALICE), undefined);
  state.ms += NONE_MS - 1;
  assert.equal(await cached.find(ALICE), undefined);
  assert.equal(state.asked, 2);
  state.ms += 1;
  state.answer = () => Promise.resolve({ address: ALICE });
  assert.deepEqual(await cached.find(ALICE), { address: ALICE });
});

test('an error is told to whoever asked, and never kept', async () => {
  const { state, cached } = openCached();
  state.answer = down;
  await assert.rejects(cached.find(ALICE), SourceError);
  await assert.rejects(cached.find(ALICE), /recipients\.source: connection refused/);
  state.answer = () => Promise.resolve({ address: ALICE });
  assert.deepEqual(await cached.find(ALICE), { address: ALICE });
});

test('a source that does not answer is an error in time', async () => {
  const { state, cached } = openCached(20);
  state.answer = silent;
  await assert.rejects(cached.find(ALICE), /no answer within 20 ms/);
});

for (const [what, answer] of [
  ['is down', down],
  ['does not answer', silent],
] as const) {
  test(`while the source ${what}, a recipient of the last hour is found, and nobody is unknown`, async () => {
    const { state, cached } = openCached(50);
    await cached.find(ALICE);
    state.answer = answer;
    state.ms = HOUR_MS - 1;
    assert.deepEqual(await cached.find(ALICE), { address: ALICE, isFormer: true });
    await assert.rejects(cached.find('bob@example.com'), SourceError);
    // at once: the source is not asked for each message
    const { asked } = state;
    for (let n = 0; n < 10; n++) assert.equal((await cached.find(ALICE))?.isFormer, true);
    assert.equal(state.asked, asked);
    state.ms = HOUR_MS;
    await assert.rejects(cached.find(ALICE), SourceError);
  });
}

test('who is unknown stays so only for as long as that counts, whatever the source does', async () => {
  const { state, cached } = openCached();
  state.answer = () => Promise.resolve(undefined);
  assert.equal(await cached.find(ALICE), undefined);
  state.answer = down;
  assert.equal(await cached.find(ALICE), undefined);
  state.ms = NONE_MS;
  await assert.rejects(cached.find(ALICE), SourceError);
});

test('look-ups of one address at one time are one question', async () => {
  const { state, cached } = openCached();
  await Promise.all(Array.from({ length: 100 }, () => cached.find(ALICE)));
  assert.equal(state.asked, 1);
});

test('an answer that makes no sense is told, and says nothing of anybody else', async () => {
  const { state, cached } = openCached();
  await cached.find(ALICE);
  const nonsense = () => Promise.reject<undefined>(new AnswerError('a quota that is none'));
  state.ms = FOUND_MS;
  state.answer = nonsense;
  await assert.rejects(cached.find('bob@example.com'), AnswerError);
  await assert.rejects(cached.find(ALICE), AnswerError);
  // who has gone meanwhile is gone
  state.answer = () => Promise.resolve(undefined);
  assert.equal(await cached.find(ALICE), undefined);
});
