/**
 * Judges binary OpenPGP as it comes: whether it is an encrypted message and nothing else, which is
 * session-key packets, one SEIPD packet, and the end (RFC 9580 §10.3). Tells for which keys. Decrypts
 * nothing, so what an impostor puts in place of ciphertext cannot be known; text that stands there openly is
 * found all the same.
 */
import { newLength, readPacket } from './packets.ts';
import { sessionKeyOf } from './sessionkeypackets.ts';

/** New header (§4.2.1) of the only packet that old headers cannot express here. */
const SEIPD_HEAD = 0xd2;
/** Larger than any session-key packet: RSA of 16,384 bits takes 2 KiB. */
const MOST_PACKET_BYTES = 4096;
const MOST_SESSION_KEYS = 500;
/** §4.2.1.4 */
const LEAST_FIRST_PART = 512;
/** In ciphertext, a run of text as long as this comes once in 10^11 bytes. */
const LONGEST_TEXT = 28;

/** What stands in clear in a SEIPD body, and the least that follows (§5.13.1, §5.13.2). */
const FORMS = {
  1: { headBytes: 1, leastBytes: 43 },
  2: { headBytes: 36, leastBytes: 69 },
} as const;

export class EncryptedPackets {
  #state: 'sessionKeys' | 'data' | 'ended' | 'wrong' = 'sessionKeys';
  #pending: Buffer = Buffer.alloc(0); // of a packet, or of a length, that is not all there
  readonly #keyIds = new Set<string>();
  readonly #generations = new Set<1 | 2>(); // of the session-key packets
  #sessionKeys = 0;
  #left = 0; // of the part of the SEIPD body that is being read
  #isLastPart = false;
  #parts = 0;
  #head: Buffer = Buffer.alloc(0); // the first bytes of the SEIPD body
  #bodyBytes = 0;
  #textRun = 0;

  /** Takes the next bytes. False: this is no such message, and nothing that follows makes it one. */
  update(bytes: Buffer): boolean {
    let rest = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    this.#pending = Buffer.alloc(0);
    while (rest.length > 0 && this.#state !== 'wrong') {
      const taken = this.#take(rest);
      if (taken === 0) break;
      rest = rest.subarray(taken);
    }
    if (this.#state === 'wrong') return false;
    this.#pending = Buffer.from(rest);
    return true;
  }

  /** The ids of all keys that it is encrypted to, in upper-case hex. Undefined: not known yet. */
  get keyIds(): ReadonlySet<string> | undefined {
    return this.#state === 'data' || this.#state === 'ended' ? this.#keyIds : undefined;
  }

  /** Whether all bytes so far are one such message, and whole. */
  get isWhole(): boolean {
    const { leastBytes } = FORMS[this.#head[0] === 2 ? 2 : 1];
    return this.#state === 'ended' && this.#pending.length === 0 && this.#bodyBytes >= leastBytes;
  }

  /** Returns how many bytes it has taken; 0: more are needed. */
  #take(bytes: Buffer): number {
    if (this.#state === 'sessionKeys')
      return bytes[0] === SEIPD_HEAD ? this.#takeLength(bytes, 1) : this.#takeSessionKey(bytes);
    if (this.#state === 'ended') return this.#refuse();
    return this.#left === 0 ? this.#takeLength(bytes, 0) : this.#takeBody(bytes);
  }

  #takeSessionKey(bytes: Buffer): number {
    const read = readPacket(bytes, 0);
    if (read === undefined)
      return (bytes[0] ?? 0) < 0x80 || bytes.length > MOST_PACKET_BYTES ? this.#refuse() : 0;
    const { body, isOpenEnded, tag } = read.packet;
    const found = sessionKeyOf(tag, body);
    if (found === undefined || isOpenEnded || ++this.#sessionKeys > MOST_SESSION_KEYS) return this.#refuse();
    this.#textRun = 0;
    if (this.#isText(body)) return this.#refuse();
    this.#generations.add(found.seipd);
    if (found.keyId !== undefined) this.#keyIds.add(found.keyId);
    return read.end;
  }

  /** Takes the length of the SEIPD body, or of its next part, which begins at `at`. */
  #takeLength(bytes: Buffer, at: number): number {
    const length = newLength(bytes, at);
    if (length === undefined) return 0;
    const isTooShort = length.kind === 'part' && this.#parts === 0 && length.bytes < LEAST_FIRST_PART;
    if (isTooShort || this.#sessionKeys === 0) return this.#refuse();
    this.#state = 'data';
    this.#textRun = this.#parts === 0 ? 0 : this.#textRun;
    this.#parts++;
    this.#left = length.bytes;
    this.#isLastPart = length.kind === 'whole';
    if (this.#isLastPart && this.#left === 0) this.#state = 'ended';
    return at + length.octets;
  }

  #takeBody(bytes: Buffer): number {
    const part = bytes.subarray(0, this.#left);
    if (this.#bodyBytes < FORMS[2].headBytes && !this.#takeHead(part)) return this.#refuse();
    if (this.#isText(part)) return this.#refuse();
    this.#bodyBytes += part.length;
    this.#left -= part.length;
    if (this.#left === 0 && this.#isLastPart) this.#state = 'ended';
    return part.length;
  }

  /** Takes what stands in clear. False: it is of no known form, or does not fit the session keys. */
  #takeHead(part: Buffer): boolean {
    this.#head = Buffer.concat([this.#head, part.subarray(0, FORMS[2].headBytes - this.#head.length)]);
    const [version, cipher = 7, aead = 1, chunk = 0] = this.#head;
    if (version !== 1 && version !== 2) return false;
    if (this.#generations.size !== 1 || !this.#generations.has(version)) return false;
    const isKnown = cipher >= 7 && cipher <= 13 && aead >= 1 && aead <= 3 && chunk <= 16;
    return version === 1 || isKnown;
  }

  #isText(bytes: Uint8Array): boolean {
    let run = this.#textRun;
    for (const byte of bytes) {
      run = (byte >= 0x20 && byte < 0x7f) || (byte >= 0x09 && byte <= 0x0d) ? run + 1 : 0;
      if (run === LONGEST_TEXT) return true;
    }
    this.#textRun = run;
    return false;
  }

  #refuse(): number {
    this.#state = 'wrong';
    return 0;
  }
}
