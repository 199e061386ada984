/**
 * What a certificate consists of, by the bodies of its packets: each packet once, in an order that does not
 * depend on that of the file, so that all spellings of a certificate are the same afterwards.
 */
import { latin1 } from '../core/latin1.ts';
import type { SignatureHead } from './signaturehead.ts';

/** A signature packet; `head` is what it says of itself. */
export interface RawSignature {
  readonly body: Uint8Array;
  readonly head: SignatureHead;
}

/** A user ID or a subkey by the body of its packet, with the signatures that came after it. */
export interface Component {
  readonly body: Uint8Array;
  readonly signatures: readonly RawSignature[];
}

/** The packets of one certificate, each once, in an order that does not depend on that of the file. */
export interface CertificateParts {
  /** Body of the public-key packet. */
  readonly body: Uint8Array;
  /** Lower-case hex. */
  readonly fingerprint: string;
  readonly keyId: string;
  /** About the key itself, and those of which it is not known what they are about. */
  readonly direct: readonly RawSignature[];
  readonly strays: readonly RawSignature[];
  readonly userIds: readonly Component[];
  readonly subkeys: readonly Component[];
  /** Public-key packets and own signatures before doubles were removed: what the checks may cost. */
  readonly counts: { readonly keys: number; readonly signatures: number };
}

export interface KeyHead {
  readonly version: number;
  readonly algorithm: number;
}

/** Returns version and algorithm of a key packet (RFC 9580 §5.5.2). */
export function keyHead(body: Uint8Array): KeyHead {
  const version = body[0] ?? 0;
  return { version, algorithm: body[version < 4 ? 7 : 5] ?? 0 };
}

/** Returns one certificate for each fingerprint, with all that its copies have. */
export function mergeParts(all: readonly CertificateParts[]): CertificateParts[] {
  const byFingerprint = new Map<string, CertificateParts[]>();
  for (const parts of all) {
    const copies = byFingerprint.get(parts.fingerprint);
    if (copies === undefined) byFingerprint.set(parts.fingerprint, [parts]);
    else copies.push(parts);
  }
  return [...byFingerprint.values()].flatMap((copies) => mergeCopies(copies) ?? []);
}

function mergeCopies(copies: readonly CertificateParts[]): CertificateParts | undefined {
  const [first, ...others] = copies;
  if (first === undefined || others.length === 0) return first;
  const sum = (count: (parts: CertificateParts) => number) =>
    copies.reduce((total, each) => total + count(each), 0);
  return {
    ...first,
    direct: distinct(copies.flatMap(({ direct }) => direct)),
    strays: distinct(copies.flatMap(({ strays }) => strays)),
    userIds: united(copies.flatMap(({ userIds }) => userIds)),
    subkeys: united(copies.flatMap(({ subkeys }) => subkeys)),
    counts: {
      keys: sum(({ counts }) => counts.keys),
      signatures: sum(({ counts }) => counts.signatures),
    },
  };
}

/** Returns each user ID or subkey once, with all of its signatures, sorted by their bytes. */
export function united(components: readonly Component[]): Component[] {
  const byBody = new Map<string, RawSignature[]>();
  for (const { body, signatures } of components) {
    const key = latin1(body);
    const known = byBody.get(key);
    if (known === undefined) byBody.set(key, [...signatures]);
    else known.push(...signatures);
  }
  return [...byBody]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, signatures]) => ({ body: Buffer.from(key, 'latin1'), signatures: distinct(signatures) }));
}

export function distinct(signatures: readonly RawSignature[]): RawSignature[] {
  const byBody = new Map(signatures.map((each) => [latin1(each.body), each]));
  return [...byBody].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, signature]) => signature);
}
