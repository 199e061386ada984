/**
 * What lists show of messages, over logins: an encrypted file for each user, so that a program that lists a
 * mailbox of thousands need not have all of it opened again. It is a cache: whatever is wrong with it costs
 * time only, and its directory may be emptied at any moment.
 *
 * A file is a row of batches, each a length, a nonce, and its entries under AES-256-GCM. Their order is
 * bound: one that is damaged, torn or out of place ends the file, and the rest is cut off.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { entriesIn, entryOf } from './entries.ts';
import type { Metadata } from './shown.ts';

const CIPHER = 'aes-256-gcm';
const LENGTH_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Of another form the file begins anew. */
const FORM = 2;
/** What is written at once, and how long it may wait for that: the process of a user ends without warning. */
const BATCH_BYTES = 256 * 1024;
const BATCH_MS = 100;
/** A batch takes a fraction of a millisecond; then whoever else waits has a turn. */
const TURN_BATCHES = 4;
const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;

export interface RememberedParts {
  readonly path: string;
  /** 32 bytes. The files of others, and of a former key of this user, do not open with it. */
  readonly key: Buffer;
  /** Bytes; a file that would become larger begins anew. */
  readonly most: number;
  complain(error: unknown): void;
}

export class Remembered {
  readonly #file: FileHandle;
  readonly #parts: RememberedParts;
  #end: number;
  #count: number;
  #waiting: Buffer[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();

  private constructor(file: FileHandle, parts: RememberedParts, end: number, count: number) {
    this.#file = file;
    this.#parts = parts;
    this.#end = end;
    this.#count = count;
  }

  /** Gives all that is in the file to `note`, in its order. Throws what the file system says. */
  static async open(
    parts: RememberedParts,
    note: (key: string, metadata: Metadata) => void,
  ): Promise<Remembered> {
    const file = await open(parts.path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    try {
      const { size } = await file.stat();
      const bytes = size > parts.most ? Buffer.alloc(0) : await file.readFile();
      let end = 0;
      let count = 0;
      for (const { entries, next } of batchesOf(bytes, parts.key)) {
        for (const [key, metadata] of entriesIn(entries)) note(key, metadata);
        end = next;
        count++;
        if (count % TURN_BATCHES === 0) await turn();
      }
      if (end < size) await file.truncate(end);
      return new Remembered(file, parts, end, count);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  add(key: string, metadata: Metadata): void {
    const entry = entryOf(key, metadata);
    this.#waiting.push(entry);
    this.#bytes += entry.length;
    if (this.#bytes >= BATCH_BYTES) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), BATCH_MS);
  }

  /** Resolves when all that was added is in the file. It is not fsynced. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const entries = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    if (entries.length > 0)
      this.#turn = this.#turn.then(() => this.#write(entries)).catch(this.#parts.complain);
    return this.#turn;
  }

  async #write(entries: readonly Buffer[]): Promise<void> {
    if (this.#end >= this.#parts.most) {
      await this.#file.truncate(0);
      this.#end = 0;
      this.#count = 0;
    }
    const batch = sealed(entries, this.#parts.key, this.#count);
    const { bytesWritten } = await this.#file.write(batch, 0, batch.length, this.#end);
    if (bytesWritten < batch.length) throw new Error('a part of what is remembered could not be written');
    this.#end += batch.length;
    this.#count++;
  }
}

function sealed(entries: readonly Buffer[], key: Buffer, place: number): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(placed(place));
  const texts = [...entries.map((entry) => cipher.update(entry)), cipher.final()];
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(entries.reduce((sum, entry) => sum + entry.length, 0));
  return Buffer.concat([length, nonce, ...texts, cipher.getAuthTag()]);
}

/** Yields the entries of each batch, and where it ends, as far as batches are as they were written. */
function* batchesOf(
  bytes: Buffer,
  key: Buffer,
): Generator<{ readonly entries: Buffer; readonly next: number }> {
  let at = 0;
  for (let place = 0; at + LENGTH_BYTES + NONCE_BYTES + TAG_BYTES <= bytes.length; place++) {
    const nonce = bytes.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + NONCE_BYTES);
    const end = at + LENGTH_BYTES + NONCE_BYTES + bytes.readUInt32BE(at);
    if (end + TAG_BYTES > bytes.length) return;
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(placed(place));
    decipher.setAuthTag(bytes.subarray(end, end + TAG_BYTES));
    const text = decipher.update(bytes.subarray(at + LENGTH_BYTES + NONCE_BYTES, end));
    try {
      decipher.final();
    } catch {
      return;
    }
    at = end + TAG_BYTES;
    yield { entries: text, next: at };
  }
}

function placed(place: number): Buffer {
  return Buffer.from(JSON.stringify(['sealdir metadata', FORM, place]));
}
