/**
 * The way back from a SEIPD packet: its body in pieces -> the packets that are encrypted in it, as they come.
 * What is returned is verified only when `final` has returned, so it may go nowhere that is used before.
 * Holds no more than a chunk. Throws UnsupportedError for an algorithm that node:crypto does not have, and
 * ChangedError for a body that was changed or cut off.
 */
import { createDecipheriv, createHash, type Decipher, hkdfSync } from 'node:crypto';
import { AEAD_NAME, AES_BYTES, CIPHER_KEY_BYTES, isAead, isAes } from './algorithms.ts';
import { CfbDecipher } from './cfb.ts';
import { ChangedError, UnsupportedError } from './faults.ts';
import { MDC, SEIPD } from './framer.ts';
import { SALT_BYTES } from './seipd2.ts';

export interface BodyKey {
  readonly bytes: Uint8Array;
  /** The number of its algorithm (RFC 9580 §9.3); undefined: the body says it. */
  readonly algorithm: number | undefined;
}

export interface OpenBody {
  /** Takes bytes of the body, after the octet of its version, and does not keep them. */
  update(body: Buffer): Buffer[];
  /** Returns the rest. Throws if the whole was changed, or cut off. */
  final(): Buffer[];
}

/** What node:crypto calls the algorithms of old mail in version 1, and the size of their blocks. */
const OLD_CIPHERS: Readonly<Record<number, { readonly name: string; readonly block: number }>> = {
  2: { name: 'des-ede3-cfb', block: 8 },
  11: { name: 'camellia-128-cfb', block: 16 },
  12: { name: 'camellia-192-cfb', block: 16 },
  13: { name: 'camellia-256-cfb', block: 16 },
};

const AES_BLOCK = 16;
const UNKNOWN = 'it is encrypted with an algorithm that Sealdir cannot use';

export function openBody(version: number, key: BodyKey): OpenBody {
  if (version === 1) return new Body1(key);
  if (version === 2) return new Body2(key.bytes);
  throw new UnsupportedError(UNKNOWN);
}

const MDC_HEADER = Buffer.from([0xc0 | MDC, 20]);
const MDC_BYTES = MDC_HEADER.length + 20;

/** RFC 9580 §5.13.1 */
class Body1 implements OpenBody {
  readonly #decipher: CfbDecipher | Decipher;
  readonly #mdc = createHash('sha1');
  /** Bytes of the random prefix that have not come. */
  #prefix: number;
  /** The last bytes, which may be the code. */
  #held: Buffer = Buffer.alloc(0);

  constructor({ bytes, algorithm = 0 }: BodyKey) {
    const old = OLD_CIPHERS[algorithm];
    if (old === undefined && !isAes(algorithm)) throw new UnsupportedError(UNKNOWN);
    if (bytes.length !== CIPHER_KEY_BYTES[algorithm]) throw new ChangedError();
    const { block } = old ?? { block: AES_BLOCK };
    this.#decipher =
      old === undefined ? new CfbDecipher(bytes) : createDecipheriv(old.name, bytes, Buffer.alloc(block));
    this.#prefix = block + 2;
  }

  update(body: Buffer): Buffer[] {
    return this.#take(this.#decipher.update(body));
  }

  final(): Buffer[] {
    const out = this.#take(this.#decipher.final());
    const header = this.#held.subarray(0, MDC_HEADER.length);
    const isWhole = this.#prefix === 0 && header.equals(MDC_HEADER);
    if (!isWhole || !this.#mdc.update(header).digest().equals(this.#held.subarray(MDC_HEADER.length)))
      throw new ChangedError();
    return out;
  }

  #take(opened: Buffer): Buffer[] {
    const prefix = opened.subarray(0, this.#prefix);
    this.#prefix -= prefix.length;
    this.#mdc.update(prefix);
    const out = this.#withoutLast(opened.subarray(prefix.length));
    for (const piece of out) this.#mdc.update(piece);
    return out;
  }

  /** Returns what is not among the last bytes any more, and copies few of them. */
  #withoutLast(bytes: Buffer): Buffer[] {
    const held = this.#held;
    if (bytes.length < MDC_BYTES) {
      const all = Buffer.concat([held, bytes]);
      const end = Math.max(0, all.length - MDC_BYTES);
      this.#held = all.subarray(end);
      return [all.subarray(0, end)];
    }
    const end = bytes.length - MDC_BYTES;
    this.#held = Buffer.from(bytes.subarray(end));
    return [held, bytes.subarray(0, end)];
  }
}

