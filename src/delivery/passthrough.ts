/**
 * Judges a message as it comes: whether it is encrypted already, and nothing of it stands in clear but its
 * header and what mail programs write around each such message. Hands on what is judged so far, with the line
 * ends of a Maildir. The verdict is known only at the end, and for which keys a little earlier; who has
 * these keys is decided elsewhere (keeping.ts).
 */
import { EncryptedBody, encryptedFormOf } from '../mime/encrypted.ts';
import type { HeaderBlock } from '../mime/header.ts';
import { EncryptedPackets } from '../openpgp/encryptedpackets.ts';
import { StrictArmor } from '../openpgp/strictarmor.ts';

const LF = 0x0a;
/** RFC 5322 §2.1.1, with room for those who do not count; in the header any line is taken. */
const LONGEST_LINE = 2000;
/** Of what is held until the keys are known, besides the header. */
const MOST_HELD = 512 * 1024;

export class Passthrough {
  readonly #body: EncryptedBody;
  readonly #armor = new StrictArmor();
  readonly #packets = new EncryptedPackets();
  readonly #mostHeld: number;
  #isHeader = true;
  #part: Buffer = Buffer.alloc(0); // a line that has not ended
  #judged: string[] = [];
  #judgedChars = 0;
  #isRefused = false;

  private constructor(body: EncryptedBody, header: HeaderBlock) {
    this.#body = body;
    this.#mostHeld = header.bytes.length + MOST_HELD;
  }

  /**
   * Returns a judge for a message with this header, which is to be given all its bytes, those of the header
   * too. Undefined: it does not claim to be encrypted, as most messages do not. `seen`: its first bytes, as
   * many as have come.
   */
  static of(header: HeaderBlock, seen: Buffer): Passthrough | undefined {
    // most messages go no further than this: an encrypted one has a dash or a known sentence here
    const first = firstOfBody(seen, header.bytes.length);
    if (first !== undefined && first !== '-' && first !== 'T') return undefined;
    const form = encryptedFormOf(header);
    return form && new Passthrough(new EncryptedBody(form), header);
  }

  /** Takes the next bytes. False: the message is none of these, and nothing that follows makes it one. */
  update(bytes: Buffer): boolean {
    const end = bytes.lastIndexOf(LF) + 1;
    if (end === 0) return this.#keepPart(bytes);
    const lines = Buffer.concat([this.#part, bytes.subarray(0, end)]);
    this.#part = Buffer.alloc(0);
    return this.#takeLines(lines) && this.#keepPart(bytes.subarray(end));
  }

  /** The ids of the keys that it is encrypted to. Undefined: not known, and nothing may be written yet. */
  get keyIds(): ReadonlySet<string> | undefined {
    return this.#packets.keyIds;
  }

  /** Returns what is judged to be of an encrypted message, without what earlier calls have returned. */
  take(): Buffer {
    const bytes = Buffer.from(this.#judged.join(''), 'latin1');
    this.#judged = [];
    this.#judgedChars = 0;
    return bytes;
  }

  /** Tells whether all of it was an encrypted message, whole and nothing else. */
  final(): boolean {
    const isEnded = this.#part.length === 0 && this.#body.isWhole && this.#armor.hasEnded;
    return !this.#isRefused && isEnded && this.#packets.isWhole;
  }

  #keepPart(bytes: Buffer): boolean {
    if (this.#part.length + bytes.length > this.#mostHeld) return this.#refuse();
    if (bytes.length > 0) this.#part = Buffer.concat([this.#part, bytes]);
    return !this.#isRefused;
  }

  #takeLines(bytes: Buffer): boolean {
    const lines = bytes.toString('latin1').split('\r\n');
    lines.pop(); // the last line has ended
    const isWellEnded = bytes.at(-2) === 0x0d;
    if (!isWellEnded || !lines.every((line) => this.#take(line))) return this.#refuse();
    if (!this.#packets.update(this.#armor.decoded())) return this.#refuse();
    const text = `${lines.join('\n')}\n`;
    this.#judged.push(text);
    this.#judgedChars += text.length;
    return this.keyIds !== undefined || this.#judgedChars <= this.#mostHeld || this.#refuse();
  }

  #take(line: string): boolean {
    // a bare CR or LF, and NUL, end a line for some readers
    if (/[\r\n\0]/.test(line)) return false;
    if (this.#isHeader) {
      this.#isHeader = line !== '';
      return true;
    }
    const kind = line.length > LONGEST_LINE ? 'wrong' : this.#body.take(line);
    return kind === 'around' || (kind === 'armor' && this.#armor.take(line));
  }

  #refuse(): false {
    this.#isRefused = true;
    this.#judged = [];
    return false;
  }
}

/** Returns the first character of a body that is no white space, if it has come. */
function firstOfBody(seen: Buffer, from: number): string | undefined {
  for (let at = from; at < seen.length; at++) {
    const byte = seen[at] ?? 0;
    if (byte !== 0x0d && byte !== LF && byte !== 0x20 && byte !== 0x09) return String.fromCharCode(byte);
  }
  return undefined;
}
