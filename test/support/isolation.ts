// One thing misbehaves while a healthy mailbox gets its mail: each delivery has to succeed, and how long it
// takes then is printed beside how long it usually takes.

import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { within } from '../../src/core/deadline.ts';
import { type ChildServer, startChild } from './child.ts';
import { deliver, openSession } from './lmtp.ts';
import { isLong } from './long.ts';
import type { ServerOptions } from './sealdir.ts';
import { makeKey } from './testkeys.ts';

export const HEALTHY = 'healthy@example.com';
const MESSAGE = Buffer.from('Subject: still here\r\n\r\nhello\r\n');
const DELIVERIES = isLong ? 60 : 20;
/** A tenth of the time after which an MTA gives up. */
const PATIENCE_MS = 30_000;

/** What misbehaves: it is begun, and ended by the function returned. */
export type Trouble = (server: ChildServer) => Promise<() => Promise<void> | void>;

export async function isolated(t: TestContext, options: ServerOptions, trouble: Trouble): Promise<void> {
  const { certificate } = await makeKey(HEALTHY);
  const server = await startChild({ ...options, keys: { ...options.keys, [HEALTHY]: certificate } });
  try {
    // what is compiled and remembered by the first ones is no part of the comparison
    await deliveries(server);
    const usual = await deliveries(server);
    const end = await trouble(server);
    try {
      const beside = await deliveries(server);
      t.diagnostic(
        `median ${beside.median} ms, usually ${usual.median}; slowest ${beside.slowest} ms, usually ${usual.slowest}`,
      );
    } finally {
      await end();
    }
  } finally {
    assert.equal(await server.stop(), 0);
  }
}

/** Each in a session of its own, as somebody new who comes in. */
async function deliveries(server: ChildServer) {
  const times: number[] = [];
  for (let n = 0; n < DELIVERIES; n++) {
    const start = performance.now();
    const reply = await within(deliverOnce(server), PATIENCE_MS);
    assert.match(reply, /^250 2\.0\.0 /);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const rounded = (ms: number | undefined) => Math.round((ms ?? 0) * 10) / 10;
  return { median: rounded(times[DELIVERIES / 2]), slowest: rounded(times.at(-1)) };
}

async function deliverOnce(server: ChildServer): Promise<string> {
  const session = await openSession(server.socketPath);
  const { rcpt, final } = await deliver(session, { to: [HEALTHY], message: MESSAGE });
  await session.vanish();
  return final[0] ?? rcpt[0] ?? '';
}

/** Repeats something until the function returned is called; waits for what is under way then. */
export function repeatedly(work: () => Promise<unknown>, atOnce = 1): () => Promise<void> {
  let isOver = false;
  const lanes = Array.from({ length: atOnce }, async () => {
    while (!isOver) {
      await work();
      await pause(10); // trouble, not load
    }
  });
  return async () => {
    isOver = true;
    await Promise.all(lanes);
  };
}
