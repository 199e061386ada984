/**
 * The privileged part: the only one that runs as root. It hands each connection of a server to a writer, a
 * process of its own with the uid and gid that the server asks for. It refuses root and the users and groups
 * of the system, reads one short greeting from each connection, and sees no byte of any message. Whoever may
 * connect is decided by the mode of the socket.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import type { Owner } from '../core/owner.ts';
import { FrameReader, frame } from './frames.ts';
import { MOST_GREETING_BYTES, ownerOf } from './protocol.ts';

export interface OwnersOptions {
  /** Users and groups with lower numbers are refused. */
  readonly minUid: number;
  readonly minGid: number;
  /** Most writers at one time: one takes about 20 MB. */
  readonly mostWriters: number;
  log(what: string, details: object): void;
}

/** How long a connection may take to say whose writer it wants. */
const GREETING_MS = 5000;

export class Owners {
  readonly server: Server;
  readonly #options: OwnersOptions;
  readonly #writers = new Map<string, ChildProcess>(); // by uid and gid

  constructor(options: OwnersOptions) {
    this.#options = options;
    this.server = createServer((socket) => this.#greeted(socket));
  }

  /** Takes no more connections. Writers end once they have finished what they were given. */
  close(): void {
    this.server.close();
    for (const writer of this.#writers.values()) writer.disconnect();
    this.#writers.clear();
  }

  #greeted(socket: Socket): void {
    const reader = new FrameReader(MOST_GREETING_BYTES);
    socket.setTimeout(GREETING_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      try {
        const [greeting] = reader.update(bytes);
        if (greeting === undefined) return;
        socket.pause();
        socket.removeAllListeners('data');
        socket.setTimeout(0);
        this.#pass(socket, ownerOf(greeting.head));
      } catch (error) {
        refuse(socket, (error as Error).message);
      }
    });
  }

  #pass(socket: Socket, owner: Owner): void {
    const { minUid, minGid, mostWriters } = this.#options;
    const { uid, gid } = owner;
    if (uid < Math.max(minUid, 1)) throw new Error(`user ${uid} is below owners.min_uid, ${minUid}`);
    if (gid < Math.max(minGid, 1)) throw new Error(`group ${gid} is below owners.min_gid, ${minGid}`);
    const name = `${uid}:${gid}`;
    const running = this.#writers.get(name);
    if (running === undefined && this.#writers.size >= mostWriters)
      throw new Error(`${mostWriters} writers are at work already`);
    const writer = running ?? this.#begin(name, owner);
    writer.send('connection', socket, (error) => {
      if (error !== null) socket.destroy();
    });
    // Node goes on reading from it, and drops what it reads, until the writer has it. This comes after that.
    writer.send('go', () => {});
  }

  #begin(name: string, { uid, gid }: Owner): ChildProcess {
    const { log } = this.#options;
    // libuv drops all other groups. Nothing of root's environment goes along.
    const writer = fork(new URL('./writer.js', import.meta.url), {
      uid,
      gid,
      cwd: '/',
      env: { UV_THREADPOOL_SIZE: '32' },
      execArgv: ['--max-old-space-size=128'],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#writers.set(name, writer);
    const forget = () => {
      if (this.#writers.get(name) === writer) this.#writers.delete(name);
    };
    // from now on it gets no connection, so that it can end without losing one
    writer.on('message', () => {
      forget();
      if (writer.connected) writer.send('end');
    });
    writer.on('error', (error) => {
      forget();
      log('a writer failed', { uid, gid, error: error.message });
    });
    writer.on('exit', (code, signal) => {
      forget();
      if (code !== 0) log('a writer ended', { uid, gid, code, signal });
    });
    return writer;
  }
}

function refuse(socket: Socket, message: string): void {
  const pieces = frame({ id: 0, trouble: { message } });
  socket.end(Buffer.concat(pieces));
}
