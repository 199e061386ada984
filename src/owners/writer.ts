/**
 * A writer: makes the disk calls of one user's deliveries, with the rights of that user and no others. It has
 * one connection to a server, which its parent has handed to it (parent.ts); only sealed bytes come over it.
 * The writer ends with it. Its arguments are the directories that mailboxes are in.
 */
import { Socket } from 'node:net';
import { lockDescriptor } from '../edge/lock.ts';
import { realWorld } from '../edge/world.ts';
import { sweepMailbox } from '../maildir/sweep.ts';
import { DeliveryPaths } from './deliverypaths.ts';
import { Served } from './served.ts';

/** Where the parent puts it. */
const CONNECTION = 3;

process.umask(0o077);
const swept = new Set<string>();
const served = new Served(new Socket({ fd: CONNECTION }), {
  uid: process.geteuid?.() ?? 0,
  paths: new DeliveryPaths(process.argv.slice(2)),
  lock: lockDescriptor,
  sweep,
});
// from the parent, systemd or a terminal: what is under way is finished
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => served.end());

/** Whoever else sweeps cannot look into this Maildir. Once is enough: a writer does not live long. */
function sweep(mailbox: string): void {
  if (swept.has(mailbox)) return;
  swept.add(mailbox);
  const fileSystems = { run: <T>(_: string, call: () => Promise<T>) => call() };
  void sweepMailbox(mailbox, { now: realWorld('').now(), fileSystems });
}
