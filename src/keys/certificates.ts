/**
 * Reads a key file: its bytes -> the OpenPGP certificates in it, one for each fingerprint. Refuses a file
 * that holds a secret key, a key that cannot be used here, or one that would take absurdly long to check.
 * Says nothing of whether a certificate can be used now: that depends on the time (judgement.ts).
 */
import type * as openpgp from 'openpgp';
import { type Packet, readPackets } from '../openpgp/packets.ts';
import { certificateParts } from './assemble.ts';
import { KeyFileError, keyBlocks } from './blocks.ts';
import { isReadable, parseSignature } from './checks.ts';
import { findFacts } from './facts.ts';
import { library } from './library.ts';
import { MAX_HASHES, MAX_PACKETS, MAX_SIGNATURES, MAX_TRIALS } from './limits.ts';
import { absurdityOf, type KeyPacket } from './material.ts';
import { type CertificateParts, keyHead, mergeParts, type RawSignature } from './parts.ts';
import type { Judged, LastValid, Unfit, UsableKey } from './usable.ts';
import { Validity } from './validity.ts';
import { kindOfKey, WORDS } from './words.ts';

/** One OpenPGP certificate (a public key with its subkeys and user IDs). */
export class Certificate {
  /** Upper-case hex. */
  readonly fingerprint: string;
  readonly parts: CertificateParts;
  readonly primary: openpgp.PublicKeyPacket;
  /** One for each subkey of `parts`; undefined for kinds that cannot be used. */
  readonly subkeys: readonly (openpgp.PublicSubkeyPacket | undefined)[];
  /** The last judgement. Kept because judging again costs more than encrypting a small message. */
  judged: Judged | undefined;
  /** The keys it had before it expired, as they were found last. */
  lastValid: Judged<Promise<LastValid | Unfit | undefined>> | undefined;
  /** How often its signatures may be tried elsewhere than where they stand. */
  readonly #trials: number;
  #validity: Promise<Validity> | undefined;
  readonly #usable = new Map<KeyPacket, UsableKey | undefined>();

  constructor(
    parts: CertificateParts,
    primary: openpgp.PublicKeyPacket,
    subkeys: readonly (openpgp.PublicSubkeyPacket | undefined)[],
    trials: number,
  ) {
    this.#trials = trials;
    this.parts = parts;
    this.fingerprint = parts.fingerprint.toUpperCase();
    this.primary = primary;
    this.subkeys = subkeys;
  }

  get userIds(): string[] {
    return this.parts.userIds.map(({ body }) => Buffer.from(body).toString('utf8'));
  }

  /** Checks its signatures and puts them in order, once. */
  validity(): Promise<Validity> {
    this.#validity ??= this.#findValidity();
    return this.#validity;
  }

  async #findValidity(): Promise<Validity> {
    const { parts, primary, subkeys } = this;
    const facts = await findFacts(parts, primary, subkeys, this.#trials);
    return new Validity({ version: primary.version, createdAt: primary.created.getTime() }, facts);
  }

  /** Returns what `make` makes of one of its keys, once. */
  usableKey(packet: KeyPacket, make: (packet: KeyPacket) => UsableKey | undefined): UsableKey | undefined {
    const isNew = !this.#usable.has(packet);
    if (isNew) this.#usable.set(packet, make(packet));
    return this.#usable.get(packet);
  }
}

/**
 * Returns all certificates of a key file, which is binary or holds any number of armored blocks with text
 * around them. The result is the same for all spellings of the same packets. Throws KeyFileError for anything
 * else.
 */
export async function parseCertificates(bytes: Uint8Array): Promise<Certificate[]> {
  const packets = keyBlocks(bytes).flatMap(packetsOf);
  if (packets.length > MAX_PACKETS) throw new KeyFileError(WORDS.tooManySignatures);
  const all = certificateParts(packets);
  refuseTooMuch(all);
  return certificatesOf(all);
}

