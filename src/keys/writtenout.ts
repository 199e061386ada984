/**
 * Finds OpenPGP that is written out in a text without its armor: in base64, base64url or hexadecimal digits.
 * How it came there does not matter - line ends of any kind or none, blanks, marks of a quotation, bullets,
 * HTML, escapes - since everything is left out that is no digit, and what remains is read from each of its
 * first digits. What is found is decided by keyscan.ts. The time is linear in the length of the text.
 */

/** Marks with letters of their own: tags and entities of HTML, escapes of URLs, of mail and of programs. */
const MARKS =
  /<[^<>]{0,200}>|&#?[A-Za-z0-9]{1,8};|%[0-9A-Fa-f]{2}|=[0-9A-F]{2}(?![\w+/])|\\[nrt]|0x(?=[\da-f]{2})/gi;
/** Those of them that stand for a digit. */
const MARKED: Readonly<Record<string, string>> = {
  '%2B': '+',
  '=2B': '+',
  '&#43;': '+',
  '%2F': '/',
  '=2F': '/',
  '&#47;': '/',
};
/** Numbers of lines, as in a dump. */
const NUMBERS = /^[ \t]*[\dA-Fa-f]{1,16}(?:[:.)|]| {2})[ \t]*/gm;
// fewer octets are no head of a packet
const FEWEST_OCTETS = 12;

/** Tells whether anything that a text may stand for passes the test. */
export function anyReading(text: string, test: (bytes: Buffer) => boolean): boolean {
  const bare = text.replace(NUMBERS, '').replace(MARKS, (mark) => MARKED[mark.toUpperCase()] ?? '');
  const texts = bare === text ? [text] : [text, bare];
  return texts.some((each) =>
    digitsOf(each).some(({ digits, encoding, phases }) =>
      phases.some((phase) => {
        const bytes = Buffer.from(phase === 0 ? digits : digits.slice(phase), encoding);
        return bytes.length >= FEWEST_OCTETS && test(bytes);
      }),
    ),
  );
}

interface Digits {
  readonly digits: string;
  readonly encoding: 'base64' | 'hex';
  /** Where the first octet may begin. */
  readonly phases: readonly number[];
}

function digitsOf(text: string): Digits[] {
  const base64 = text.replace(/[^A-Za-z0-9+/]+/g, '');
  // hyphens are digits of base64url, and bullets of a list
  const base64url = text.replace(/[^A-Za-z0-9+/_-]+/g, '');
  return [
    { digits: base64, encoding: 'base64', phases: [0, 1, 2, 3] },
    ...(base64url === base64
      ? []
      : [{ digits: base64url, encoding: 'base64', phases: [0, 1, 2, 3] } as const]),
    { digits: text.replace(/[^A-Fa-f0-9]+/g, ''), encoding: 'hex', phases: [0, 1] },
  ];
}
