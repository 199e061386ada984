/**
 * Symmetrically Encrypted and Integrity Protected Data, version 1 (RFC 9580 §5.13.1):
 * AES in CFB mode with a random prefix, the plaintext packets, and a Modification
 * Detection Code. Gives the packet body; framing is the framer's.
 */
import { type Cipher, createCipheriv, createHash } from 'node:crypto';
import { MDC } from './framer.ts';

const BLOCK = 16; // AES
const MDC_HEADER = Buffer.from([0xc0 | MDC, 20]);

export class Seipd1 {
  readonly #cipher: Cipher;
  readonly #mdc = createHash('sha1'); // named by the format, an integrity check under encryption
  #prefix: Buffer | undefined;

  /** `sessionKey`: 16, 24 or 32 bytes; `prefix`: 16 fresh random bytes. */
  constructor(sessionKey: Uint8Array, prefix: Buffer) {
    if (prefix.length !== BLOCK) throw new RangeError('prefix must be one cipher block');
    this.#cipher = createCipheriv(`aes-${sessionKey.length * 8}-cfb`, sessionKey, Buffer.alloc(BLOCK));
    this.#prefix = Buffer.concat([prefix, prefix.subarray(BLOCK - 2)]);
  }

  /** Takes plaintext packets, gives body bytes. */
  update(packets: Uint8Array): Buffer[] {
    const head = this.#start();
    this.#mdc.update(packets);
    return [...head, this.#cipher.update(packets)];
  }

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
