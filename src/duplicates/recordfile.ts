/**
 * A file of records (record.ts). All processes of a site append to it, each record in one write, and read
 * what the others have appended.
 */
import { closeSync, constants, readSync, writeSync } from 'node:fs';
import { openOwn } from './ownfile.ts';
import { decodeRecord, encodeRecord, RECORD_BYTES, type Record } from './record.ts';

const STEP_BYTES = 128 * RECORD_BYTES;

export class RecordFile {
  readonly #fd: number;
  readonly #found: (record: Record) => void;
  // used again for every call: a buffer of its own costs more than the call
  readonly #in = Buffer.alloc(STEP_BYTES);
  readonly #out = Buffer.alloc(RECORD_BYTES);
  #readBytes = 0;
  #isClosed = false;
  /** Whether something else is in it, as a power cut may leave it. The records after that are not read. */
  isDamaged = false;

  /** Opens the file, and makes it if it is missing. `found` gets each record once, including our own. */
  constructor(path: string, found: (record: Record) => void) {
    this.#fd = openOwn(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT);
    this.#found = found;
  }

  /** Reads what was appended since the last call. */
  catchUp(): void {
    this.#mustBeOpen();
    while (!this.isDamaged) {
      const length = readSync(this.#fd, this.#in, 0, STEP_BYTES, this.#readBytes);
      for (let at = 0; at < length; at += RECORD_BYTES)
        this.#take(this.#in.subarray(at, Math.min(at + RECORD_BYTES, length)));
      this.#readBytes += length;
      if (length < STEP_BYTES) return;
    }
  }

  /** Less than a record is damage too: what follows would be out of step. */
  #take(bytes: Buffer): void {
    const record = this.isDamaged || bytes.length < RECORD_BYTES ? undefined : decodeRecord(bytes);
    if (record === undefined) this.isDamaged = true;
    else this.#found(record);
  }

  /** Appends one record. */
  append(record: Record): void {
    this.#mustBeOpen();
    encodeRecord(this.#out, record);
    if (writeSync(this.#fd, this.#out) !== RECORD_BYTES) throw new Error('a record was written in part');
  }

  /** Throws if the file is closed, since its descriptor may belong to another file by now. */
  #mustBeOpen(): void {
    if (this.#isClosed) throw new Error('the file of records is closed');
  }

  close(): void {
    if (!this.#isClosed) closeSync(this.#fd);
    this.#isClosed = true;
  }
}
