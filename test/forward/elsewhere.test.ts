// A message that comes again to another process, while the next hop has it and has not said so.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CopyFailure } from '../../src/core/errors.ts';
import { Duplicates } from '../../src/delivery/duplicate.ts';
import { openState } from '../support/memory.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';

test('F52: it waits for the verdict: one that was accepted is not passed on again, one that failed is', async (t) => {
  const state = await openState(t);
  await state.own();
  const [there, here] = [state.open({}, process.ppid), state.open()];
  const store = {
    nextHop: 'lmtp:unix:/hop' as string | undefined,
    identity: async () => 'hop',
    sharedIdentity: async () => undefined,
    has: async () => true,
    holds: async () => false,
  };
  let number = 0;
  const send = async (memory: typeof here, waitMs: number, commit: () => Promise<void>) => {
    const duplicates = new Duplicates({ memory, sender: Buffer.from('s') });
    duplicates.update(Buffer.from(`message ${number}`));
    const copy = { account: ALICE, mailbox: 'm', store, paths: [ALICE], file: '', commit };
    return duplicates.storeOnce(copy, waitMs);
  };
  const slowly = async () => {
    let end: ((error?: Error) => void) | undefined;
    const first = send(there, 10_000, () => {
      return new Promise<void>((resolve, reject) => {
        end = (error) => (error === undefined ? resolve() : reject(error));
      });
    });
    first.catch(() => undefined);
    await until('it is begun', () => end !== undefined);
    return { first, end: (error?: Error) => end?.(error) };
  };
  const never = () => assert.fail('it is with the next hop already');
  const nothing = async () => undefined;

  const { first, end } = await slowly();
  await assert.rejects(
    send(here, 0, never),
    (error) => error instanceof CopyFailure && error.why === 'tooSlow',
  );
  const again = send(here, 10_000, never);
  end();
  assert.equal(await first, true);
  assert.equal(await again, false);

  number++;
  const failing = await slowly();
  const retry = send(here, 10_000, nothing);
  failing.end(new Error('it was refused'));
  await assert.rejects(failing.first, /refused/);
  assert.equal(await retry, true);

  // in a Maildir two are taken (D22)
  number++;
  store.nextHop = undefined;
  const other = await slowly();
  assert.equal(await send(here, 0, nothing), true);
  other.end();
  await other.first;
});
