/**
 * A file that is too large to be held in memory: written to tmp/ as its bytes come (S2), fsynced
 * and closed when they have ended (S3), renamed to new/ and made durable there (S5). A failure is
 * final: a write or fsync that failed is never tried again.
 */
import { join } from 'node:path';
import type { Meter } from '../core/meter.ts';
import type { World } from '../core/world.ts';
import type { Disk, OpenFile } from '../disk/disk.ts';
import { runAsync, writeAll } from '../disk/steps.ts';
import { directoryOf, type Maildirs, type Place } from './maildirs.ts';
import { lengthOf, type Pieces } from './pieces.ts';

/** Bytes waiting for the disk before the writer is asked to wait. */
const HIGH_WATER_BYTES = 256 * 1024;
/** Less than this is kept, for one write together with what follows. */
const LOW_WATER_BYTES = 64 * 1024;
/** How much may have been written since the last fsync (D26). */
const SYNC_BYTES = 4 * 1024 * 1024;
export const FILE_MODE = 0o600;

/** What a file in a Maildir is made of. */
export interface FileParts {
  readonly disk: Disk;
  readonly world: Pick<World, 'micros'>;
  readonly meter: Meter;
  readonly maildirs: Maildirs;
  readonly place: Place;
  /** The name in tmp/, unique for ever. */
  readonly name: string;
}

export class StreamedFile {
  readonly #parts: FileParts;
  readonly #pieces: Pieces;
  readonly #isWanted: () => boolean;
  readonly #path: string; // in tmp/
  #isInTmp = false; // made by us, and not renamed yet
  #file: OpenFile | undefined; // while it is open
  #writing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined; // the first one; bytes are missing from then on
  #writtenBytes = 0;
  #syncedBytes = 0;

  /** Takes its bytes out of `pieces`, and stops when `isWanted` says no. */
  constructor(parts: FileParts, pieces: Pieces, isWanted: () => boolean) {
    this.#parts = parts;
    this.#pieces = pieces;
    this.#isWanted = isWanted;
    this.#path = join(directoryOf(parts.place), 'tmp', parts.name);
  }

  /** Writes what is in `pieces`, if it is enough. A promise means: wait for it before adding more. */
  write(): Promise<void> | undefined {
    if (this.#pieces.queuedBytes <= LOW_WATER_BYTES) return undefined;
    const writing = this.#startWriting();
    writing.catch(() => {}); // remembered: finish() will say it
    return this.#pieces.queuedBytes < HIGH_WATER_BYTES ? undefined : writing;
  }

  /** Bytes written, or being written. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** S2 -> S3: writes what is left, fsyncs and closes. */
  async finish(): Promise<void> {
    await this.#startWriting();
    await this.#startWriting(); // what was added while the first was under way
    const file = this.#file;
    if (file === undefined || !this.#isWanted()) throw new Error('nothing was written');
    // from here we close it: if an abort closed it during the fsync, our own close could hit a reused
    // descriptor
    this.#file = undefined;
    const { world, meter } = this.#parts;
    const start = world.micros();
    await file.sync().catch(async (error: unknown) => {
      await file.close().catch(() => {}); // the first error is the one to tell
      throw error;
    });
    meter.time('fsync', (world.micros() - start) / 1e6);
    await file.close();
  }

  /** S3 -> S5. */
  async commit(to: string): Promise<void> {
    const { disk, maildirs, place } = this.#parts;
    const rename = () => disk.renameAndSync(this.#path, to, this.#isWanted);
    await maildirs.withMaildir(place, this.#isWanted, rename);
    this.#isInTmp = false;
  }

  /**
   * Back to S1. Nobody must want the file any more. Never throws: what cannot be removed is left to the
   * sweep.
   */
  async abort(): Promise<void> {
    await this.#writing?.catch(() => {}); // whoever awaits it is told
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => {}); // nothing in it is wanted any more
    if (!this.#isInTmp) return;
    this.#isInTmp = false;
    await this.#parts.disk.unlink(this.#path).catch(() => {}); // swept later
  }

  /** Starts to write what is queued, unless that is under way already. */
  #startWriting(): Promise<void> {
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #drain(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error;
    try {
      this.#file ??= await this.#create();
      while (this.#pieces.queuedBytes > 0 && this.#isWanted()) await this.#writeQueued(this.#file);
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  async #writeQueued(file: OpenFile): Promise<void> {
    const pieces = this.#pieces.take();
    this.#writtenBytes += lengthOf(pieces);
    await runAsync(writeAll((rest) => file.writev(rest), pieces));
    this.#pieces.release(pieces);
    if (this.#writtenBytes - this.#syncedBytes < SYNC_BYTES) return;
    // otherwise the disk would get a large message all at once at its end, and small ones would wait for it
    this.#syncedBytes = this.#writtenBytes;
    await file.sync();
  }

  async #create(): Promise<OpenFile> {
    const { disk, maildirs, place } = this.#parts;
    const file = await maildirs.withMaildir(place, this.#isWanted, () => disk.create(this.#path, FILE_MODE));
    this.#isInTmp = true;
    return file;
  }
}
