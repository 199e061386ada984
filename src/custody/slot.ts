/**
 * Slots: the master key under a password or a code. The slot is the only thing that a password is checked
 * against; there is no second hash of it anywhere. Address, fingerprint, version and all fields of the slot
 * are associated data, so that a slot opens nothing in another file, nor after any of them was edited.
 */
import { hkdfSync } from 'node:crypto';
import { unmoved } from '../core/unmoved.ts';
import type { World } from '../core/world.ts';
import { open, seal, withKeyFor } from './box.ts';
import { readCode } from './code.ts';
import { COST, type Cost, type Derivations, SALT_BYTES } from './kdf.ts';
import { type Box, type Owner, type Slot, type SlotKind, VERSION, type WrappedFile } from './wrappedfile.ts';

const ID_BYTES = 4;

/**
 * Returns the id of the slot for a code, which costs one derivation then, however many devices there are. It
 * is of no use for guesses: of the 128 bits of a code it leaves 96. A password must have none (D72).
 */
function idOfCode(code: Buffer): string {
  return Buffer.from(hkdfSync('sha256', code, '', `sealdir ${VERSION} slot`, ID_BYTES)).toString('hex');
}

const CODE_BYTES = 34;
const DASH = 0x2d;

/**
 * Returns the id of the slot that a code names, if bytes are one as it is printed, in any case and with or
 * without dashes. Makes no text of it, so that whoever asks can forget it again.
 */
export function slotNamedBy(secret: Buffer): string | undefined {
  const code = unmoved(CODE_BYTES);
  let length = 0;
  try {
    for (const byte of secret) {
      if (byte === DASH) continue;
      if (length >= CODE_BYTES) return undefined;
      if (length % 5 === 4) code[length++] = DASH;
      const isLower = byte >= 0x61 && byte <= 0x7a;
      code[length++] = isLower ? byte - 0x20 : byte;
    }
    return length === CODE_BYTES && code.every(isOfCode) ? idOfCode(code) : undefined;
  } finally {
    code.fill(0);
  }
}

function isOfCode(byte: number, at: number): boolean {
  if (at % 5 === 4) return byte === DASH;
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a);
}

/** What somebody has typed, or a mail program sent. */
export interface Secret {
  /** For the derivation. Whoever made this fills it with zeros when it is not needed any more. */
  readonly bytes: Buffer;
  /** The kinds of slots that it may open. */
  readonly kinds: readonly SlotKind[];
  /** Whether it has the form of a code, with a wrong character in it. */
  readonly isMistyped: boolean;
}

/** What stands in a text for bytes that were no UTF-8. */
const NO_CHARACTER = '\uFFFD';

/** Tells whether a text can be a password: other bytes than those that were typed must not open a slot. */
export function isWholeText(text: string): boolean {
  return !text.includes(NO_CHARACTER);
}

/** Reads a code as a code, and all else as a password. What was no UTF-8 opens nothing. */
export function secretOf(text: string): Secret {
  const reading = readCode(text);
  if (reading.kind === 'code')
    return { bytes: Buffer.from(reading.code), kinds: ['device', 'recovery'], isMistyped: false };
  const kinds: readonly SlotKind[] = isWholeText(text) ? ['password'] : [];
  return { bytes: passwordBytes(text), kinds, isMistyped: reading.kind === 'mistyped' };
}

/**
 * Returns a password in the one form in which programs agree (RFC 8265 §4.2.2, OpaqueString): blanks of all
 * kinds are U+0020, and characters are composed.
 */
function passwordBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\p{Zs}/gu, ' ').normalize('NFC'));
}

export interface NewSlot {
  readonly kind: SlotKind;
  readonly label: string;
  readonly secret: Buffer;
  /** That of a slot with a password whose place it takes; another one if left out. */
  readonly id?: string;
}

/** What the making and opening of slots needs from outside. */
export interface SlotParts {
  readonly derivations: Derivations;
  readonly world: Pick<World, 'now' | 'random'>;
  /** For tests, which need no slow derivations. */
  readonly cost?: Cost;
}

/** Makes a slot with a salt of its own. Throws TooBusyError. */
export async function makeSlot(
  { kind, label, secret, id }: NewSlot,
  owner: Owner,
  master: Buffer,
  { derivations, world, cost = COST }: SlotParts,
): Promise<Slot> {
  const head = {
    id: kind === 'password' ? (id ?? world.random(ID_BYTES).toString('hex')) : idOfCode(secret),
    kind,
    label,
    made: `${new Date(world.now()).toISOString().slice(0, 19)}Z`,
    kdf: { name: 'scrypt', ...cost, salt: world.random(SALT_BYTES) } as const,
  };
  const key = await derivations.derive(secret, head.kdf);
  try {
    return { ...head, wrap: seal(key, master, slotData(owner, head), world) };
  } finally {
    key.fill(0);
  }
}

/** What a secret has opened. */
export interface Opened {
  /** Whoever asked for it fills it with zeros. */
  readonly master: Buffer;
  readonly slot: Slot;
}

/** Returns the slots that a secret is tried with: each costs a derivation. */
export function slotsFor(file: WrappedFile, { bytes, kinds }: Pick<Secret, 'bytes' | 'kinds'>): Slot[] {
  const mayFit = ({ kind, id }: Slot) => kind === 'password' || id === idOfCode(bytes);
  return file.slots.filter((each) => kinds.includes(each.kind) && mayFit(each));
}

/** Returns undefined if it opens no slot. Throws TooBusyError. */
export async function openSlot(
  file: WrappedFile,
  { bytes, kinds }: Pick<Secret, 'bytes' | 'kinds'>,
  derivations: Derivations,
): Promise<Opened | undefined> {
  for (const slot of slotsFor(file, { bytes, kinds })) {
    const key = await derivations.derive(bytes, slot.kdf);
    const master = open(key, slot.wrap, slotData(file, slot));
    key.fill(0);
    if (master !== undefined) return { master, slot };
  }
  return undefined;
}

/** Encrypts a transferable secret key under a master key. */
export function wrapKey(secretKey: Buffer, owner: Owner, master: Buffer, world: Pick<World, 'random'>): Box {
  return withKeyFor('secret key', master, (key) => seal(key, secretKey, keyData(owner), world));
}

/**
 * Returns the transferable secret key of a file, or undefined if the file was changed. Whoever asked for it
 * fills it with zeros.
 */
export function unwrapKey(file: WrappedFile, master: Buffer): Buffer | undefined {
  return withKeyFor('secret key', master, (key) => open(key, file.key, keyData(file)));
}

/** Tells whether a master key is that of a file. */
export function isMasterOf(file: WrappedFile, master: Buffer): boolean {
  const secretKey = unwrapKey(file, master);
  secretKey?.fill(0);
  return secretKey !== undefined;
}

function keyData({ address, fingerprint }: Owner): Buffer {
  return Buffer.from(JSON.stringify(['sealdir secret key', VERSION, address, fingerprint]));
}

function slotData({ address, fingerprint }: Owner, slot: Omit<Slot, 'wrap'>): Buffer {
  const { id, kind, label, made, kdf } = slot;
  const derivation = [kdf.name, kdf.N, kdf.r, kdf.p, kdf.salt.toString('base64')];
  const all = ['sealdir slot', VERSION, address, fingerprint, id, kind, label, made, ...derivation];
  return Buffer.from(JSON.stringify(all));
}
