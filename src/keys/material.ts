/**
 * Reads the numbers of a key packet as openpgp holds it, for src/openpgp/pkesk.ts. The library does not
 * declare these fields (openpgp 6.3.2; test/openpgp/pkesk.test.ts), so each is unknown until it has been
 * looked at. A key whose fields are not as expected is left to the library.
 */
import { PUBLIC_KEY } from '../openpgp/algorithms.ts';
import type { EcdhCurve, KeyMaterial, RecipientKey } from '../openpgp/pkesk.ts';

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
};

/** Returns undefined for a kind of key that pkesk.ts does not do. */
export function recipientKeyOf(packet: KeyPacket): RecipientKey | undefined {
  const { version } = packet;
  const fingerprint = packet.getFingerprintBytes();
  const material = materialOf(packet.algorithm, fieldsOf(packet.publicParams));
  if ((version !== 4 && version !== 6) || fingerprint === null || material === undefined) return undefined;
  return { version, fingerprint, material };
}

/**
 * Tells whether a number of the key is of a size that nobody uses. The library does the arithmetic of DSA,
 * and of RSA with rare hashes, in JavaScript: one signature with numbers of 16,000 bits stops everything for
 * 15 seconds (openpgp 6.3.2).
 */
export function isOutsized(packet: KeyPacket): boolean {
  const fields = fieldsOf(packet.publicParams);
  return Object.entries(fields).some(
    ([name, value]) => isBytes(value) && value.length > maxBytesOf(name, packet),
  );
}

function maxBytesOf(name: string, { algorithm }: KeyPacket): number {
  if (algorithm === PUBLIC_KEY.dsa || algorithm === PUBLIC_KEY.elgamal) return name === 'q' ? 64 : 1024;
  return name === 'e' ? 8 : 2048;
}

function materialOf(algorithm: unknown, fields: Record<string, unknown>): KeyMaterial | undefined {
  if (algorithm === PUBLIC_KEY.rsa || algorithm === PUBLIC_KEY.rsaEncryptOnly) {
    const { n, e } = fields;
    return isBytes(n) && isBytes(e) ? { kind: 'rsa', algorithm, n, e } : undefined;
  }
  if (algorithm === PUBLIC_KEY.x25519)
    return isBytes(fields.A) ? { kind: 'x25519', point: fields.A } : undefined;
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
