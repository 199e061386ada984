/**
 * A writer: makes the disk calls of one user's deliveries, with the rights of that user and no others. Its
 * parent hands it the connections of a server (parent.ts); only sealed bytes come over them. It ends when it
 * has had none for a while.
 */
import { Socket } from 'node:net';
import { lockDescriptor } from '../edge/lock.ts';
import { realWorld } from '../edge/world.ts';
import { sweepMailbox } from '../maildir/sweep.ts';
import { Served } from './served.ts';

/** It takes 50 ms of a processor to begin one. */
const IDLE_MS = 5000;

const passed: Socket[] = [];
const open = new Set<Served>();
const swept = new Set<string>();
let idle: NodeJS.Timeout | undefined;
let isParentGone = false;

process.umask(0o077);
// those are for the parent, and what is under way is finished
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});

process.on('message', (message, socket) => {
  if (socket instanceof Socket) passed.push(socket);
  // said once the parent has let go of it: until then it may read what is sent to us
  const [next] = message === 'go' ? passed.splice(0, 1) : [];
  if (next !== undefined) serve(next);
  // said by the parent once it gives us no more connections
  if (message === 'end') endIfIdle();
});
process.on('disconnect', () => {
  isParentGone = true;
  endIfIdle();
});

function serve(socket: Socket): void {
  clearTimeout(idle);
  const served: Served = new Served(
    socket,
    { uid: process.geteuid?.() ?? 0, lock: lockDescriptor, sweep },
    () => {
      open.delete(served);
      if (isParentGone) endIfIdle();
      else if (open.size === 0) idle = setTimeout(() => process.send?.('idle'), IDLE_MS);
    },
  );
  open.add(served);
}

function endIfIdle(): void {
  if (open.size > 0) return;
  clearTimeout(idle);
  if (process.connected) process.disconnect(); // the last thing that keeps it alive
}

/** Whoever else sweeps cannot look into this Maildir. Once is enough: a writer does not live long. */
function sweep(mailbox: string): void {
  if (swept.has(mailbox)) return;
  swept.add(mailbox);
  const fileSystems = { run: <T>(_: string, call: () => Promise<T>) => call() };
  void sweepMailbox(mailbox, { now: realWorld('').now(), fileSystems });
}
