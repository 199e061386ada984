/**
 * Estimates how many guesses a password that somebody has thought up withstands. Letters that could be of a
 * word count as such, since most people take words; what a guesser tries first, and numbers alone, count for
 * little. It knows no sentences: a line of a song counts as its words, which is far too much. Who wants
 * certainty takes a code.
 */
import { readCode } from './code.ts';

/**
 * Bits that a password needs. Half of 2^50 guesses take a core, at a third of a second each, six million
 * years, and a thousand graphics cards, at a thousand guesses a second each, eighteen.
 */
export const LEAST_BITS = 50;

const MOST_LENGTH = 256;

/** Bits of the first letter of a word, and of each one after it that makes it look like a word. */
const FIRST_LETTER = 4.7;
const NEXT_LETTER = 1.5;
const DIGIT = 3.3;
/** Where there are no letters: dates, telephone numbers, and those that somebody knows by heart. */
const DIGIT_ALONE = 2;
const SYMBOL = 5;
const BLANK = 0.5;
/** A character that follows from the one before: a repetition, or the next one of a row. */
const FORESEEN = 0.5;
/** A whole piece that is known: a word of the address, a common password, a year, a piece said before. */
const KNOWN_PIECE = 6;

/** Rows and columns of keyboards, and the alphabet. */
const ROWS =
  `abcdefghijklmnopqrstuvwxyz 01234567890 qwertyuiop qwertzuiop azertyuiop asdfghjkl zxcvbnm yxcvbnm
  !@#$%^&*() !"§$%&/()= 1qaz 2wsx 3edc 4rfv 5tgb 6yhn 7ujm 8ik 9ol !qaz @wsx #edc $rfv %tgb ^yhn 1yaq 6zhn`
    .split(/\s+/)
    .flatMap((row) => [row, [...row].reverse().join('')]);

/** Pieces that lists of stolen passwords begin with, in lower case. */
const COMMON = `password passwort passwd pass letmein welcome willkommen admin administrator login root master
  secret geheim iloveyou ichliebedich monkey dragon sunshine princess football baseball superman batman
  shadow michael jennifer jordan hunter killer trustno charlie daniel thomas andrea hallo hello schatz
  summer winter spring autumn sommer fruehling herbst internet computer samsung google server mail email
  sealdir changeme http https www com org net html search youtube facebook amazon wikipedia default test guest love starwars pokemon whatever freedom ginger cheese pepper
  correcthorsebatterystaple correct horse battery staple abc qwerty qwertz azerty january february march april
  june july august september october november december januar februar juni juli oktober dezember monday tuesday
  wednesday thursday friday saturday sunday montag dienstag mittwoch donnerstag freitag samstag sonntag`.split(
  /\s+/,
);

const VOWELS = 'aeiouyäöüàáâèéêìíòóôùúåæøąę';
/** Pairs of consonants, or of vowels, that words are full of. */
const CLUSTERS = new Set(
  `ai au bb bl br ch ck cl cr ct cz dd dg dr dz ea ee ei el ff fl fr ft gg gh gl gr ht ie io kn kr ks ld lf lk
  ll lm ln lp ls lt mb mm mp nd ng nk nn ns nt nz oo ou ph pl pp pr pt qu rb rc rd rg rk rl rm rn rr rs rt rz sc
  sh sk sl sm sn sp ss st sw sz th tr ts tt tw tz ue ui wh wr xt zz`.split(/\s+/),
);

const LEET: Readonly<Record<string, string>> = { '@': 'a', '4': 'a', '3': 'e', '1': 'i', '!': 'i', '0': 'o' };
const MORE_LEET: Readonly<Record<string, string>> = { $: 's', '5': 's', '7': 't' };
const YEAR = /(?:19|20)\d\d/g;

/** Returns why a password is too weak for a slot, as a sentence, or undefined if it will do. */
export function weaknessOf(password: string, address: string): string | undefined {
  if ([...password].length > MOST_LENGTH) return `it has more than ${MOST_LENGTH} characters`;
  if (readCode(password).kind === 'code') return 'it has the form of a code; a code is made by Sealdir';
  const bits = Math.floor(bitsOf(password, address));
  if (bits >= LEAST_BITS) return undefined;
  return `some 2^${bits} guesses find it, and 2^${LEAST_BITS} are asked for: take five words that have nothing to do with each other, or a code`;
}

/** Estimates the bits of a password. */
export function bitsOf(password: string, address: string): number {
  const { rest, known } = withoutKnown(password.normalize('NFKC'), address);
  let bits = Math.log2(1 + known) + known * KNOWN_PIECE;
  const isNumber = !/[^\p{N}\s.,:/+()-]/u.test(rest);
  let before = '';
  for (const character of rest) {
    const more = bitsAfter(before, character);
    bits += isNumber ? Math.min(more, /\p{N}/u.test(character) ? DIGIT_ALONE : BLANK) : more;
    before = character;
  }
  return bits;
}

/** Takes out the pieces that somebody who guesses would try as a whole, and counts them. */
function withoutKnown(password: string, address: string): { rest: string; known: number } {
  const ofAddress = address.toLowerCase().split(/[^\p{L}\p{N}]+/u);
  const words = [...ofAddress.map(plain), ...COMMON].filter((word) => word.length >= 3);
  words.sort((a, b) => b.length - a.length);
  let rest = password.replace(/(.{3,}?)\1+/gu, '$1'); // the same again, right after it
  let known = rest === password ? 0 : 1;
  const take = (at: number, length: number) => {
    rest = `${rest.slice(0, at)}${rest.slice(at + length)}`;
    known++;
  };
  for (const word of words)
    for (let at = plain(rest).indexOf(word); at !== -1; at = plain(rest).indexOf(word)) take(at, word.length);
  rest = rest.replaceAll(YEAR, () => {
    known++;
    return '';
  });
  return { rest, known };
}

/** Returns a text in lower case and without the usual disguises, each unit in its place. */
function plain(text: string): string {
  return text
    .split('')
    .map((unit) => {
      const lower = unit.toLowerCase();
      return LEET[unit] ?? MORE_LEET[unit] ?? (lower.length === 1 ? lower : unit);
    })
    .join('');
}

function bitsAfter(before: string, character: string): number {
  const [last, next] = [before.toLowerCase(), character.toLowerCase()];
  if (last !== '' && (last === next || ROWS.some((row) => row.includes(last + next)))) return FORESEEN;
  if (/\p{L}/u.test(character)) {
    const isInWord = /\p{L}/u.test(before);
    const isOtherCase = isInWord && isUpper(before) !== isUpper(character);
    return (isInWord && isOfWord(last, next) ? NEXT_LETTER : FIRST_LETTER) + (isOtherCase ? 1 : 0);
  }
  if (/\p{N}/u.test(character)) return DIGIT;
  return /\s/.test(character) ? BLANK : SYMBOL;
}

/** Tells whether two letters are often neighbours in words: two of five pairs that chance makes are. */
function isOfWord(last: string, next: string): boolean {
  const isLatin = /^\p{Script=Latin}+$/u.test(last + next);
  return !isLatin || VOWELS.includes(last) !== VOWELS.includes(next) || CLUSTERS.has(last + next);
}

function isUpper(letter: string): boolean {
  return letter !== letter.toLowerCase();
}
