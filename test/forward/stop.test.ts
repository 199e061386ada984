// A stop waits for the reply to a message that the next hop has, although its client was told to come again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageOfSize } from '../support/fixtures.ts';
import { freshKey } from '../support/freshkey.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { startNextHop } from '../support/nexthop.ts';
import { startSealdir } from '../support/sealdir.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';

test('a stop waits for the verdict on a copy that is with the next hop', async (t) => {
  const order: string[] = [];
  let letGo: (reply: undefined) => void = () => undefined;
  const gate = new Promise<undefined>((resolve) => {
    letGo = resolve;
  });
  let isEnded = false;
  const hop = await startNextHop({
    script(step) {
      if (step !== 'end') return undefined;
      isEnded = true;
      return gate;
    },
  });
  const { certificate } = await freshKey(ALICE);
  const sealdir = await startSealdir({
    keys: { [ALICE]: certificate },
    toml: {
      duplicates: '1h',
      lmtp: 'transaction_timeout = "1s"\nstall_timeout = "1s"',
      store: `forward = "${hop.address}"`,
    },
  });
  t.after(async () => {
    await sealdir.stop();
    await hop.stop();
  });
  const session = await openSession(sealdir.socketPath);
  const { final } = await deliver(session, { to: [ALICE], message: messageOfSize(5000) });
  assert.match(final[0] ?? '', /^451 /);
  await until('it has ended', () => isEnded);
  await session.vanish();
  const stopped = sealdir.drain().then(() => order.push('stopped'));
  setTimeout(() => {
    order.push('verdict');
    letGo(undefined);
  }, 300);
  await stopped;
  assert.deepEqual(order, ['verdict', 'stopped']);
  assert.equal(hop.taken.length, 1);
});
