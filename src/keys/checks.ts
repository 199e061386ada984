/**
 * Checks signatures with the library: whether the owner of a key made one, about what it is said to be about.
 * Says nothing of times. None of the library's words leave this file.
 */
import type * as openpgp from 'openpgp';
import { KNOWN_ALGORITHMS } from '../openpgp/algorithms.ts';
import { library } from './library.ts';
import type { RawSignature } from './parts.ts';

/** `doubtful`: the owner may have made it, but that cannot be found out, or not relied on. */
export type Verdict = 'true' | 'false' | 'doubtful';

export interface Checked {
  readonly raw: RawSignature;
  readonly packet: openpgp.SignaturePacket;
  readonly verdict: Verdict;
  /** The owner made it, but not to be believed by those who do not know a part of it. */
  readonly isCritical: boolean;
}

/** What a signature is about, as the library's verification wants it. */
export interface Target {
  readonly kind: openpgp.enums.signature;
  readonly data: object;
}

/** A key packet as it is hashed (RFC 9580 §5.2.4), for keys that the library cannot read as well. */
export class HashedKey {
  readonly #body: Uint8Array;

  constructor(body: Uint8Array) {
    this.#body = body;
  }

  writeForHash(signatureVersion: number): Uint8Array {
    const octets = signatureVersion > 4 ? 4 : 2;
    const head = Buffer.alloc(1 + octets, 0x95 + signatureVersion);
    head.writeUIntBE(this.#body.length, 1, octets);
    return Buffer.concat([head, this.#body]);
  }
}

// openpgp 6.3.2 says these of a signature that is not the owner's; test/keys/facts.test.ts
const NOT_THE_OWNERS = [
  'Signature was not issued by the given public key',
  'Public key algorithm used to sign signature does not match issuer key algorithm.',
  'Signed digest did not match',
  'Signature verification failed',
];

// and this of one that is, after it has been verified
const CRITICAL = /^Unknown critical /;

/** Tells whether the library can read a signature. One that it cannot is doubtful wherever it stands. */
export function isReadable({ head }: RawSignature): boolean {
  return (head.version === 4 || head.version === 6) && KNOWN_ALGORITHMS.includes(head.algorithm);
}

/** Throws if the signature is damaged. */
export function parseSignature({ body }: RawSignature): openpgp.SignaturePacket {
  const packet = new library.SignaturePacket();
  packet.read(body);
  return packet;
}

export async function checkSignature(
  raw: RawSignature,
  primary: openpgp.PublicKeyPacket,
  { kind, data }: Target,
): Promise<Checked> {
  // read anew for each target: the library remembers that a signature was good, not about what
  const packet = isReadable(raw) ? parseSignature(raw) : new library.SignaturePacket();
  const found = isReadable(raw) ? await verdictOf(packet, primary, kind, data) : 'doubtful';
  return {
    raw,
    packet,
    verdict: found === 'critical' ? 'doubtful' : found,
    isCritical: found === 'critical',
  };
}

async function verdictOf(
  packet: openpgp.SignaturePacket,
  primary: openpgp.PublicKeyPacket,
  kind: openpgp.enums.signature,
  data: object,
): Promise<Verdict | 'critical'> {
  try {
    // without a date, so that it does not depend on one; null stands for that in the library
    await packet.verify(primary, kind, data, NO_DATE);
    return 'true';
  } catch (error) {
    if (!(error instanceof Error)) return 'doubtful';
    if (CRITICAL.test(error.message)) return 'critical';
    return NOT_THE_OWNERS.includes(error.message) ? 'false' : 'doubtful';
  }
}

// its type declarations do not have it (openpgp 6.3.2)
const NO_DATE = null as unknown as Date;
