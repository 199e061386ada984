/**
 * A file of deliveries: identities of 16 bytes, and when. All processes of a site append to it, each record
 * in one write, and read what the others have appended. A record has 32 bytes, so that none lies across two
 * blocks of a disk: a full disk takes it whole or not at all.
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';

const RECORD_BYTES = 32;
const IDENTITY_BYTES = 16;
const MARK = Buffer.from('sealdir\n');
const MARK_AT = RECORD_BYTES - MARK.length;
const STEP_BYTES = 2048 * RECORD_BYTES;

export class RecordFile {
  readonly #fd: number;
  readonly #found: (identity: string, time: number) => void;
  #readBytes = 0;
  #isClosed = false;
  /** Whether something else is in it, as a power cut may leave it. The records after that are not read. */
  isDamaged = false;

  /** Opens the file, and makes it if it is missing. `found` gets each record once, including our own. */
  constructor(path: string, found: (identity: string, time: number) => void) {
    this.#fd = openSync(path, 'a+', 0o600);
    this.#found = found;
  }

  /** Reads what was appended since the last call. */
  catchUp(): void {
    this.#mustBeOpen();
    const { size } = fstatSync(this.#fd);
    while (!this.isDamaged && size - this.#readBytes >= RECORD_BYTES) {
      const whole = Math.min(size - this.#readBytes, STEP_BYTES);
      const bytes = Buffer.alloc(whole - (whole % RECORD_BYTES));
      if (readSync(this.#fd, bytes, 0, bytes.length, this.#readBytes) !== bytes.length) return;
      this.#readBytes += bytes.length;
      for (let at = 0; at < bytes.length; at += RECORD_BYTES)
        this.#take(bytes.subarray(at, at + RECORD_BYTES));
    }
  }

  #take(record: Buffer): void {
    if (!record.subarray(MARK_AT).equals(MARK)) this.isDamaged = true;
    if (this.isDamaged) return;
    this.#found(record.toString('latin1', 0, IDENTITY_BYTES), Number(record.readBigUInt64BE(IDENTITY_BYTES)));
  }

  /** Appends one record. */
  append(identity: string, time: number): void {
    this.#mustBeOpen();
    const record = Buffer.alloc(RECORD_BYTES);
    record.write(identity, 0, IDENTITY_BYTES, 'latin1');
    record.writeBigUInt64BE(BigInt(time), IDENTITY_BYTES);
    MARK.copy(record, MARK_AT);
    if (writeSync(this.#fd, record) !== RECORD_BYTES) throw new Error('a record was written in part');
  }

  /** Throws if the file is closed, since its descriptor may belong to another file by now. */
  #mustBeOpen(): void {
    if (this.#isClosed) throw new Error('the file of what was delivered is closed');
  }

  close(): void {
    if (!this.#isClosed) closeSync(this.#fd);
    this.#isClosed = true;
  }
}