/**
 * Returns one certificate for each fingerprint, with the signatures of all its copies: an old copy undoes no
 * revocation.
 */
export async function uniteCertificates(copies: readonly Certificate[]): Promise<Certificate[]> {
  const byFingerprint = new Map(copies.map((copy) => [copy.fingerprint, copy]));
  if (byFingerprint.size === copies.length) return [...copies];
  const [first] = copies;
  const known = first && unions.get(first);
  if (known?.copies.length === copies.length && known.copies.every((each, n) => each === copies[n]))
    return known.united;
  const parts = mergeParts(copies.map((each) => each.parts));
  refuseTooMuch(parts);
  const united = await certificatesOf(parts);
  if (first !== undefined) unions.set(first, { copies, united });
  return united;
}

// by the first of the copies: the signatures are checked once, as long as none of the files changes
const unions = new WeakMap<Certificate, { copies: readonly Certificate[]; united: Certificate[] }>();

function packetsOf(block: Uint8Array): readonly Packet[] {
  const { packets, stoppedAt } = readPackets(block);
  if (stoppedAt !== undefined) throw new KeyFileError(WORDS.damaged);
  return packets;
}

/** Throws before any signature is checked. */
function refuseTooMuch(all: readonly CertificateParts[]): void {
  const sum = (count: (parts: CertificateParts) => number) =>
    all.reduce((total, each) => total + count(each), 0);
  const hashes = sum(({ counts }) => counts.keys * counts.signatures);
  if (hashes > MAX_HASHES || sum(({ counts }) => counts.signatures) > MAX_SIGNATURES)
    throw new KeyFileError(WORDS.tooManySignatures);
}

function certificatesOf(all: readonly CertificateParts[]): Promise<Certificate[]> {
  // the same share for each, so that a verdict does not depend on which is judged first
  return Promise.all(all.map((parts) => certificateOf(parts, Math.floor(MAX_TRIALS / all.length))));
}

async function certificateOf(parts: CertificateParts, trials: number): Promise<Certificate> {
  const primary = await keyPacketOf(parts.body, new library.PublicKeyPacket());
  if (primary === undefined) throw new KeyFileError(WORDS.unsupportedKey(kindOfKey(keyHead(parts.body))));
  const subkeys = await Promise.all(
    parts.subkeys.map(({ body }) => keyPacketOf(body, new library.PublicSubkeyPacket())),
  );
  // what is damaged is found now, not when it is needed
  const { direct, strays, userIds, subkeys: bound } = parts;
  for (const raw of [direct, strays, ...[...userIds, ...bound].map(({ signatures }) => signatures)].flat())
    refuseDamaged(raw);
  return new Certificate(parts, primary, subkeys, trials);
}

function refuseDamaged(raw: RawSignature): void {
  if (!isReadable(raw)) return;
  try {
    parseSignature(raw);
  } catch {
    throw new KeyFileError(WORDS.damaged);
  }
}

/**
 * Returns the packet, or undefined if keys of this kind cannot be used. Throws KeyFileError if it is damaged.
 */
async function keyPacketOf<T extends openpgp.PublicKeyPacket | openpgp.PublicSubkeyPacket>(
  body: Uint8Array,
  packet: T,
): Promise<T | undefined> {
  try {
    await packet.read(body);
  } catch (error) {
    // so the library says that it does not know a version, an algorithm or a curve (openpgp 6.3.2)
    if (error instanceof Error && error.name === 'UnsupportedError') return undefined;
    throw new KeyFileError(WORDS.damaged);
  }
  // a key that is written in another way than it is read has another fingerprint for its owner than for us
  if (!Buffer.from(packet.write()).equals(body)) throw new KeyFileError(WORDS.damaged);
  const absurdity = absurdityOf(packet);
  if (absurdity !== undefined) throw new KeyFileError(absurdity);
  return packet;
}
