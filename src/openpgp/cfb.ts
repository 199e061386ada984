/**
 * Decrypts AES in CFB mode (NIST SP 800-38A §6.3). What hides each block is the encrypted ciphertext before
 * it, which is all there; so OpenSSL encrypts many blocks at a time, as ECB, at several times the speed of
 * its own CFB, which goes from block to block.
 */
import { type Cipher, createCipheriv } from 'node:crypto';

const BLOCK_BYTES = 16;

export class CfbDecipher {
  readonly #cipher: Cipher;
  /**
   * The last block of ciphertext, or zeros before the first one (RFC 9580 §5.13.1), then what is to be
   * decrypted. Has memory of its own, so that it can be seen as numbers.
   */
  #scratch = Buffer.alloc(2 * BLOCK_BYTES);
  /** Bytes that have come of the next block. */
  #tail = 0;

  /** `key` has 16, 24 or 32 bytes. */
  constructor(key: Uint8Array) {
    this.#cipher = createCipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(false);
  }

  /** Takes the next bytes. Returns what can be decrypted of them. */
  update(bytes: Uint8Array): Buffer {
    const end = this.#tail + bytes.length;
    this.#makeRoom(BLOCK_BYTES + end);
    const scratch = this.#scratch;
    scratch.set(bytes, BLOCK_BYTES + this.#tail);
    this.#tail = end % BLOCK_BYTES;
    const length = end - this.#tail;
    const opened = this.#decrypt(length);
    scratch.copyWithin(0, length, BLOCK_BYTES + end);
    return opened;
  }

  /** Returns the rest. */
  final(): Buffer {
    return this.#decrypt(BLOCK_BYTES).subarray(0, this.#tail);
  }

  #decrypt(length: number): Buffer {
    const opened = owned(this.#cipher.update(this.#scratch.subarray(0, length)));
    const [words, others] = [wordsOf(opened), wordsOf(this.#scratch.subarray(BLOCK_BYTES))];
    for (let n = 0; n < words.length; n++) words[n] = (words[n] ?? 0) ^ (others[n] ?? 0);
    return opened;
  }

  #makeRoom(bytes: number): void {
    if (this.#scratch.length >= bytes) return;
    const grown = Buffer.allocUnsafeSlow(Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES);
    grown.set(this.#scratch.subarray(0, BLOCK_BYTES + this.#tail));
    this.#scratch = grown;
  }
}

/** Node gives each piece memory of its own (20, 22), but does not say so. */
function owned(bytes: Buffer): Buffer {
  const isAligned = bytes.byteOffset % Int32Array.BYTES_PER_ELEMENT === 0;
  return isAligned ? bytes : Buffer.from(new Uint8Array(bytes).buffer);
}

function wordsOf(bytes: Buffer): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / Int32Array.BYTES_PER_ELEMENT);
}
