/**
 * The form of a wrapped file: a secret key that lies on a server, encrypted under a random master key, and a
 * slot for each password or code that opens the master key. JSON, with a version. Reading is strict: whatever
 * is not exactly as this version writes it is an error with a sentence, so that nothing is lost when the file
 * is written again. Knows neither disks nor how a slot is opened.
 */
import { isFitCost, type Kdf, SALT_BYTES } from './kdf.ts';

export const VERSION = 1;
const FORMAT = 'sealdir wrapped key';

export const SLOT_KINDS = ['password', 'device', 'recovery'] as const;
export type SlotKind = (typeof SLOT_KINDS)[number];

/** Bytes under AES-256-GCM. */
export interface Box {
  /** 12 bytes. */
  readonly nonce: Buffer;
  /** The ciphertext, and the tag of 16 bytes after it. */
  readonly sealed: Buffer;
}

/** One way to open the master key. */
export interface Slot {
  /** Eight digits of lower-case hex, unlike those of the other slots of the file. */
  readonly id: string;
  readonly kind: SlotKind;
  /** What its owner calls it; unlike those of the other slots. */
  readonly label: string;
  /** When it got its present password or code, as `2026-01-31T12:00:00Z`. */
  readonly made: string;
  readonly kdf: Kdf;
  /** The master key. */
  readonly wrap: Box;
}

/** Whose key a file holds. */
export interface Owner {
  /** The canonical address. */
  readonly address: string;
  /** Of the primary key, in upper-case hex. */
  readonly fingerprint: string;
}

/** How the gateway gets at the sealed mail (upstream.ts). */
export interface Upstream extends Box {
  /** SHA-256 of the password in it, for the IMAP server. */
  readonly hash: Buffer;
}

export interface WrappedFile extends Owner {
  /** Grows by one with each change, so that an older copy is told from a newer one. */
  readonly serial: number;
  readonly slots: readonly Slot[];
  /** The transferable secret key (RFC 9580 §10.2), binary and without a passphrase of its own. */
  readonly key: Box;
  readonly upstream: Upstream;
}

/** Slots of one file: each password that is tried costs a derivation for each slot of its kind. */
export const MOST_SLOTS = 16;
export const MASTER_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
const HASH_BYTES = 32;
/** Bytes of a file. A key with the signatures of many others may be large. */
export const MOST_FILE_BYTES = 1024 * 1024;

/** The file is none that this version reads. Its message is a sentence that follows the name of the file. */
export class WrappedFileError extends Error {}

export function textOf({ address, fingerprint, serial, slots, key, upstream }: WrappedFile): string {
  const written = {
    format: FORMAT,
    version: VERSION,
    address,
    fingerprint,
    serial,
    slots: slots.map(({ kdf, wrap, ...slot }) => ({
      ...slot,
      kdf: { ...kdf, salt: kdf.salt.toString('base64') },
      wrap: boxText(wrap),
    })),
    key: boxText(key),
    upstream: { ...boxText(upstream), hash: upstream.hash.toString('base64') },
  };
  return `${JSON.stringify(written, undefined, 2)}\n`;
}

function boxText({ nonce, sealed }: Box) {
  return { nonce: nonce.toString('base64'), sealed: sealed.toString('base64') };
}

/** Throws WrappedFileError. */
export function parseWrappedFile(text: string): WrappedFile {
  const root = objectOf(parsed(text), 'the whole');
  if (root.format !== FORMAT) throw new WrappedFileError('is no wrapped key');
  if (root.version !== VERSION)
    throw new WrappedFileError(
      `has version ${JSON.stringify(root.version)} of the form; this Sealdir reads version ${VERSION}`,
    );
  onlyFields(
    root,
    ['format', 'version', 'address', 'fingerprint', 'serial', 'slots', 'key', 'upstream'],
    'the whole',
  );
  const slots = Array.isArray(root.slots) ? root.slots.map(slotOf) : damaged('slots');
  if (slots.length > MOST_SLOTS) damaged('slots');
  for (const name of ['id', 'label'] as const)
    if (new Set(slots.map((slot) => slot[name])).size < slots.length) damaged('slots');
  return {
    address: matching(root.address, /^[^\p{C}\s]{1,320}$/u, 'address'),
    fingerprint: matching(root.fingerprint, /^(?:[0-9A-F]{40}|[0-9A-F]{64})$/, 'fingerprint'),
    serial: wholeNumber(root.serial, 'serial'),
    slots,
    key: boxOf(root.key, 'key'),
    upstream: upstreamOf(root.upstream),
  };
}

