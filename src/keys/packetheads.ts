/**
 * How key and signature packets begin: tells from the first fields of a packet's body whether it may be one.
 * For bytes that are perhaps no OpenPGP at all, and that may be cut off or spoilt after some dozen octets.
 * Random bytes must not pass, so all fields have to be plausible together: version, time, algorithm, the
 * first number, and the length that they leave for the rest.
 */
import { PUBLIC_KEY } from '../openpgp/algorithms.ts';
import { FIXED_OCTETS, mpiOctets, uint } from '../openpgp/packets.ts';
import { keyHead } from './parts.ts';
import { SIGNATURE_TYPES } from './signaturehead.ts';

export const KEY_VERSIONS: readonly number[] = [2, 3, 4, 5, 6];
// of a key's creation: OpenPGP is younger than the one, and seconds in 32 bits end long after the other
const YEAR_1990 = 631_152_000;
const YEAR_2060 = 2_840_140_800;
const RSA: readonly number[] = [PUBLIC_KEY.rsa, PUBLIC_KEY.rsaEncryptOnly, PUBLIC_KEY.rsaSignOnly];
/** Those whose keys begin with a prime or a modulus; 20 is Elgamal for signatures. */
const WITH_MODULUS: readonly number[] = [...RSA, PUBLIC_KEY.elgamal, PUBLIC_KEY.dsa, 20];
const WITH_CURVE: readonly number[] = [PUBLIC_KEY.ecdh, PUBLIC_KEY.ecdsa, PUBLIC_KEY.eddsaLegacy];
const LAST_ALGORITHM = 110; // RFC 9580 §9.1: the last for experiments
// public numbers of the largest post-quantum keys have 3 KiB, and RSA of 16384 bits has 2
const MAX_COUNTED_OCTETS = 8192;
const MIN_MODULUS_OCTETS = 64;
const MAX_MODULUS_OCTETS = 2048;
// a key on P-521 has 220 octets with its secret number and what may protect it
const MAX_CURVE_KEY_OCTETS = 400;
// of what may protect secret numbers: a salt, an initialisation vector, an authentication tag
const MAX_PROTECTION_OCTETS = 160;
const LAST_HASH = 14; // RFC 9580 §9.5
const LAST_CIPHER = 13; // §9.3
const LAST_SUBPACKET = 40; // §5.2.3.7

/** The length of a packet's body; undefined if its header does not tell. */
export type Told = number | undefined;

export function isMadeInTime(body: Uint8Array, at = 1): boolean {
  const created = uint(body, at, 4);
  return created >= YEAR_1990 && created <= YEAR_2060;
}

/** Tells whether a body begins like that of a key packet (RFC 9580 §5.5.2, §5.5.3). */
export function beginsLikeKey(body: Uint8Array, told: Told, isSecret: boolean): boolean {
  const { version, algorithm } = keyHead(body);
  // keys in parts are refused by everybody; a secret one is exposed all the same
  if (told === undefined && !isSecret) return false;
  if (!KEY_VERSIONS.includes(version) || !isMadeInTime(body)) return false;
  if (version > 4) return isCounted(body, told, isSecret);
  if (version < 4) return RSA.includes(algorithm) && hasModulus(body, 8, told, isSecret);
  if (WITH_MODULUS.includes(algorithm)) return hasModulus(body, 6, told, isSecret);
  if (WITH_CURVE.includes(algorithm)) return hasCurve(body, told);
  const fixed = FIXED_OCTETS[algorithm];
  if (fixed === undefined) return false;
  return isSecret ? isProtected(body, 6 + fixed, fixed, told) : told === 6 + fixed;
}

/** Versions 5 and 6 count the octets of the public numbers, whatever the algorithm. */
function isCounted(body: Uint8Array, told: Told, isSecret: boolean): boolean {
  const { algorithm } = keyHead(body);
  const count = uint(body, 6, 4);
  const fixed = FIXED_OCTETS[algorithm];
  if (algorithm > LAST_ALGORITHM || count < 32 || count > MAX_COUNTED_OCTETS) return false;
  if (fixed !== undefined && count !== fixed) return false;
  const rest = (told ?? body.length) - 10 - count;
  return isSecret ? rest > 0 : rest === 0;
}

function hasModulus(body: Uint8Array, at: number, told: Told, isSecret: boolean): boolean {
  const octets = (mpiOctets(body, at) ?? 0) - 2;
  if (octets < MIN_MODULUS_OCTETS || octets > MAX_MODULUS_OCTETS) return false;
  // a key that does not tell its length is hardly one, unless its modulus has a usual size
  if (told === undefined) return uint(body, at, 2) % 64 === 0;
  // all numbers of a key together, of which none is longer than the first
  const most = at + (isSecret ? 6 * octets + MAX_PROTECTION_OCTETS : 4 * octets + 8);
  return told > at + octets && told <= most;
}

/** All curves that anybody uses have object identifiers of ISO, whose first octet is one of these. */
function hasCurve(body: Uint8Array, told: Told): boolean {
  const octets = body[6] ?? 0;
  const isIdentifier = octets >= 3 && octets <= 10 && [0x2a, 0x2b].includes(body[7] ?? 0);
  const isKnown = [0x06, 0x24, 0x65, 0x81, 0x86].includes(body[8] ?? 0);
  return isIdentifier && isKnown && (told === undefined || (told > 30 && told <= MAX_CURVE_KEY_OCTETS));
}

/** Tells whether a secret number of a fixed size may follow, in clear or protected (§5.5.3, §3.7.2). */
function isProtected(body: Uint8Array, at: number, secret: number, told: Told): boolean {
  const usage = body[at];
  if (usage === undefined) return false;
  const rest = told === undefined ? undefined : told - at - 1;
  if (usage === 0) return rest === secret + 2;
  if (usage <= LAST_CIPHER) return rest === secret + 2 + 8 || rest === secret + 2 + 16;
  const cipher = body[at + 1] ?? 0;
  return (
    usage >= 253 && cipher >= 1 && cipher <= LAST_CIPHER && (rest ?? 0) <= secret + MAX_PROTECTION_OCTETS
  );
}

/** Tells whether a body begins like that of a signature packet (§5.2.2, §5.2.3). */
export function beginsLikeSignature(body: Uint8Array, told: Told): boolean {
  const [version = 0, second = 0] = body;
  if (told === undefined) return false;
  if (version === 2 || version === 3)
    return second === 5 && told >= 20 && isMadeInTime(body, 3) && isType(body[2]) && isHash(body[16]);
  if (version < 4 || version > 6 || !isType(second) || !isHash(body[3])) return false;
  const octets = version === 6 ? 4 : 2;
  const hashed = uint(body, 4, octets);
  const [subpacketOctets = 0, type = 0] = body.subarray(4 + octets);
  const kind = type & 0x7f;
  // the first one of a signature is short: a time, a fingerprint, flags
  const isSubpacket =
    subpacketOctets >= 2 && subpacketOctets <= hashed && kind >= 2 && kind <= LAST_SUBPACKET;
  return isSubpacket && 4 + octets + hashed < told;
}

function isType(type: number | undefined): boolean {
  return type !== undefined && SIGNATURE_TYPES.includes(type);
}

function isHash(hash: number | undefined): boolean {
  return hash !== undefined && hash >= 1 && hash <= LAST_HASH;
}
