/**
 * Reads the numbers of a key packet as openpgp holds it, for src/openpgp/pkesk.ts. The library does not
 * declare these fields (openpgp 6.3.2; test/openpgp/pkesk.test.ts), so each is unknown until it has been
 * looked at. A key whose fields are not as expected cannot be encrypted to.
 */
import { PUBLIC_KEY } from '../openpgp/algorithms.ts';
import type { EcdhCurve, KeyMaterial, RecipientKey } from '../openpgp/pkesk.ts';
import { MAX_RSA_BITS, MAX_RSA_EXPONENT_BITS } from './limits.ts';
import type { Strength } from './usable.ts';
import { WORDS } from './words.ts';

/** A public-key packet of the library. */
export interface KeyPacket {
  readonly version?: unknown;
  readonly algorithm?: unknown;
  readonly publicParams?: unknown;
  getFingerprintBytes(): Uint8Array | null;
}

/** Curves by length octet and OID in hex (RFC 9580 §9.2). */
const CURVES: Readonly<Record<string, EcdhCurve>> = {
  '0a2b060104019755010501': 'curve25519',
  '082a8648ce3d030107': 'prime256v1',
  '052b81040022': 'secp384r1',
  '052b81040023': 'secp521r1',
  '092b2403030208010107': 'brainpoolP256r1',
  '092b240303020801010b': 'brainpoolP384r1',
  '092b240303020801010d': 'brainpoolP512r1',
};
const SECP256K1 = '052b8104000a';
/** Of EdDSA, which has no part in encryption and may be the primary key's. */
const ED25519 = '092b06010401da470f01';

/** Returns undefined for a kind of key that pkesk.ts does not do. */
export function recipientKeyOf(packet: KeyPacket): RecipientKey | undefined {
  const { version } = packet;
  const fingerprint = packet.getFingerprintBytes();
  const material = materialOf(packet.algorithm, fieldsOf(packet.publicParams));
  if ((version !== 4 && version !== 6) || fingerprint === null || material === undefined) return undefined;
  return { version, fingerprint, material };
}

/**
 * Returns why the numbers of a key are of a size that nobody uses, or undefined. The library does the
 * arithmetic of DSA, and of RSA with rare hashes, in JavaScript: one signature with numbers of 16,000 bits
 * stops everything for 15 seconds (openpgp 6.3.2). An RSA key of 16,384 bits with an exponent of 64 costs
 * each message 7 ms.
 */
export function absurdityOf({ algorithm, publicParams }: KeyPacket): string | undefined {
  const { n, e, ...others } = fieldsOf(publicParams);
  if (isBytes(n) && isBytes(e)) {
    const [bits, exponentBits] = [bitsOf(n), bitsOf(e)];
    if (bits > MAX_RSA_BITS || exponentBits > MAX_RSA_EXPONENT_BITS)
      return WORDS.outsizedRsa(bits, exponentBits);
    return exponentBits < 2 || (e.at(-1) ?? 0) % 2 === 0 ? WORDS.weakRsaExponent : undefined;
  }
  const isOfDsa = algorithm === PUBLIC_KEY.dsa || algorithm === PUBLIC_KEY.elgamal;
  const most = (name: string) => (isOfDsa ? (name === 'q' ? 64 : 1024) : 2048);
  const isOutsized = Object.entries(others).some(
    ([name, value]) => isBytes(value) && value.length > most(name),
  );
  return isOutsized ? WORDS.outsized : undefined;
}

/** Returns the kind of a key that is too weak to hide anything from those who can break it, or undefined. */
export function weaknessOf({ algorithm, publicParams }: KeyPacket, strength: Strength): string | undefined {
  if (algorithm === PUBLIC_KEY.elgamal) return 'ElGamal';
  if (algorithm === PUBLIC_KEY.dsa) return 'DSA';
  const { n, oid } = fieldsOf(publicParams);
  // old programs made moduli that are one bit short of what they say
  if (isBytes(n) && bitsOf(n) < strength.minRsaBits - 1) return `RSA of ${bitsOf(n)} bits`;
  const curve = isWritable(oid) ? Buffer.from(oid.write()).toString('hex') : '';
  if (curve === SECP256K1) return 'the curve secp256k1';
  const bits = bitsOfCurve(algorithm, curve);
  return bits !== undefined && bits < strength.minCurveBits ? `a curve of ${bits} bits` : undefined;
}

