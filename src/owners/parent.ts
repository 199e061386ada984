/**
 * The privileged part: the only one that runs as root. It hands each connection of a server to a writer, a
 * process of its own with the uid and gid that the server asks for, and then has no part in it. It refuses
 * root and the users and groups of the system, and reads one short greeting from each connection. It sees no
 * byte of any message, and reads nothing from a writer: a writer is in the hands of its user. Whoever may
 * connect is decided by owner and mode of the socket.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { lstatSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Say } from '../core/events.ts';
import type { Owner } from '../core/owner.ts';
import { FrameReader, frame } from './frames.ts';
import { MOST_GREETING_BYTES, ownerOf } from './protocol.ts';

export interface OwnersOptions {
  /** Users and groups with lower numbers are refused. */
  readonly minUid: number;
  readonly minGid: number;
  /** Most writers at one time, and most of one user: each process of a server needs one. */
  readonly mostWriters: number;
  readonly mostOfUser: number;
  /** Where a server finds this: nothing is written as the user that it belongs to. */
  readonly socket: string;
  /** The directories that mailboxes are in. */
  readonly roots: readonly string[];
  readonly say: Say;
}

/** How long a connection may take to say whose writer it wants. */
const GREETING_MS = 5000;
/** How long writers may take to finish what they were given. */
const FINISH_MS = 8000;
/** nobody and nogroup, and -1 where numbers have 16 bits. */
const NOBODY: readonly number[] = [65_534, 65_535];
/** Node starts no process with a higher number. */
const MOST_ID = 2 ** 31 - 1;
const PROGRAM = fileURLToPath(new URL('./writer.js', import.meta.url));

export class Owners {
  readonly server: Server;
  readonly #options: OwnersOptions;
  /** All that have not ended, the oldest first, with their uid. */
  readonly #writers = new Map<ChildProcess, number>();

  constructor(options: OwnersOptions) {
    this.#options = options;
    this.server = createServer((socket) => this.#greeted(socket));
  }

  /** Takes no more connections. Writers finish what is under way, and end. */
  close(): void {
    this.server.close();
    for (const writer of this.#writers.keys()) writer.kill('SIGTERM');
    const finished = () => {
      for (const writer of this.#writers.keys()) {
        writer.kill('SIGKILL');
        writer.unref(); // it may hang in a call
      }
    };
    setTimeout(finished, FINISH_MS).unref();
  }

  #greeted(socket: Socket): void {
    const reader = new FrameReader(MOST_GREETING_BYTES);
    socket.setTimeout(GREETING_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      try {
        const [greeting] = reader.update(bytes);
        if (greeting === undefined) return;
        socket.removeAllListeners('data');
        this.#pass(socket, ownerOf(greeting.head));
        socket.destroy(); // the writer has it. Nothing was sent meanwhile: its server waits for the writer
      } catch (error) {
        refuse(socket, (error as Error).message);
      }
    });
  }

  #pass(socket: Socket, owner: Owner): void {
    this.#mustBeAllowed(owner);
    const { uid, gid } = owner;
    const { mostWriters, mostOfUser } = this.#options;
    const own = [...this.#writers.keys()].filter((writer) => this.#writers.get(writer) === uid);
    if (own.length >= mostOfUser) {
      own[0]?.kill('SIGKILL'); // it should have ended with its connection
      throw new Error(`user ${uid} has ${own.length} writers already`);
    }
    if (this.#writers.size >= mostWriters) throw new Error(`${mostWriters} writers are at work already`);
    this.#begin(socket, { uid, gid });
  }

  #mustBeAllowed({ uid, gid }: Owner): void {
    const { minUid, minGid, socket } = this.#options;
    if (uid < Math.max(minUid, 1)) throw new Error(`user ${uid} is below owners.min_uid, ${minUid}`);
    if (gid < Math.max(minGid, 1)) throw new Error(`group ${gid} is below owners.min_gid, ${minGid}`);
    for (const id of [uid, gid]) {
      if (NOBODY.includes(id)) throw new Error(`${id} is nobody`);
      if (id > MOST_ID) throw new Error(`${id} is more than ${MOST_ID}, the highest number that Node takes`);
    }
    if (uid === lstatSync(socket, { throwIfNoEntry: false })?.uid)
      throw new Error(`user ${uid} is who connects here`);
  }

  #begin(socket: Socket, { uid, gid }: Owner): void {
    const { roots, say } = this.#options;
    // libuv drops all other groups. Nothing of root's environment goes along. Not `detached`: in a session of
    // its own each writer waits 1 ms longer for a processor (sched_autogroup).
    const writer = spawn(process.execPath, ['--max-old-space-size=128', PROGRAM, ...roots], {
      uid,
      gid,
      cwd: '/',
      env: { UV_THREADPOOL_SIZE: '8' },
      stdio: ['ignore', 'ignore', 'ignore', socket],
    });
    writer.on('error', (error) => say('warn', 'a writer failed', { uid, gid, error: error.message }));
    if (writer.pid === undefined) throw new Error('no writer could be started');
    this.#writers.set(writer, uid);
    writer.on('exit', (code, signal) => {
      this.#writers.delete(writer);
      if (code !== 0) say('warn', 'a writer ended', { uid, gid, code, signal });
    });
  }
}

function refuse(socket: Socket, message: string): void {
  const pieces = frame({ id: 0, trouble: { message } });
  socket.end(Buffer.concat(pieces));
}
