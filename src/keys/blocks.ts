/**
 * Turns the bytes of a key file into binary OpenPGP, whichever way the file is spelled: binary, armored,
 * several of these one after the other, with text around them. Nothing that looks like a key is left out: a
 * file is refused if a key is in it that cannot be read here, and for a secret key above all.
 */
import { readPacket, TAG } from '../openpgp/packets.ts';
import { type ArmorPart, readArmor } from './armored.ts';
import { findKeyPacket, holdsSecretKey, PUBLIC_TAGS } from './keyscan.ts';
import { WORDS } from './words.ts';

/**
 * Says why a key file cannot be used, in a sentence for the log and for `check`. Clients are never sent it.
 */
export class KeyFileError extends Error {}

/** The parts of a file that are no armor: text, or binary keys. */
interface Outside {
  readonly bytes: Uint8Array;
}

/** Returns the binary content of a key file, in the order of the file. Throws KeyFileError. */
export function keyBlocks(bytes: Uint8Array): Uint8Array[] {
  if (bytes.length === 0) throw new KeyFileError(WORDS.empty);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  const parts = readArmor(text);
  refuseSecretKeys(bytes, text, parts);
  if (isWideText(text)) throw new KeyFileError(WORDS.utf16);
  const blocks = partsOfFile(bytes, parts).flatMap((part) =>
    'bytes' in part ? keysOutside(part.bytes) : keysInArmor(part),
  );
  if (blocks.length === 0) throw new KeyFileError(noKey(text, parts));
  return blocks;
}

/**
 * Throws for a secret key in any part of the file, even one that is damaged or that nothing else could read.
 */
function refuseSecretKeys(bytes: Uint8Array, text: string, parts: readonly ArmorPart[]): void {
  // without its NULs, UTF-16 reads like any other text
  if (/(?:BEGIN|END) [A-Z ]*(?:PRIVATE|SECRET) KEY/i.test(text.replaceAll('\0', '')))
    throw new KeyFileError(WORDS.secret);
  const decoded = parts.flatMap(({ chunks }) => chunks);
  if ([bytes, ...decoded, ...base64Runs(text)].some(holdsSecretKey)) throw new KeyFileError(WORDS.secret);
}

function isWideText(text: string): boolean {
  return !text.includes('BEGIN PGP') && text.replaceAll('\0', '').includes('BEGIN PGP');
}

/** Returns the armored parts and what is around them, in the order of the file. */
function partsOfFile(bytes: Uint8Array, parts: readonly ArmorPart[]): (ArmorPart | Outside)[] {
  const all: (ArmorPart | Outside)[] = [];
  let at = 0;
  for (const part of parts) {
    all.push({ bytes: bytes.subarray(at, part.from) }, part);
    at = part.to;
  }
  return [...all, { bytes: bytes.subarray(at) }];
}

function keysInArmor({ type, problem, chunks }: ArmorPart): Uint8Array[] {
  // a message beside a key is text like any other
  if (type !== 'PUBLIC KEY BLOCK' && type !== 'SIGNATURE') return [];
  if (problem !== undefined) throw new KeyFileError(problem);
  return [...chunks];
}

/** Returns the binary keys in a part that is no armor. Refuses a key in base64 without its BEGIN line. */
function keysOutside(bytes: Uint8Array): Uint8Array[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  if (base64Runs(text).some((run) => findKeyPacket(run, PUBLIC_TAGS) === 0))
    throw new KeyFileError(WORDS.noBeginLine);
  if (isText(text)) return [];
  const at = binaryFrom(bytes);
  if (at === -1) throw new KeyFileError(WORDS.notText);
  return [bytes.subarray(at)];
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

/** Returns what the lines of base64 in a text stand for, lines that follow each other as one. */
function base64Runs(text: string): Uint8Array[] {
  const runs = text.match(/(?:^[ \t>]*[A-Za-z0-9+/]{16,}={0,2}[ \t\r]*$\n?)+/gm) ?? [];
  return runs.map((run) => Buffer.from(run.replace(/[^A-Za-z0-9+/]/g, ''), 'base64'));
}

function noKey(text: string, parts: readonly ArmorPart[]): string {
  if (parts.length > 0) return WORDS.noKeyInArmor(parts[0]?.type ?? '');
  return text.includes('BEGIN PGP') ? WORDS.oddBeginLine : WORDS.noKey;
}
