/**
 * The Maildir store: tmp/ then new/, each step durable before the next (maildir(5)).
 *
 *   S1 nothing -> S2 partial in tmp/ -> S3 whole and fsynced in tmp/ -> S4 in new/ -> S5 new/ fsynced
 *
 * A file in new/ is always whole, and only S5 may be acknowledged. Whatever goes wrong before,
 * the file is unlinked; what a crash leaves in tmp/ is swept later (sweep.ts). Knows nothing
 * of mail or keys: it is given bytes, and they are already sealed.
 */
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Meter } from '../core/meter.ts';
import { releaseMemory } from '../core/releasememory.ts';
import type { World } from '../core/world.ts';
import { type Disk, MAX_WHOLE_BYTES, type OpenFile, writeAll } from '../disk/disk.ts';
import { Maildirs } from './maildirs.ts';

/** Sealed bytes waiting for the disk, per file, before the writer is asked to wait. */
const HIGH_WATER_BYTES = 256 * 1024;
/** Less than this is kept for one write together with what follows. */
const LOW_WATER_BYTES = 64 * 1024;
/** As much of a large message may wait for its fsync. */
const SYNC_BYTES = 4 * 1024 * 1024;
const FILE_MODE = 0o600;
// what stands around it takes up to 100 of the 255 bytes of a file name
const MAX_HOST_BYTES = 150;

export interface StoreParts {
  readonly disk: Disk;
  readonly world: World;
  readonly meter: Meter;
  /** Directory all mailboxes are under; never created or synced above it. */
  readonly root: string;
}

export class Store {
  readonly #parts: StoreParts;
  readonly #maildirs: Maildirs;
  #count = 0;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#maildirs = new Maildirs(parts.disk, parts.root);
  }

  /** A new file for `mailbox` (a Maildir path); nothing is on disk until its first write. */
  stage(mailbox: string): StagedFile {
    const prepare = (again: 'again' | 'once') => this.#maildirs.prepare(mailbox, again);
    return new StagedFile(this.#parts, mailbox, this.#uniqueName(), prepare);
  }

  /** Time, microseconds, pid, count and 64 random bits: unique on every host and across restarts. */
  #uniqueName(): string {
    const { world } = this.#parts;
    const now = world.now();
    const micros = Math.trunc(world.micros()) % 1_000_000;
    const host = world.host.replaceAll('/', '\\057').replaceAll(':', '\\072').slice(0, MAX_HOST_BYTES);
    const random = world.random(8).toString('hex');
    return `${Math.trunc(now / 1000)}.M${micros}P${world.pid}Q${++this.#count}R${random}.${host}`;
  }
}

export class StagedFile {
  readonly #parts: StoreParts;
  readonly #mailbox: string;
  readonly #name: string;
  readonly #prepare: (again: 'again' | 'once') => Promise<void>;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #writtenBytes = 0;
  #syncedBytes = 0;
  readonly #given = new Set<Buffer>(); // of the queue, those with their memory
  #writing: Promise<void> | undefined;
  #file: OpenFile | undefined;
  #path: string | undefined; // where the file is now, while it is anywhere
  #isWhole = false; // S3 reached
  #aborted = false;
  #error: unknown; // the first one; what was to be written then is lost, so the file is too

  constructor(
    parts: StoreParts,
    mailbox: string,
    name: string,
    prepare: (again: 'again' | 'once') => Promise<void>,
  ) {
    this.#parts = parts;
    this.#mailbox = mailbox;
    this.#name = name;
    this.#prepare = prepare;
  }

  /** Like `write`, and nobody else has the pieces: their memory goes back once they are written. */
  give(pieces: readonly Buffer[]): Promise<void> | undefined {
    for (const piece of pieces) this.#given.add(piece);
    return this.write(pieces);
  }

