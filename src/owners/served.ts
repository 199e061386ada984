/**
 * One connection of a server to a writer: requests come, calls are made, replies go. What the server leaves
 * unfinished in tmp/ is removed when the connection ends, however it ends.
 */
import { unlink } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { appendLocked } from '../disk/append.ts';
import type { Calls, Order } from '../disk/batch.ts';
import { realCalls } from '../disk/calls.ts';
import type { Free, OpenFile } from '../disk/disk.ts';
import { batchCalls, performBatch } from '../disk/perform.ts';
import { FrameReader, frame } from './frames.ts';
import { mustBeOwn } from './ownpath.ts';
import { MOST_REQUEST_BYTES, type Request, type Trouble, troubleOf } from './protocol.ts';

export interface ServedOptions {
  readonly uid: number;
  lock(fd: number): boolean;
  /** Is told of each Maildir that something is to be written to. */
  sweep(mailbox: string): void;
}

export class Served {
  readonly #socket: Socket;
  readonly #options: ServedOptions;
  readonly #files = new Map<number, OpenFile>();
  readonly #unfinished = new Set<string>(); // paths in tmp/
  #count = 0;

  /** `ended` is called once, when the connection is over. */
  constructor(socket: Socket, options: ServedOptions, ended: () => void) {
    this.#socket = socket;
    this.#options = options;
    const reader = new FrameReader(MOST_REQUEST_BYTES);
    socket.on('data', (bytes) => {
      try {
        for (const { head, bytes: own } of reader.update(bytes))
          this.#take(head as Request & { id: number }, own);
      } catch {
        socket.destroy(); // what follows cannot be read either
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      for (const file of this.#files.values()) file.close().catch(() => {});
      for (const path of this.#unfinished) unlink(path, () => {});
      ended();
    });
    this.#reply(0, { result: true });
    socket.resume();
  }

  #take(request: Request & { readonly id: number }, bytes: Buffer): void {
    this.#make(request, bytes).then(
      (result = null) => this.#reply(request.id, { result }),
      (error: unknown) => this.#reply(request.id, { trouble: troubleOf(error) }),
    );
  }

  #reply(id: number, answer: { readonly result: unknown } | { readonly trouble: Trouble }): void {
    for (const piece of frame({ id, ...answer })) this.#socket.write(piece);
  }

  async #make(request: Request, bytes: Buffer): Promise<unknown> {
    switch (request.call) {
      case 'perform':
        return performBatch(request.order as Order, bytes, this.#batchCalls());
      case 'create':
        return this.#create(request.path, request.mode);
      case 'writev':
        return this.#file(request.file).writev([bytes]);
      case 'sync':
        return this.#file(request.file).sync();
      case 'close':
        return this.#close(request.file);
      case 'unlink':
        this.#mustBeOwn(dirname(request.path));
        this.#unfinished.delete(request.path);
        return realCalls.unlink(request.path);
      case 'mkdir':
        this.#mustBeOwn(dirname(request.path));
        return realCalls.mkdir(request.path, request.mode);
      case 'append':
        this.#mustBeOwn(dirname(request.path));
        return appendLocked(request.path, request.line, this.#options.lock, (call) => call());
      case 'statfs':
        return this.#free(request.path);
      case 'isDirectory':
      case 'syncDirectory':
      case 'list':
      case 'stat':
        this.#mustBeOwn(dirname(request.path));
        return realCalls[request.call](request.path);
      default:
        request satisfies never;
        throw new Error('no such call');
    }
  }

  async #create(path: string, mode: number): Promise<number> {
    this.#mayWrite(path);
    const file = await realCalls.create(path, mode);
    this.#unfinished.add(path);
    this.#files.set(++this.#count, file);
    return this.#count;
  }

  #close(handle: number): Promise<void> {
    const file = this.#file(handle);
    this.#files.delete(handle);
    return file.close();
  }

  #file(handle: number): OpenFile {
    const file = this.#files.get(handle);
    if (file === undefined) throw new Error('no such file');
    return file;
  }

  /** Asks the nearest directory that is there. */
  async #free(path: string): Promise<Free> {
    this.#mustBeOwn(path);
    return realCalls.statfs(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' || dirname(path) === path) throw error;
      return this.#free(dirname(path));
    });
  }

  #batchCalls(): Calls<number> {
    return {
      ...batchCalls,
      create: (path, mode) => {
        this.#mayWrite(path);
        return batchCalls.create(path, mode);
      },
      openDirectory: (path) => {
        this.#mustBeOwn(path);
        return batchCalls.openDirectory(path);
      },
      rename: (from, to) => {
        this.#mustBeOwn(dirname(from));
        return batchCalls.rename(from, to);
      },
      unlink: (path) => {
        this.#mustBeOwn(dirname(path));
        return batchCalls.unlink(path);
      },
    };
  }

  /** A file in tmp/ of a Maildir is about to be made. */
  #mayWrite(path: string): void {
    this.#mustBeOwn(dirname(path));
    this.#options.sweep(dirname(dirname(path)));
  }

  #mustBeOwn(directory: string): void {
    mustBeOwn(directory, this.#options.uid);
  }
}
