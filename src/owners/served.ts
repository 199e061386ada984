/**
 * One connection of a server to a writer: requests come, calls are made, replies go. Only what a delivery
 * does is done, whoever is at the other end. What is left unfinished in tmp/ is removed when the connection
 * ends, however it ends.
 */
import { unlink } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { appendLocked } from '../disk/append.ts';
import type { Order } from '../disk/batch.ts';
import { realCalls } from '../disk/calls.ts';
import type { Free, OpenFile } from '../disk/disk.ts';
import { performBatch } from '../disk/perform.ts';
import { FILE_MODE } from '../maildir/streamedfile.ts';
import type { DeliveryPaths } from './deliverypaths.ts';
import { FrameReader, frame } from './frames.ts';
import { MadeFiles } from './madefiles.ts';
import { isFolder, Listing, syncOwn } from './owncalls.ts';
import { mustBeOwn } from './ownpath.ts';
import { MOST_REQUEST_BYTES, type Reply, type Request, troubleOf } from './protocol.ts';

const DIRECTORY_MODE = 0o700;

export interface ServedOptions {
  readonly uid: number;
  readonly paths: DeliveryPaths;
  lock(fd: number): boolean;
  /** Is told of each Maildir that something is to be written to. */
  sweep(mailbox: string): void;
}

export class Served {
  readonly #socket: Socket;
  readonly #options: ServedOptions;
  readonly #files = new Map<number, OpenFile>();
  readonly #made: MadeFiles;
  readonly #listing = new Listing();
  #count = 0;
  #underWay = 0;
  #isEnding = false;

  constructor(socket: Socket, options: ServedOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#made = new MadeFiles(options);
    const reader = new FrameReader(MOST_REQUEST_BYTES);
    socket.on('data', (bytes) => {
      try {
        for (const { head, bytes: own } of reader.update(bytes))
          void this.#take(head as Request & { id: number }, own);
      } catch {
        socket.destroy(); // what follows cannot be read either
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      for (const file of this.#files.values()) file.close().catch(() => {});
      for (const path of this.#made.unfinished) unlink(path, () => {});
    });
    this.#reply({ id: 0, result: true });
  }

  /** Takes no more requests, and ends the connection when those under way are answered. */
  end(): void {
    this.#isEnding = true;
    if (this.#underWay === 0) this.#socket.end();
  }

  async #take(request: Request & { readonly id: number }, bytes: Buffer): Promise<void> {
    const { id } = request;
    this.#underWay++;
    try {
      if (this.#isEnding) throw new Error('the writer ends');
      const result = (await this.#make(request, bytes)) ?? null;
      this.#reply({ id, result });
    } catch (error) {
      this.#reply({ id, trouble: troubleOf(error) ?? { message: 'no error' } });
    }
    this.#underWay--;
    if (this.#isEnding) this.end();
  }

  #reply(reply: Reply): void {
    if (this.#socket.writable) for (const piece of frame(reply)) this.#socket.write(piece);
  }

  async #make(request: Request, bytes: Buffer): Promise<unknown> {
    switch (request.call) {
      case 'perform':
        return this.#perform(request.order as Order, bytes);
      case 'create':
        return this.#create(request.path);
      case 'writev':
        return this.#file(request.file).writev([bytes]);
      case 'sync':
        return this.#file(request.file).sync();
      case 'close':
        return this.#close(request.file);
      case 'unlink':
        return this.#made.unlink(request.path);
      case 'append':
        this.#options.paths.size(request.path, request.line);
        this.#mustBeOwn(dirname(request.path));
        return appendLocked(request.path, request.line, this.#options.lock, (call) => call());
      case 'list':
        return this.#list(request.path, request.from);
      case 'stat':
        this.#options.paths.stat(request.path);
        this.#mustBeOwn(dirname(request.path));
        return realCalls.stat(request.path);
      case 'mkdir':
        this.#options.paths.madeDirectory(request.path);
        this.#mustBeOwn(dirname(request.path));
        return realCalls.mkdir(request.path, DIRECTORY_MODE);
      case 'makeEmpty':
        this.#options.paths.mark(request.path);
        this.#mustBeOwn(dirname(request.path));
        return realCalls.makeEmpty(request.path, FILE_MODE);
      case 'isDirectory':
        this.#mayBeAt(request.path);
        return realCalls.isDirectory(request.path);
      case 'syncDirectory':
        this.#mayBeAt(request.path);
        return syncOwn(request.path);
      case 'statfs':
        return this.#free(request.path);
      default:
        request satisfies never;
        throw new Error('no such call');
    }
  }

  /** The reply has to be short, and the messages of errors have paths in them. */
  async #perform(order: Order, bytes: Buffer): Promise<unknown> {
    const { answers, fsyncMs } = await performBatch(order, bytes, this.#made.batchCalls());
    return {
      answers: answers.map((answer) => (typeof answer === 'number' ? answer : troubleOf(answer))),
      fsyncMs,
    };
  }

  /** Of a Maildir only its folders are told. */
  #list(path: string, from: number): Promise<readonly string[]> {
    const isOfMessages = this.#options.paths.holdsMessages(path);
    this.#mustBeOwn(path);
    return this.#listing.namesFrom(path, from, isOfMessages ? undefined : isFolder);
  }

  async #create(path: string): Promise<number> {
    const file = await this.#made.create(path);
    if (this.#socket.destroyed) {
      // what removes it at the end has come and gone
      unlink(path, () => {});
      await file.close();
      throw new Error('the connection has ended');
    }
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
    this.#options.paths.directory(path);
    this.#mustBeOwn(path);
    return realCalls.statfs(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' || dirname(path) === path) throw error;
      return this.#free(dirname(path));
    });
  }

  #mayBeAt(directory: string): void {
    this.#options.paths.directory(directory);
    this.#mustBeOwn(dirname(directory));
  }

  #mustBeOwn(directory: string): void {
    mustBeOwn(directory, this.#options.uid);
  }
}
