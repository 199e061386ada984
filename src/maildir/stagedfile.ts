/**
 * One file on its way into a Maildir. A small one is held in memory (S1) and takes all its steps on
 * disk in the commit; one that has become too large for that is written as its bytes come
 * (streamedfile.ts). Its user need not know which of the two it is.
 */
import { join } from 'node:path';
import { MAX_WHOLE_BYTES } from '../disk/disk.ts';
import { finalName } from './filename.ts';
import { directoryOf } from './maildirs.ts';
import { lengthOf, Pieces } from './pieces.ts';
import { FILE_MODE, type FileParts, StreamedFile } from './streamedfile.ts';

export class StagedFile {
  #parts: FileParts;
  readonly #pieces = new Pieces();
  #stream: StreamedFile | undefined; // once it is no longer held
  #isWhole = false; // all bytes are here, and those of a stream fsynced
  #isAborted = false;
  #committing: Promise<void> | undefined;
  readonly #isWanted = () => !this.#isAborted;

  constructor(parts: FileParts) {
    this.#parts = parts;
  }

  /** Lets the file go to a folder of its Maildir (`.Junk`). To be called before the first bytes come. */
  enter(folder: string): void {
    const { mailbox } = this.#parts.place;
    this.#parts = Object.assign({}, this.#parts, { place: { mailbox, folder } });
  }

  /** Takes bytes like `write`. Nobody else has the pieces: their memory is released once they are written. */
  writeOwned(pieces: readonly Buffer[]): Promise<void> | undefined {
    if (this.#isAborted) return undefined;
    this.#pieces.addOwned(pieces);
    return this.#writeMuch();
  }

  /** Takes bytes, and keeps them until they are written. A promise means: wait for it before giving more. */
  write(pieces: readonly Buffer[]): Promise<void> | undefined {
    if (this.#isAborted) return undefined;
    this.#pieces.add(pieces);
    return this.#writeMuch();
  }

  #writeMuch(): Promise<void> | undefined {
    if (this.#pieces.queuedBytes > MAX_WHOLE_BYTES)
      this.#stream ??= new StreamedFile(this.#parts, this.#pieces, this.#isWanted);
    return this.#stream?.write();
  }

  /** Ends the bytes. What is held stays at S1; a stream goes from S2 to S3. */
  async finish(): Promise<void> {
    if (this.#isAborted || (this.#stream === undefined && this.bytes === 0))
      throw new Error('nothing was written');
    await this.#stream?.finish();
    this.#isWhole = true;
  }

  /**
   * Bytes of the file: written so far plus still queued. Taken from the buffers' current lengths,
   * since a released buffer has length 0 (Copy.finish checks the sum).
   */
  get bytes(): number {
    return (this.#stream?.writtenBytes ?? 0) + lengthOf(this.#pieces.queue);
  }

  /** The name in new/. */
  finalName(size: number, wireSize: number): string {
    return finalName(this.#parts.name, size, wireSize);
  }

  /** S1 or S3 -> S5. The sizes are those of the name in new/. */
  async commit(size: number, wireSize: number): Promise<void> {
    if (!this.#isWhole || this.#isAborted) throw new Error('nothing is staged');
    const to = join(directoryOf(this.#parts.place), 'new', this.finalName(size, wireSize));
    this.#committing = this.#commitTo(to);
    await this.#committing;
  }

  async #commitTo(to: string): Promise<void> {
    const held = this.#pieces.queue;
    if (this.#stream === undefined) await this.#deliver(to, held);
    else await this.#stream.commit(to);
    if (this.#isAborted) {
      await this.#parts.disk.unlink(to).catch(() => {});
      throw new Error('aborted');
    }
    this.#pieces.release(held);
  }

  async #deliver(to: string, pieces: readonly Buffer[]): Promise<void> {
    const { disk, maildirs, meter, place, name } = this.#parts;
    const from = join(directoryOf(place), 'tmp', name);
    const deliver = () => disk.deliver(from, to, FILE_MODE, pieces, this.#isWanted);
    meter.time('fsync', (await maildirs.withMaildir(place, this.#isWanted, deliver)) / 1000);
  }

  /** Back to S1, from wherever it is. Never throws: what cannot be removed is left to the sweep. */
  async abort(): Promise<void> {
    this.#isAborted = true;
    this.#pieces.clear();
    await this.#committing?.catch(() => {}); // wait for a commit under way: it removes its own file
    await this.#stream?.abort();
  }
}
