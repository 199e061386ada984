/**
 * Listening: Unix sockets, TCP, and sockets inherited from systemd. A stale socket file is
 * removed only under a lock beside it, so that a second server cannot take the path away
 * from a first one that still lives.
 */
import { once } from 'node:events';
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import type { Listener } from '../core/listener.ts';
import { tryLock } from './lock.ts';

/**
 * Connections that wait for us while we are busy; the kernel's own limit is lower where it is (net.core.somaxconn). Beyond Node's
 * 511, Linux lets a TCP client believe it is connected and then forgets it, and refuses one on a Unix socket.
 */
const BACKLOG = 4096;

/** Binds `server`; a Unix path has to be claimed before. Returns what it listens on, as one would write it. */
export async function listenOn(server: Server, address: Listener, mode: number): Promise<string> {
  if (address.type === 'tcp') {
    server.listen({ host: address.host, port: address.port, backlog: BACKLOG });
    await once(server, 'listening');
    return addressText(server);
  }
  server.listen({ path: address.path, backlog: BACKLOG });
  await once(server, 'listening');
  // until here only the owner could connect: the umask takes the others' write bit
  chmodSync(address.path, mode);
  return address.path;
}

/**
 * Makes the paths of Unix sockets ours until `release`: locks them, and removes what a dead
 * server left. Throws with a sentence for the operator.
 */
export async function claimPaths(addresses: readonly Listener[]): Promise<{ release(): void }> {
  const locks: { release(): void }[] = [];
  const release = () => {
    for (const lock of locks) lock.release();
  };
  try {
    for (const { path } of addresses.filter((address) => address.type === 'unix')) {
      const lock = tryLock(`${path}.lock`);
      if (lock === undefined) throw new Error(`${path}: another server listens here`);
      locks.push(lock);
      await removeStale(path);
    }
    return { release };
  } catch (error) {
    release();
    throw error;
  }
}

/** A listening descriptor passed by systemd (sd_listen_fds(3)). */
export async function listenOnDescriptor(server: Server, fd: number): Promise<string> {
  server.listen({ fd, backlog: BACKLOG });
  await once(server, 'listening');
  return addressText(server);
}

function addressText(server: Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') return bound ?? 'inherited socket';
  return bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
}

/** Only what nobody answers on: the lock keeps other Sealdirs off, but a path may be another program's. */
async function removeStale(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket()) throw new Error(`${path}: exists and is no socket`);
  if (await answers(path)) throw new Error(`${path}: another program listens here`);
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}