  /** Takes bytes (kept until written). A promise means: wait for it before giving more. */
  write(pieces: readonly Buffer[]): Promise<void> | undefined {
    if (this.#aborted) return undefined;
    for (const piece of pieces) {
      if (piece.length === 0) continue;
      this.#queue.push(piece);
      this.#queuedBytes += piece.length;
    }
    // what may still be a small message is written in one go at its end
    const enough = this.#file === undefined ? MAX_WHOLE_BYTES : LOW_WATER_BYTES;
    if (this.#queuedBytes <= enough) return undefined;
    const writing = this.#kick();
    writing.catch(() => {}); // remembered: finish() will say it
    return this.#queuedBytes < HIGH_WATER_BYTES ? undefined : writing;
  }

  /**
   * S2 -> S3: all bytes written, fsynced, closed. After a failed fsync the file is not tried again.
   * What has not come to the disk yet stays at S1, and all its steps are taken by `commit`.
   */
  async finish(): Promise<void> {
    const isAllQueued = this.#file === undefined && this.#writing === undefined && this.#error === undefined;
    if (!isAllQueued) await this.#finishStream();
    else if (this.#queue.length === 0) throw new Error('nothing was written');
    this.#isWhole = true;
  }

  async #finishStream(): Promise<void> {
    await this.#kick();
    await this.#kick(); // what was queued while the first was under way
    const file = this.#file;
    if (file === undefined || this.#aborted) throw new Error('nothing was written');
    this.#file = undefined; // ours to close now: closed by an abort under the fsync, it would hit another file's descriptor
    const start = performance.now();
    await file.sync().catch(async (error: unknown) => {
      await file.close().catch(() => {}); // the first error is the one to tell
      throw error;
    });
    this.#parts.meter.time('fsync', (performance.now() - start) / 1000);
    await file.close();
  }

  /** As they are now, which is what counts: of those written, and of those to be written. */
  get bytes(): number {
    return this.#writtenBytes + lengthOf(this.#queue);
  }

  finalName(size: number, wireSize: number): string {
    return `${this.#name},S=${size},W=${wireSize}`;
  }

  /** S1 or S3 -> S5. `size` is the file's, `wireSize` with CRLF line ends; IMAP servers trust both. */
  async commit(size: number, wireSize: number): Promise<void> {
    if (!this.#isWhole || this.#aborted) throw new Error('nothing is staged');
    const to = join(this.#mailbox, 'new', this.finalName(size, wireSize));
    await this.#under(this.#commitTo(to));
  }

  async #commitTo(to: string): Promise<void> {
    const { disk, meter } = this.#parts;
    const [from, pieces] = [this.#path, this.#queue];
    const isWanted = () => !this.#aborted;
    if (from !== undefined) await this.#inMaildir(() => disk.renameAndSync(from, to, isWanted));
    else {
      const deliver = () => disk.deliver(this.#tmpPath(), to, FILE_MODE, pieces, isWanted);
      meter.time('fsync', (await this.#inMaildir(deliver)) / 1000);
    }
    this.#path = undefined; // no longer ours to undo
    if (this.#aborted) {
      await disk.unlink(to).catch(() => {});
      throw new Error('aborted');
    }
    this.#giveBack(pieces);
  }

  /** Back to S1, from wherever it is. Never throws: what cannot be removed is left to the sweep. */
  async abort(): Promise<void> {
    this.#aborted = true;
    this.#queue = [];
    this.#given.clear();
    await this.#writing?.catch(() => {}); // its owner is told by what it awaits
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => {}); // nothing in it is wanted any more
    const path = this.#path;
    this.#path = undefined;
    if (path !== undefined) await this.#parts.disk.unlink(path).catch(() => {}); // swept later
  }

  /** Starts writing what is queued unless that is under way already. */
  #kick(): Promise<void> {
    return this.#writing ?? this.#under(this.#drain());
  }

  /** An abort waits for `work` before it looks what there is to remove. */
  #under(work: Promise<void>): Promise<void> {
    this.#writing = work.finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #drain(): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    try {
      this.#file ??= await this.#create();
      while (this.#queue.length > 0 && !this.#aborted) {
        const pieces = this.#queue;
        this.#queue = [];
        this.#queuedBytes = 0;
        this.#writtenBytes += lengthOf(pieces);
        await writeAll(this.#file, pieces);
        this.#giveBack(pieces);
        if (this.#writtenBytes - this.#syncedBytes >= SYNC_BYTES) await this.#syncSoFar(this.#file);
      }
    } catch (error) {
      this.#error = error;
      throw error;
    }
  }

  /** Else the disk gets a large message all at once at its end, and small ones wait behind it. */
  async #syncSoFar(file: OpenFile): Promise<void> {
    this.#syncedBytes = this.#writtenBytes;
    await file.sync();
  }

  async #create(): Promise<OpenFile> {
    const file = await this.#inMaildir(() => this.#parts.disk.create(this.#tmpPath(), FILE_MODE));
    this.#path = this.#tmpPath();
    return file;
  }

  /** Only behind a call that has come back: the kernel reads from that memory until then. */
  #giveBack(pieces: readonly Buffer[]): void {
    for (const piece of pieces) if (this.#given.delete(piece)) releaseMemory(piece);
  }

  #tmpPath(): string {
    return join(this.#mailbox, 'tmp', this.#name);
  }

  /** `work` fails with ENOENT where the Maildir, or a part of it, is not there. */
  async #inMaildir<T>(work: () => Promise<T>): Promise<T> {
    if (this.#aborted) throw new Error('aborted');
    await this.#prepare('once');
    return work().catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' || this.#aborted) throw error;
      await this.#prepare('again'); // somebody removed it under us
      return work();
    });
  }
}

function lengthOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}
