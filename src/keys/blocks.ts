/**
 * Turns the bytes of a key file into binary OpenPGP, whichever way the file is spelled: binary, armored,
 * several of these one after the other, with text around them. Nothing that looks like a key is left out: a
 * file is refused if a key is in it that cannot be read here, and for a secret key above all.
 */
import { latin1 } from '../core/latin1.ts';
import { readPacket, readPackets, TAG } from '../openpgp/packets.ts';
import { type ArmorPart, readArmor } from './armored.ts';
import { holdsPacket, holdsSecretKey, PUBLIC_TAGS, SECRET_TAGS } from './keyscan.ts';
import { WORDS } from './words.ts';
import { anyReading } from './writtenout.ts';

/**
 * Says why a key file cannot be used, in a sentence for the log and for `check`. Clients are never sent it.
 */
export class KeyFileError extends Error {}

/** A part of a file that is no armor: text, and perhaps binary keys after it. */
interface Outside {
  readonly text: string;
  readonly binary: Uint8Array | undefined;
}

const KEY_LABELS: readonly string[] = ['PUBLIC KEY BLOCK', 'SIGNATURE'];
// a word is scanned once for each of the few before it: a longer label would take the square of its length
const SECRET_LABEL = /(?:BEGIN|END)(?: +[A-Z]+){0,4} +(?:PRIVATE|SECRET) +KEY/i;

/** Returns the binary content of a key file, in the order of the file. Throws KeyFileError. */
export function keyBlocks(bytes: Uint8Array): Uint8Array[] {
  if (bytes.length === 0) throw new KeyFileError(WORDS.empty);
  const text = latin1(bytes);
  const armors = readArmor(text);
  const parts = partsOfFile(bytes, armors);
  refuseSecretKeys(bytes, text, parts);
  if (isWideText(text)) throw new KeyFileError(WORDS.utf16);
  const blocks = parts.flatMap((part) => ('binary' in part ? keysOutside(part) : keysInArmor(part)));
  if (blocks.length === 0) throw new KeyFileError(noKey(text, armors));
  const foreign = armors.find(isForeign);
  if (foreign !== undefined) throw new KeyFileError(WORDS.otherBlock(foreign.type));
  return blocks;
}

/**
 * Throws for a secret key in any part of the file, even one that is damaged or that nothing else could read.
 */
function refuseSecretKeys(bytes: Uint8Array, text: string, parts: readonly (ArmorPart | Outside)[]): void {
  // without its NULs, UTF-16 reads like any other text
  if (SECRET_LABEL.test(text.replaceAll('\0', ''))) throw new KeyFileError(WORDS.secret);
  const isIn = (part: ArmorPart | Outside) =>
    isSecretWrittenIn('binary' in part ? part.text : part.head) ||
    ('chunks' in part && part.chunks.some(holdsSecretKey));
  if (holdsSecretKey(bytes) || parts.some(isIn)) throw new KeyFileError(WORDS.secret);
}

function isSecretWrittenIn(text: string): boolean {
  return anyReading(
    text.replaceAll('\0', ''),
    (read) => holdsPacket(read, SECRET_TAGS) || SECRET_LABEL.test(latin1(read)),
  );
}

/** Tells whether a text of one character for each byte is OpenPGP in UTF-16, as some editors save it. */
export function isWideText(text: string): boolean {
  return !text.includes('BEGIN PGP') && text.replaceAll('\0', '').includes('BEGIN PGP');
}

/** Returns the armored parts and what is around them, in the order of the file. */
function partsOfFile(bytes: Uint8Array, armors: readonly ArmorPart[]): (ArmorPart | Outside)[] {
  const all: (ArmorPart | Outside)[] = [];
  let at = 0;
  for (const part of armors) {
    all.push(outsideOf(bytes.subarray(at, part.from)), part);
    at = part.to;
  }
  return [...all, outsideOf(bytes.subarray(at))];
}

function outsideOf(bytes: Uint8Array): Outside {
  const text = latin1(bytes);
  const from = isText(text) ? -1 : binaryFrom(bytes);
  return from === -1
    ? { text, binary: undefined }
    : { text: text.slice(0, from), binary: bytes.subarray(from) };
}

/** A label says nothing about what is in an armor: its packets do. */
function keysInArmor(part: ArmorPart): Uint8Array[] {
  if (isForeign(part)) return [];
  refuseWrittenKeys(part.head);
  if (part.problem !== undefined) throw new KeyFileError(part.problem);
  return [...part.chunks];
}

/** Tells whether an armor has the label of something else, and neither keys nor signatures in it. */
function isForeign({ type, problem, chunks }: ArmorPart): boolean {
  if (KEY_LABELS.includes(type)) return false;
  const packets = chunks.flatMap((chunk) => readPackets(chunk).packets);
  return problem !== undefined || !packets.some(({ tag }) => PUBLIC_TAGS.includes(tag));
}

/** Returns the binary keys in a part that is no armor. Refuses a key that is written out without armor. */
function keysOutside({ text, binary }: Outside): Uint8Array[] {
  refuseWrittenKeys(text);
  if (!isText(text)) throw new KeyFileError(WORDS.notText);
  return binary === undefined ? [] : [binary];
}

function refuseWrittenKeys(text: string): void {
  const isWritten = anyReading(
    text,
    (read) => holdsPacket(read, PUBLIC_TAGS) || latin1(read).includes('BEGIN PGP '),
  );
  if (isWritten) throw new KeyFileError(WORDS.noBeginLine);
}

/** Returns where binary keys begin: at once, or after text, with a key or a signature. */
function binaryFrom(bytes: Uint8Array): number {
  if (((bytes[0] ?? 0) & 0x80) !== 0) return 0;
  return bytes.findIndex((byte, at) => (byte & 0x80) !== 0 && isBeginning(bytes.subarray(at)));
}

function isBeginning(bytes: Uint8Array): boolean {
  const packet = readPacket(bytes, 0)?.packet;
  const isKey = packet?.tag === TAG.publicKey || packet?.tag === TAG.signature;
  const version = packet?.body[0] ?? 0; // a control character, and so none of the text before
  return isKey && version > 1 && version < 7;
}

/** Tells whether a part is text in any 8-bit encoding: it has no control characters but those of text. */
function isText(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  return !/[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(text);
}

function noKey(text: string, parts: readonly ArmorPart[]): string {
  if (parts.length > 0) return WORDS.noKeyInArmor(parts[0]?.type ?? '');
  return text.includes('BEGIN PGP') ? WORDS.oddBeginLine : WORDS.noKey;
}
