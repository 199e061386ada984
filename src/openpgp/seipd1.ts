/**
 * Symmetrically Encrypted and Integrity Protected Data, version 1 (RFC 9580 §5.13.1): a random prefix, the
 * plaintext packets and a Modification Detection Code, encrypted with AES in CFB mode. Returns the body of
 * the packet; the framer frames it.
 */
import { type Cipher, createCipheriv, createHash } from 'node:crypto';
import { MDC } from './framer.ts';

const BLOCK = 16; // AES
const MDC_HEADER = Buffer.from([0xc0 | MDC, 20]);

export class Seipd1 {
  readonly #cipher: Cipher;
  readonly #mdc = createHash('sha1'); // demanded by the format: an integrity check inside the encryption
  #prefix: Buffer | undefined;

  /** `sessionKey` has 16, 24 or 32 bytes; `prefix` is 16 fresh random bytes. */
  constructor(sessionKey: Uint8Array, prefix: Buffer) {
    if (prefix.length !== BLOCK) throw new RangeError('prefix must be one cipher block');
    this.#cipher = createCipheriv(`aes-${sessionKey.length * 8}-cfb`, sessionKey, Buffer.alloc(BLOCK));
    this.#prefix = Buffer.concat([prefix, prefix.subarray(BLOCK - 2)]);
  }

  /** Returns the body bytes of the next bytes of plaintext packets. */
  update(packets: Uint8Array): Buffer[] {
    const head = this.#start();
    this.#mdc.update(packets);
    return [...head, this.#cipher.update(packets)];
  }

  /** Returns the rest of the body. */
  final(): Buffer[] {
    const head = this.#start();
    this.#mdc.update(MDC_HEADER);
    return [
      ...head,
      this.#cipher.update(Buffer.concat([MDC_HEADER, this.#mdc.digest()])),
      this.#cipher.final(),
    ];
  }

  #start(): Buffer[] {
    const prefix = this.#prefix;
    if (prefix === undefined) return [];
    this.#prefix = undefined;
    this.#mdc.update(prefix);
    return [Buffer.from([1]), this.#cipher.update(prefix)];
  }
}
