/**
 * Codes for devices and for recovery: 128 random bits that people can copy by hand. A code has 28 characters
 * in groups of four, from the alphabet of Crockford's base32, which has no I, L, O and U. The first 26
 * characters are the bits. The last two are the check symbols of a Reed-Solomon code over GF(32), whose words
 * differ in three places at least: one or two wrong characters, and any two that changed places, are always
 * found. So a typing error is told apart from a code that opens nothing, without a derivation.
 */

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const SECRET_BYTES = 16;
const SECRET_CHARACTERS = 26;
const CHARACTERS = 28;
const GROUP = 4;
/** Two bits are left over in 26 characters of five. They are zero. */
const SPARE_BITS = SECRET_CHARACTERS * 5 - SECRET_BYTES * 8;

/** What a text is, taken as a code. `mistyped`: it has the form of a code, and a wrong character. */
export type Reading =
  | { readonly kind: 'code'; readonly code: string }
  | { readonly kind: 'mistyped' }
  | { readonly kind: 'other' };

/** Returns 16 bytes as they are printed: `XXXX-XXXX-XXXX-XXXX-XXXX-XXXX-XXXX`. */
export function codeOf(secret: Uint8Array): string {
  if (secret.length !== SECRET_BYTES) throw new RangeError(`a code has ${SECRET_BYTES} bytes`);
  let bits = 0n;
  for (const byte of secret) bits = (bits << 8n) | BigInt(byte);
  bits <<= BigInt(SPARE_BITS);
  const symbols: number[] = [];
  for (let n = SECRET_CHARACTERS - 1; n >= 0; n--) symbols.push(Number((bits >> BigInt(5 * n)) & 31n));
  return printed([...symbols, ...checkSymbols(symbols)]);
}

/** Reads a code as people type it: in any case, with blanks or dashes anywhere, O for 0, and I or L for 1. */
export function readCode(text: string): Reading {
  const typed = text
    .normalize('NFKC')
    .toUpperCase()
    .replaceAll(/[\s\-\u2010-\u2015\u2212.]/g, '')
    .replaceAll('O', '0')
    .replaceAll(/[IL]/g, '1');
  if (typed.length !== CHARACTERS || !/^[0-9A-Z]+$/.test(typed)) return { kind: 'other' };
  const symbols = [...typed].map((character) => ALPHABET.indexOf(character));
  const isWhole = !symbols.includes(-1) && valueAt(symbols, 2) === 0 && valueAt(symbols, 4) === 0;
  const spare = (symbols[SECRET_CHARACTERS - 1] ?? 0) & ((1 << SPARE_BITS) - 1);
  return isWhole && spare === 0 ? { kind: 'code', code: printed(symbols) } : { kind: 'mistyped' };
}

function printed(symbols: readonly number[]): string {
  const characters = symbols.map((symbol) => ALPHABET[symbol]).join('');
  return characters.replaceAll(new RegExp(`(.{${GROUP}})(?=.)`, 'g'), '$1-');
}

/**
 * Returns the two symbols with which a word is zero at 2 and at 4, which are a and a^2 for a generator a of
 * GF(32): with `r` and `s` for the values there of the word without them, 2*x + y = r and 4*x + y = s.
 */
function checkSymbols(symbols: readonly number[]): [number, number] {
  const word = [...symbols, 0, 0];
  const [r, s] = [valueAt(word, 2), valueAt(word, 4)];
  const x = times(r ^ s, inverse(2 ^ 4));
  return [x, r ^ times(2, x)];
}

/** Returns the value of a polynomial over GF(32), highest power first. */
function valueAt(symbols: readonly number[], point: number): number {
  return symbols.reduce((sum, symbol) => times(sum, point) ^ symbol, 0);
}

/** Multiplies in GF(32), modulo x^5 + x^2 + 1. */
function times(a: number, b: number): number {
  let product = 0;
  for (let n = 0; n < 5; n++) if ((b >> n) & 1) product ^= a << n;
  for (let n = 8; n >= 5; n--) if ((product >> n) & 1) product ^= 0b100101 << (n - 5);
  return product;
}

/** Returns the inverse in GF(32), whose group has 31 elements: a^30. */
function inverse(a: number): number {
  let power = 1;
  for (let n = 0; n < 30; n++) power = times(power, a);
  return power;
}