const TAG_BYTES = 16;
const HEAD_BYTES = 3 + SALT_BYTES;

interface Chunks {
  readonly name: string;
  readonly key: Buffer;
  readonly nonce: Buffer;
  readonly info: Buffer;
  readonly bytes: number;
}

/** RFC 9580 §5.13.2 */
class Body2 implements OpenBody {
  readonly #sessionKey: Uint8Array;
  #chunks: Chunks | undefined;
  /** What is not opened yet: no more than a chunk, its tag, and as much as the last tag. */
  #room: Buffer = Buffer.alloc(0);
  #filled = 0;
  #count = 0n;
  #total = 0n;

  constructor(sessionKey: Uint8Array) {
    this.#sessionKey = sessionKey;
  }

  update(body: Buffer): Buffer[] {
    const out: Buffer[] = [];
    let rest = body;
    for (;;) {
      const most = this.#chunks === undefined ? HEAD_BYTES : this.#chunks.bytes + 2 * TAG_BYTES;
      const part = rest.subarray(0, most - this.#filled);
      this.#hold(part, most);
      if (this.#filled < most) return out;
      rest = rest.subarray(part.length);
      if (this.#chunks === undefined) {
        this.#chunks = chunksOf(this.#room.subarray(0, most), this.#sessionKey);
        this.#filled = 0;
        continue;
      }
      const end = most - TAG_BYTES; // the last tag follows the last chunk
      out.push(this.#open(this.#chunks, this.#room.subarray(0, end)));
      this.#room.copyWithin(0, end, most);
      this.#filled = TAG_BYTES;
    }
  }

  #hold(part: Buffer, most: number): void {
    const bytes = this.#filled + part.length;
    if (bytes > this.#room.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(most, Math.max(bytes, 2 * this.#filled)));
      this.#room.copy(grown, 0, 0, this.#filled);
      this.#room = grown;
    }
    this.#room.set(part, this.#filled);
    this.#filled = bytes;
  }

  final(): Buffer[] {
    const chunks = this.#chunks;
    const end = this.#filled - TAG_BYTES;
    if (chunks === undefined || end < 0) throw new ChangedError();
    const out = end === 0 ? [] : [this.#open(chunks, this.#room.subarray(0, end))];
    const total = Buffer.alloc(8);
    total.writeBigUInt64BE(this.#total);
    const last = this.#room.subarray(end, this.#filled);
    this.#decrypt(chunks, last, Buffer.concat([chunks.info, total]));
    return out;
  }

  #open(chunks: Chunks, sealed: Buffer): Buffer {
    if (sealed.length < TAG_BYTES) throw new ChangedError();
    const opened = this.#decrypt(chunks, sealed, chunks.info);
    this.#count += 1n;
    this.#total += BigInt(opened.length);
    return opened;
  }

  #decrypt({ name, key, nonce }: Chunks, sealed: Buffer, associated: Buffer): Buffer {
    nonce.writeBigUInt64BE(this.#count, nonce.length - 8);
    const options = { authTagLength: TAG_BYTES };
    const decipher = createDecipheriv(name as 'aes-256-gcm', key, nonce, options);
    const end = sealed.length - TAG_BYTES;
    decipher.setAAD(associated).setAuthTag(sealed.subarray(end));
    try {
      const opened = decipher.update(sealed.subarray(0, end));
      const rest = decipher.final();
      return rest.length === 0 ? opened : Buffer.concat([opened, rest]);
    } catch (error) {
      throw new ChangedError(error);
    }
  }
}

const NONCE_BYTES = { ocb: 15, gcm: 12 } as const;

function chunksOf(head: Buffer, sessionKey: Uint8Array): Chunks {
  const [cipher = 0, aead = 0, octet = 0] = head;
  if (!isAes(cipher) || !isAead(aead) || octet > 16) throw new UnsupportedError(UNKNOWN);
  const mode = AEAD_NAME[aead];
  const keyBytes = AES_BYTES[cipher];
  if (keyBytes !== sessionKey.length) throw new ChangedError();
  const info = Buffer.from([0xc0 | SEIPD, 2, cipher, aead, octet]);
  const ivBytes = NONCE_BYTES[mode] - 8;
  const derived = Buffer.from(hkdfSync('sha256', sessionKey, head.subarray(3), info, keyBytes + ivBytes));
  return {
    name: `aes-${keyBytes * 8}-${mode}`,
    key: derived.subarray(0, keyBytes),
    nonce: Buffer.concat([derived.subarray(keyBytes), Buffer.alloc(8)]),
    info,
    bytes: 2 ** (octet + 6),
  };
}