/** Returns undefined for a curve that nothing is encrypted to, or that is not known here. */
function bitsOfCurve(algorithm: unknown, curve: string): number | undefined {
  const { x25519, x448, ed25519, ed448 } = PUBLIC_KEY;
  if (algorithm === x448 || algorithm === ed448) return 448;
  if (algorithm === x25519 || algorithm === ed25519 || curve === ED25519) return 256;
  const name = CURVES[curve];
  return name && CURVE_BITS[name];
}

const CURVE_BITS: Readonly<Record<EcdhCurve, number>> = {
  curve25519: 256,
  prime256v1: 256,
  secp384r1: 384,
  secp521r1: 521,
  brainpoolP256r1: 256,
  brainpoolP384r1: 384,
  brainpoolP512r1: 512,
};

/** Tells whether a key is of a kind that can encrypt, whatever its owner wants it for. */
export function canEncrypt(algorithm: number): boolean {
  const { rsa, rsaEncryptOnly, elgamal, ecdh, x25519, x448 } = PUBLIC_KEY;
  return [rsa, rsaEncryptOnly, elgamal, ecdh, x25519, x448].some((each) => each === algorithm);
}

/** Milliseconds of a processor for one session-key packet, as measured on one machine and rounded up. */
export function costOf({ material }: RecipientKey): number {
  if (material.kind === 'x25519') return 0.2;
  if (material.kind === 'x448') return 0.6;
  if (material.kind === 'ecdh') return CURVE_MS[material.curve];
  return 0.05 * (bitsOf(material.n) / MAX_RSA_BITS) ** 2 * Math.max(8, bitsOf(material.e));
}

const CURVE_MS: Readonly<Record<EcdhCurve, number>> = {
  curve25519: 0.2,
  prime256v1: 0.2,
  secp384r1: 4.5,
  secp521r1: 9,
  brainpoolP256r1: 2.5,
  brainpoolP384r1: 5.5,
  brainpoolP512r1: 7.5,
};

function bitsOf(number: Uint8Array): number {
  const first = number.findIndex((byte) => byte !== 0);
  return first === -1 ? 0 : (number.length - first) * 8 - Math.clz32(number[first] ?? 0) + 24;
}

function materialOf(algorithm: unknown, fields: Record<string, unknown>): KeyMaterial | undefined {
  if (algorithm === PUBLIC_KEY.rsa || algorithm === PUBLIC_KEY.rsaEncryptOnly) {
    const { n, e } = fields;
    return isBytes(n) && isBytes(e) ? { kind: 'rsa', algorithm, n, e } : undefined;
  }
  if (algorithm === PUBLIC_KEY.x25519)
    return isBytes(fields.A) ? { kind: 'x25519', point: fields.A } : undefined;
  if (algorithm === PUBLIC_KEY.x448) return isBytes(fields.A) ? { kind: 'x448', point: fields.A } : undefined;
  return algorithm === PUBLIC_KEY.ecdh ? ecdhOf(fields) : undefined;
}

function ecdhOf(fields: Record<string, unknown>): KeyMaterial | undefined {
  const { Q: point, oid: curveId } = fields;
  const { hash: kdfHash, cipher: kdfCipher } = fieldsOf(fields.kdfParams);
  const oid = isWritable(curveId) ? curveId.write() : undefined;
  const curve = oid && CURVES[Buffer.from(oid).toString('hex')];
  if (curve === undefined || oid === undefined || !isBytes(point)) return undefined;
  if (typeof kdfHash !== 'number' || typeof kdfCipher !== 'number') return undefined;
  return { kind: 'ecdh', curve, point, oid, kdfHash, kdfCipher };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

function isWritable(value: unknown): value is { write(): Uint8Array } {
  return typeof fieldsOf(value).write === 'function';
}
