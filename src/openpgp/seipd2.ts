/**
 * Symmetrically Encrypted and Integrity Protected Data, version 2 (RFC 9580 §5.13.2): the key is derived with
 * HKDF from session key and salt; each chunk is encrypted with AEAD and has its own tag, and a last tag
 * covers the total length. So a reader notices every changed bit and a missing end. Returns the body of the
 * packet.
 */
import { type CipherGCM, createCipheriv, hkdfSync } from 'node:crypto';
import { AEAD_ID, type Aead, aesIdOf } from './algorithms.ts';
import { SEIPD } from './framer.ts';

const NONCE_BYTES = { ocb: 15, gcm: 12 } as const;
const TAG_BYTES = 16;
export const SALT_BYTES = 32;

// chunks of 2^(12+6) bytes, as openpgp.js writes them: a reader holds no more than one until it is verified
const CHUNK_OCTET = 12;
const CHUNK_BYTES = 2 ** (CHUNK_OCTET + 6);

export class Seipd2 {
  readonly #aead: Aead;
  readonly #info: Buffer;
  readonly #key: Buffer;
  readonly #nonce: Buffer;
  #head: Buffer | undefined;
  #cipher: CipherGCM | undefined;
  #inChunk = 0;
  #chunks = 0n;
  #total = 0n;

  /** `sessionKey` has 16, 24 or 32 bytes; `salt` is 32 fresh random bytes. */
  constructor(sessionKey: Uint8Array, aead: Aead, salt: Buffer) {
    const cipher = aesIdOf(sessionKey.length);
    if (cipher === undefined || salt.length !== SALT_BYTES)
      throw new RangeError('wrong session key or salt length');
    this.#aead = aead;
    const parameters = [2, cipher, AEAD_ID[aead], CHUNK_OCTET];
    this.#info = Buffer.from([0xc0 | SEIPD, ...parameters]);
    const ivBytes = NONCE_BYTES[aead] - 8;
    const derived = Buffer.from(
      hkdfSync('sha256', sessionKey, salt, this.#info, sessionKey.length + ivBytes),
    );
    this.#key = derived.subarray(0, sessionKey.length);
    this.#nonce = Buffer.concat([derived.subarray(sessionKey.length), Buffer.alloc(8)]);
    this.#head = Buffer.concat([Buffer.from(parameters), salt]);
  }

  /** Returns the body bytes of the next bytes of plaintext packets. */
  update(packets: Uint8Array): Buffer[] {
    const out = this.#start();
    for (let from = 0; from < packets.length; ) {
      // a full chunk is closed only when more bytes follow, so that the last one is never empty
      if (this.#inChunk === CHUNK_BYTES) out.push(...this.#closeChunk());
      this.#cipher ??= this.#chunkCipher(this.#info);
      const take = Math.min(packets.length - from, CHUNK_BYTES - this.#inChunk);
      out.push(this.#cipher.update(packets.subarray(from, from + take)));
      this.#inChunk += take;
      from += take;
    }
    this.#total += BigInt(packets.length);
    return out;
  }

  /** Returns the rest of the body. */
  final(): Buffer[] {
    const out = this.#start();
    if (this.#inChunk > 0) out.push(...this.#closeChunk());
    const total = Buffer.alloc(8);
    total.writeBigUInt64BE(this.#total);
    const last = this.#chunkCipher(Buffer.concat([this.#info, total]));
    out.push(last.final(), last.getAuthTag());
    return out;
  }

  #start(): Buffer[] {
    const head = this.#head;
    this.#head = undefined;
    return head === undefined ? [] : [head];
  }

  #chunkCipher(associatedData: Buffer): CipherGCM {
    this.#nonce.writeBigUInt64BE(this.#chunks, this.#nonce.length - 8);
    const name = `aes-${this.#key.length * 8}-${this.#aead}` as 'aes-256-gcm';
    const cipher = createCipheriv(name, this.#key, this.#nonce, { authTagLength: TAG_BYTES });
    return cipher.setAAD(associatedData);
  }

  #closeChunk(): Buffer[] {
    const cipher = this.#cipher;
    if (cipher === undefined) return [];
    this.#cipher = undefined;
    this.#inChunk = 0;
    this.#chunks += 1n;
    return [cipher.final(), cipher.getAuthTag()];
  }
}