/** Tells whether a text may be the label of a slot. */
export function isLabel(text: string): boolean {
  return /^[^\p{C}\p{Zl}\p{Zp}]{1,60}$/u.test(text) && text.trim() === text;
}

type Fields = Readonly<Record<string, unknown>>;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new WrappedFileError('is no wrapped key, or it is cut off: it is no JSON');
  }
}

function slotOf(value: unknown, n: number): Slot {
  const where = `slot ${n + 1}`;
  const fields = objectOf(value, where);
  onlyFields(fields, ['id', 'kind', 'label', 'made', 'kdf', 'wrap'], where);
  const kind = SLOT_KINDS.find((each) => each === fields.kind) ?? damaged(`the kind of ${where}`);
  const label = typeof fields.label === 'string' && isLabel(fields.label) ? fields.label : damaged(where);
  const wrap = boxOf(fields.wrap, where);
  if (wrap.sealed.length !== MASTER_BYTES + TAG_BYTES) damaged(where);
  return {
    id: matching(fields.id, /^[0-9a-f]{8}$/, where),
    kind,
    label,
    made: matching(fields.made, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, where),
    kdf: kdfOf(fields.kdf, where),
    wrap,
  };
}

function kdfOf(value: unknown, where: string): Kdf {
  const fields = objectOf(value, where);
  if (fields.name !== 'scrypt')
    throw new WrappedFileError(`${where} has a derivation that this Sealdir does not know: ${named(fields)}`);
  onlyFields(fields, ['name', 'N', 'r', 'p', 'salt'], where);
  const cost = { N: Number(fields.N), r: Number(fields.r), p: Number(fields.p) };
  const isWritten = [fields.N, fields.r, fields.p].every((each) => typeof each === 'number');
  if (!isWritten || !isFitCost(cost))
    throw new WrappedFileError(`${where} asks for a derivation that is too weak, or too expensive`);
  const salt = bytesOf(fields.salt, where);
  if (salt.length !== SALT_BYTES) damaged(where);
  return { name: 'scrypt', ...cost, salt };
}

function named({ name }: Fields): string {
  return typeof name === 'string' ? name.slice(0, 40) : 'it has no name';
}

function upstreamOf(value: unknown): Upstream {
  const { hash: written, ...box } = objectOf(value, 'upstream');
  const hash = bytesOf(written, 'upstream');
  return hash.length === HASH_BYTES ? { ...boxOf(box, 'upstream'), hash } : damaged('upstream');
}

function boxOf(value: unknown, where: string): Box {
  const fields = objectOf(value, where);
  onlyFields(fields, ['nonce', 'sealed'], where);
  const nonce = bytesOf(fields.nonce, where);
  const sealed = bytesOf(fields.sealed, where);
  if (nonce.length !== NONCE_BYTES || sealed.length <= TAG_BYTES) damaged(where);
  return { nonce, sealed };
}

function objectOf(value: unknown, where: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) damaged(where);
  return value as Fields;
}

/** A field that is not known is of a later version, and would be lost when the file is written again. */
function onlyFields(fields: Fields, known: readonly string[], where: string): void {
  const other = Object.keys(fields).find((name) => !known.includes(name));
  if (other !== undefined)
    throw new WrappedFileError(
      `has a field "${other.slice(0, 40)}" in ${where} that this Sealdir does not know`,
    );
}

function matching(value: unknown, pattern: RegExp, where: string): string {
  return typeof value === 'string' && pattern.test(value) ? value : damaged(where);
}

function wholeNumber(value: unknown, where: string): number {
  return Number.isSafeInteger(value) && (value as number) >= 1 ? (value as number) : damaged(where);
}

/** Decodes base64 that is written in the one usual way. */
function bytesOf(value: unknown, where: string): Buffer {
  const bytes = Buffer.from(typeof value === 'string' ? value : '', 'base64');
  return bytes.length > 0 && bytes.toString('base64') === value ? bytes : damaged(where);
}

function damaged(where: string): never {
  throw new WrappedFileError(`is damaged: ${where} is not as it should be`);
}
