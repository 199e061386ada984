/**
 * Reads Public-Key and Symmetric-Key Encrypted Session Key packets (RFC 9580 §5.1, §5.3) as far as they stand
 * in clear: for which key, and whether everything in them has its place. A packet with room for more than
 * a session key, or of a kind that is not known, is none.
 */
import { PUBLIC_KEY } from './algorithms.ts';
import { PKESK } from './framer.ts';
import { uint } from './packets.ts';

const SKESK = 3;

export interface SessionKeyPacket {
  /** The version of the SEIPD packet that it belongs to (§10.3.2.1). */
  readonly seipd: 1 | 2;
  /** Upper-case hex. Undefined: it does not say for whom, or is for a password. */
  readonly keyId: string | undefined;
}

/** Returns what a packet says, or undefined if it is no session-key packet that is known. */
export function sessionKeyOf(tag: number, body: Uint8Array): SessionKeyPacket | undefined {
  if (tag === PKESK) return body[0] === 3 ? pkesk3(body) : pkesk6(body);
  return tag === SKESK ? skesk(body) : undefined;
}

function pkesk3(body: Uint8Array): SessionKeyPacket | undefined {
  const keyId = hex(body.subarray(1, 9));
  if (!isKnownMaterial(body[9], body.subarray(10))) return undefined;
  return { seipd: 1, keyId: /^0+$/.test(keyId) ? undefined : keyId };
}

function pkesk6(body: Uint8Array): SessionKeyPacket | undefined {
  const [version, length = 0, keyVersion] = body;
  if (version !== 6) return undefined;
  const algorithmAt = 2 + length;
  if (!isKnownMaterial(body[algorithmAt], body.subarray(algorithmAt + 1))) return undefined;
  if (length === 0) return { seipd: 2, keyId: undefined };
  if (keyVersion === 4 && length === 21) return { seipd: 2, keyId: hex(body.subarray(15, 23)) };
  if (keyVersion === 6 && length === 33) return { seipd: 2, keyId: hex(body.subarray(3, 11)) };
  return undefined;
}

/** Tells whether bytes are what an algorithm makes of a session key, and no more (§5.1.3 to §5.1.7). */
function isKnownMaterial(algorithm: number | undefined, material: Uint8Array): boolean {
  switch (algorithm) {
    case PUBLIC_KEY.rsa:
    case PUBLIC_KEY.rsaEncryptOnly:
      return mpiEnd(material, 0) === material.length;
    case PUBLIC_KEY.elgamal:
      return mpiEnd(material, mpiEnd(material, 0)) === material.length;
    case PUBLIC_KEY.ecdh:
      return isWrapped(material, mpiEnd(material, 0));
    case PUBLIC_KEY.x25519:
      return isWrapped(material, 32);
    case PUBLIC_KEY.x448:
      return isWrapped(material, 56);
    default:
      return false;
  }
}

/** Tells whether one octet at `at` counts the rest. A wrapped key has at most 56 octets. */
function isWrapped(material: Uint8Array, at: number): boolean {
  const length = material[at] ?? 0;
  return length > 0 && length <= 64 && at + 1 + length === material.length;
}

/** Returns where a number ends (§3.2). */
function mpiEnd(bytes: Uint8Array, at: number): number {
  const bits = uint(bytes, at, 2);
  return bits === 0 ? Number.NaN : at + 2 + Math.ceil(bits / 8);
}

/** Octets of the ways to make a key of a password, by their number (§3.7.1). */
const S2K_OCTETS: Readonly<Record<number, number>> = { 0: 2, 1: 10, 3: 11, 4: 20 };
/** An algorithm and the longest key. */
const MOST_ENCRYPTED_KEY = 33;

// §5.3.1, §5.3.2
function skesk(body: Uint8Array): SessionKeyPacket | undefined {
  const [version, second = 0, , aead = 0, s2kCount = 0] = body;
  if (version === 4) {
    const keyAt = 2 + (S2K_OCTETS[body[2] ?? -1] ?? Number.NaN);
    const rest = body.length - keyAt;
    return rest >= 0 && rest <= MOST_ENCRYPTED_KEY ? { seipd: 1, keyId: undefined } : undefined;
  }
  if (version !== 6 || S2K_OCTETS[body[5] ?? -1] !== s2kCount) return undefined;
  const nonce = { 1: 16, 2: 15, 3: 12 }[aead] ?? Number.NaN;
  const rest = body.length - 5 - s2kCount - nonce;
  const isCounted = second === 3 + s2kCount + nonce;
  return isCounted && [32, 40, 48].includes(rest) ? { seipd: 2, keyId: undefined } : undefined;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}
