// Attacks a server in a process of its own while a well-behaved client delivers there. Each of that client's
// messages must be delivered before a mail server would give up, and the server's memory must not grow beyond
// a bound.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { within } from '../../src/core/deadline.ts';
import { type ChildServer, startChild } from './child.ts';
import { openDescriptors } from './descriptors.ts';
import { deliver, type LmtpClient, openSession } from './lmtp.ts';
import type { ServerOptions } from './sealdir.ts';
import { makeKey } from './testkeys.ts';
import { until } from './until.ts';

const MIB = 1024 * 1024;
const BYSTANDER = 'bystander@example.com';
const MESSAGE = Buffer.from('Subject: still here\r\n\r\nhello\r\n');
/** A tenth of the time after which a mail server gives up. */
const PATIENCE_MS = 30_000;
const GROWTH_BYTES = 160 * MIB;

/** The recipient that the attacker may write to. */
export const TARGET = 'target@example.com';

export async function underAttack(
  t: TestContext,
  options: ServerOptions,
  attack: (server: ChildServer) => Promise<void>,
): Promise<void> {
  const { certificate } = await makeKey(BYSTANDER);
  const keys = { [BYSTANDER]: certificate, [TARGET]: certificate, ...options.keys };
  const server = await startChild({ ...options, keys });
  try {
    // After a first message everything that starts only when it is needed has started.
    const session = await deliverOnce(server, await openSession(server.socketPath));
    // the connection of this session is held by the first process only if that delivers
    const held = (options.toml?.processes ?? 1) === 1 ? 1 : 0;
    const before = { rss: server.peakRss(), descriptors: openDescriptors(server.process.pid) - held };
    const attacking = attack(server);
    const served = await keepDelivering(server, session, attacking);
    await attacking;
    const grown = server.peakRss() - before.rss;
    t.diagnostic(
      `${served.count} deliveries meanwhile, the slowest ${served.slowestMs} ms; ${Math.round(grown / MIB)} MiB above idle`,
    );
    assert.ok(grown <= GROWTH_BYTES, `${grown} bytes above idle`);
    await until(
      'every descriptor is closed',
      () => openDescriptors(server.process.pid) <= before.descriptors,
    );
    const delivered = await readdir(join(server.directory, 'mail/example.com/bystander/new'));
    assert.equal(delivered.length, 1 + served.count);
    for (const name of await readdir(join(server.directory, 'mail/example.com')))
      assert.deepEqual(await readdir(join(server.directory, 'mail/example.com', name, 'tmp')), [], name);
  } finally {
    assert.equal(await server.stop(), 0);
  }
}

/** Delivers one message after the other, from before the attack begins until it is over. */
async function keepDelivering(server: ChildServer, first: LmtpClient, attack: Promise<void>) {
  const served = { count: 0, slowestMs: 0 };
  let isOver = false;
  const over = attack.finally(() => {
    isOver = true;
  });
  over.catch(() => undefined); // the caller awaits the attack and sees its error
  let session = first;
  do {
    const start = Date.now();
    const delivered = await within(deliverOnce(server, session), PATIENCE_MS);
    if (delivered === 'late') throw new Error(`a client that behaves had to wait for over ${PATIENCE_MS} ms`);
    session = delivered;
    served.count++;
    served.slowestMs = Math.max(served.slowestMs, Date.now() - start);
    await pause(5);
  } while (!isOver);
  await session.vanish();
  return served;
}

/**
 * Delivers once; in a new session, as a mail server would, if this one was closed. Resolves to the session
 * used.
 */
async function deliverOnce(server: ChildServer, session: LmtpClient): Promise<LmtpClient> {
  const { rcpt, data, final } = await deliver(session, { to: [BYSTANDER], message: MESSAGE });
  if (final[0]?.startsWith('250 ')) return session;
  const replies = [...rcpt, data, ...final];
  assert.ok(
    final.length === 0 && replies.some((reply) => reply === '' || reply.startsWith('421 ')),
    replies.join('\n'),
  );
  return deliverOnce(server, await openSession(server.socketPath));
}
