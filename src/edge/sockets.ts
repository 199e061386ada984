/**
 * Listens on Unix sockets, TCP, and sockets inherited from systemd. A stale socket file is removed only
 * under the lock beside it, so that a second server cannot take the path away from one that still lives.
 */
import { once } from 'node:events';
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import type { Listener } from '../core/listener.ts';
import { tryLock } from './lock.ts';

/**
 * Connections that the kernel keeps for us while we are busy, unless net.core.somaxconn is lower. When the
 * queue is full (511 is Node's default), Linux lets a TCP client believe that it is connected and then
 * forgets it, and refuses a client on a Unix socket.
 */
const BACKLOG = 4096;

/**
 * Binds `server` and returns what it listens on, as one would write it. A Unix path has to be claimed first.
 */
export async function listenOn(server: Server, address: Listener, mode: number): Promise<string> {
  if (address.type === 'tcp') {
    server.listen({ host: address.host, port: address.port, backlog: BACKLOG });
    await once(server, 'listening');
    return addressText(server);
  }
  server.listen({ path: address.path, backlog: BACKLOG });
  await once(server, 'listening');
  // until here only the owner could connect: the umask takes the write bit of all others
  chmodSync(address.path, mode);
  return address.path;
}

/**
 * Makes the paths of Unix sockets ours until `release`: locks them, and removes the socket files that a dead
 * server left. Throws an Error whose message is a sentence for the operator.
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

/** Lets `server` listen on a descriptor passed by systemd (sd_listen_fds(3)). Returns its address. */
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

/**
 * Removes a socket file on which nobody answers: the lock keeps other Sealdirs off, but not other programs.
 */
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
