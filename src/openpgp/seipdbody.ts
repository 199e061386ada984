/**
 * The way back from a SEIPD packet: its body in pieces -> the packets that are encrypted in it, as they come.
 * What is returned is verified only when `final` has returned, so it may go nowhere that is used before.
 * Holds no more than a chunk. Throws an Error for an algorithm that node:crypto does not have, and for a body
 * that was changed or cut off.
 */
import { createDecipheriv, createHash, type Decipher, hkdfSync } from 'node:crypto';
import { AEAD_NAME, AES_BYTES, isAead, isAes } from './algorithms.ts';
import { MDC, SEIPD } from './framer.ts';
import { SALT_BYTES } from './seipd2.ts';

export interface BodyKey {
  readonly bytes: Uint8Array;
  /** The number of its algorithm (RFC 9580 §9.3); undefined: the body says it. */
  readonly algorithm: number | undefined;
}

export interface OpenBody {
  /** Takes bytes of the body, after the octet of its version. */
  update(body: Buffer): Buffer[];
  /** Returns the rest. Throws if the whole was changed, or cut off. */
  final(): Buffer[];
}

/** What node:crypto calls the algorithms that version 1 may have, and the size of their blocks. */
const CIPHERS: Readonly<Record<number, { readonly name: string; readonly block: number }>> = {
  2: { name: 'des-ede3-cfb', block: 8 },
  7: { name: 'aes-128-cfb', block: 16 },
  8: { name: 'aes-192-cfb', block: 16 },
  9: { name: 'aes-256-cfb', block: 16 },
  11: { name: 'camellia-128-cfb', block: 16 },
  12: { name: 'camellia-192-cfb', block: 16 },
  13: { name: 'camellia-256-cfb', block: 16 },
};

const CHANGED = 'it was changed on its way, or cut off';
const UNKNOWN = 'it is encrypted with an algorithm that Sealdir cannot use';

export function openBody(version: number, key: BodyKey): OpenBody {
  if (version === 1) return new Body1(key);
  if (version === 2) return new Body2(key.bytes);
  throw new Error(UNKNOWN);
}

const MDC_HEADER = Buffer.from([0xc0 | MDC, 20]);
const MDC_BYTES = MDC_HEADER.length + 20;

/** RFC 9580 §5.13.1 */
class Body1 implements OpenBody {
  readonly #decipher: Decipher;
  readonly #mdc = createHash('sha1');
  /** Bytes of the random prefix that have not come. */
  #prefix: number;
  /** The last bytes, which may be the code. */
  #held: Buffer = Buffer.alloc(0);

  constructor({ bytes, algorithm }: BodyKey) {
    const cipher = CIPHERS[algorithm ?? 0];
    if (cipher === undefined) throw new Error(UNKNOWN);
    this.#decipher = createDecipheriv(cipher.name, bytes, Buffer.alloc(cipher.block));
    this.#prefix = cipher.block + 2;
  }

  update(body: Buffer): Buffer[] {
    return this.#take(this.#decipher.update(body));
  }

  final(): Buffer[] {
    const out = this.#take(this.#decipher.final());
    const header = this.#held.subarray(0, MDC_HEADER.length);
    const isWhole = this.#prefix === 0 && header.equals(MDC_HEADER);
    if (!isWhole || !this.#mdc.update(header).digest().equals(this.#held.subarray(MDC_HEADER.length)))
      throw new Error(CHANGED);
    return out;
  }

  #take(opened: Buffer): Buffer[] {
    const prefix = opened.subarray(0, this.#prefix);
    this.#prefix -= prefix.length;
    this.#mdc.update(prefix);
    const all = Buffer.concat([this.#held, opened.subarray(prefix.length)]);
    const end = Math.max(0, all.length - MDC_BYTES);
    this.#held = all.subarray(end);
    const out = all.subarray(0, end);
    this.#mdc.update(out);
    return [out];
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
  #held: Buffer = Buffer.alloc(0);
  #count = 0n;
  #total = 0n;

  constructor(sessionKey: Uint8Array) {
    this.#sessionKey = sessionKey;
  }

  update(body: Buffer): Buffer[] {
    this.#held = Buffer.concat([this.#held, body]);
    if (this.#chunks === undefined) {
      if (this.#held.length < HEAD_BYTES) return [];
      this.#chunks = chunksOf(this.#held.subarray(0, HEAD_BYTES), this.#sessionKey);
      this.#held = this.#held.subarray(HEAD_BYTES);
    }
    const out: Buffer[] = [];
    const whole = this.#chunks.bytes + TAG_BYTES;
    // the last tag follows the last chunk
    while (this.#held.length >= whole + TAG_BYTES) {
      out.push(this.#open(this.#chunks, this.#held.subarray(0, whole)));
      this.#held = this.#held.subarray(whole);
    }
    return out;
  }

  final(): Buffer[] {
    const chunks = this.#chunks;
    if (chunks === undefined || this.#held.length < TAG_BYTES) throw new Error(CHANGED);
    const end = this.#held.length - TAG_BYTES;
    const last = this.#held.subarray(0, end);
    const out = last.length === 0 ? [] : [this.#open(chunks, last)];
    const total = Buffer.alloc(8);
    total.writeBigUInt64BE(this.#total);
    this.#decrypt(chunks, this.#held.subarray(end), Buffer.concat([chunks.info, total]));
    return out;
  }

  #open(chunks: Chunks, sealed: Buffer): Buffer {
    if (sealed.length < TAG_BYTES) throw new Error(CHANGED);
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
      return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()]);
    } catch (error) {
      throw new Error(CHANGED, { cause: error });
    }
  }
}

const NONCE_BYTES = { ocb: 15, gcm: 12 } as const;

function chunksOf(head: Buffer, sessionKey: Uint8Array): Chunks {
  const [cipher = 0, aead = 0, octet = 0] = head;
  if (!isAes(cipher) || !isAead(aead) || octet > 16) throw new Error(UNKNOWN);
  const mode = AEAD_NAME[aead];
  const keyBytes = AES_BYTES[cipher];
  if (keyBytes !== sessionKey.length) throw new Error(CHANGED);
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
