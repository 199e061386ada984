/**
 * Reads the armor of a message line by line, and takes nothing that a reader might see otherwise: where
 * dearmor.ts finds what it can, this finds what is wrong (RFC 9580 §6). An armor header may hold any text, so
 * only those are taken that programs write into each of their messages.
 */
import { CRC24_TABLE } from './armorloop.ts';
import { CRC24_INIT, crc24 } from './crc24.ts';

const BEGIN = '-----BEGIN PGP MESSAGE-----';
const END = '-----END PGP MESSAGE-----';
const BASE64 = /^[A-Za-z0-9+/]{1,76}$/;
const LAST_BASE64 = /^[A-Za-z0-9+/]{2,75}={1,2}$/;
const CHECKSUM = /^=[A-Za-z0-9+/]{4}$/;
const MOST_HEADERS = 4;

/** Version: the name of a program, its version and its system. */
const PROGRAM =
  /^Version: (GnuPG|PGP|PGP Desktop|Encryption Desktop|OpenPGP\.js|BCPG|BCPG C#|ProtonMail|Mailvelope|FlowCrypt|Keybase OpenPGP|GPGTools|Hush|APG|rnp|RNP|Sequoia|sq|PGPainless|OpenKeychain|Mailfence|GopenPGP)( (v|VERSION: )?\d[\d.]{0,15})?( \((GNU\/Linux|MingW32|Darwin|Cygwin|FreeBSD|OpenBSD|Android|Build \d{1,6})\))?$/;
const COMMENT = new Set([
  'GPGTools - http://gpgtools.org',
  'GPGTools - https://gpgtools.org',
  'Using GnuPG with Mozilla - http://enigmail.mozdev.org/',
  'Using GnuPG with Mozilla - http://www.enigmail.net/',
  'Using GnuPG with Thunderbird - http://www.enigmail.net/',
  'Using GnuPG with Thunderbird - https://www.enigmail.net/',
  'Using GnuPG with SeaMonkey - https://www.enigmail.net/',
  'https://openpgpjs.org',
  'http://openpgpjs.org',
  'https://www.mailvelope.com',
  'https://mailvelope.com',
  'https://protonmail.com',
  'https://gopenpgp.org',
  'https://flowcrypt.com',
  'Seamlessly send and receive encrypted email',
]);

type State = 'before' | 'headers' | 'body' | 'padded' | 'checked' | 'ended';

export class StrictArmor {
  #state: State = 'before';
  #headers = 0;
  #base64 = '';
  #crc = CRC24_INIT;
  #ready: Buffer[] = [];

  get hasEnded(): boolean {
    return this.#state === 'ended';
  }

  /** Takes a line, without its end. False: it is not what has to stand there. */
  take(line: string): boolean {
    switch (this.#state) {
      case 'before':
        return this.#go('headers', line === BEGIN);
      case 'headers':
        return line === '' ? this.#go('body', true) : ++this.#headers <= MOST_HEADERS && isUsualHeader(line);
      case 'body':
        return this.#takeBody(line);
      case 'padded':
        return CHECKSUM.test(line) ? this.#check(line) : this.#end(line);
      case 'checked':
        return this.#end(line);
      case 'ended':
        return false;
      default:
        return this.#state satisfies never;
    }
  }

  /** Returns what could be decoded of the lines so far, without what earlier calls have returned. */
  decoded(): Buffer {
    this.#decode();
    const bytes = Buffer.concat(this.#ready);
    this.#ready = [];
    return bytes;
  }

  #decode(): void {
    const length = this.#base64.length & ~3;
    const bytes = Buffer.from(this.#base64.slice(0, length), 'base64');
    this.#base64 = this.#base64.slice(length);
    this.#crc = crc24(this.#crc, bytes, CRC24_TABLE);
    this.#ready.push(bytes);
  }

  #takeBody(line: string): boolean {
    if (BASE64.test(line)) {
      this.#base64 += line;
      return true;
    }
    if (LAST_BASE64.test(line)) {
      this.#base64 += line;
      return this.#go('padded', this.#endsWell());
    }
    if (CHECKSUM.test(line)) return this.#check(line);
    return this.#end(line);
  }

  /** Whether the bits of the last character that belong to no byte are zero (RFC 4648 §3.5). */
  #endsWell(): boolean {
    const last = this.#base64.slice(-4);
    return this.#base64.length % 4 === 0 && Buffer.from(last, 'base64').toString('base64') === last;
  }

  #check(line: string): boolean {
    this.#decode();
    const sum = Buffer.from([this.#crc >> 16, (this.#crc >> 8) & 0xff, this.#crc & 0xff]);
    return this.#go('checked', this.#base64 === '' && line === `=${sum.toString('base64')}`);
  }

  #end(line: string): boolean {
    return this.#go('ended', line === END && this.#base64.length % 4 === 0);
  }

  #go(state: State, isRight: boolean): boolean {
    this.#state = state;
    return isRight;
  }
}

/** Tells whether a header of the armor says nothing that is this message's own. */
function isUsualHeader(line: string): boolean {
  const [, comment] = /^Comment: (.*)$/.exec(line) ?? [];
  return (
    PROGRAM.test(line) ||
    line === 'Charset: utf-8' ||
    line === 'Charset: UTF-8' ||
    (comment !== undefined && COMMENT.has(comment))
  );
}
