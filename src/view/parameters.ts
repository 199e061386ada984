/**
 * Content-Type, Content-Disposition and their parameters (RFC 2045 §5.1, RFC 2183, RFC 2231), as Dovecot
 * shows them: pieces of a value are joined, nothing is decoded, and what makes no sense is left out.
 */

import { type Reached, Scanner } from './scanner.ts';

/** Parameters or words of a field that are read: no sensible one comes near. */
const MOST = 10_000;

export type Parameter = readonly [name: string, value: string];

export interface ContentType {
  /** Empty, as the subtype is, if the field makes no sense. */
  readonly type: string;
  readonly subtype: string;
  readonly parameters: readonly Parameter[];
}

export function parseContentType(value: string): ContentType {
  const scanner = new Scanner(value);
  const names = typeAndSubtype(scanner);
  if (names === undefined) return { type: '', subtype: '', parameters: [] };
  return { parameters: parametersFrom(scanner), ...names };
}

function typeAndSubtype(scanner: Scanner): { type: string; subtype: string } | undefined {
  if (scanner.blank() !== 'more') return undefined;
  const reached = scanner.token();
  const type = scanner.word;
  if (reached === 'broken' || type === '') return undefined;
  if (reached === 'end') return { type, subtype: '' };
  if (!scanner.sees('/')) return undefined;
  scanner.at++;
  if (scanner.blank() !== 'more') return undefined;
  scanner.word = '';
  const then = scanner.token();
  const subtype = scanner.word;
  if (subtype === '' || then === 'broken' || (then === 'more' && !scanner.sees(';'))) return undefined;
  return { type, subtype };
}

export interface Disposition {
  readonly name: string;
  readonly parameters: readonly Parameter[];
}

/** Returns undefined if the field ends in the middle of a comment. */
export function parseDisposition(value: string): Disposition | undefined {
  const scanner = new Scanner(value);
  scanner.blank();
  if (scanner.token() === 'broken') return undefined;
  const name = scanner.word;
  return { name, parameters: parametersFrom(scanner) };
}

/** Returns the token that a field has, empty if there is none, or anything but a parameter after it. */
export function encodingFrom(value: string): string {
  const scanner = new Scanner(value);
  scanner.blank();
  return scanner.token() === 'more' && !scanner.sees(';') ? '' : scanner.word;
}

/** Returns the one token that a field has, or undefined if there is anything else. */
export function onlyToken(value: string): string | undefined {
  const scanner = new Scanner(value);
  scanner.blank();
  return scanner.token() === 'end' && scanner.word !== '' ? scanner.word : undefined;
}

/** Returns the words between the commas of a field, up to what is none. */
export function listedAtoms(value: string): string[] {
  const scanner = new Scanner(value);
  const atoms: string[] = [];
  scanner.blank();
  for (;;) {
    scanner.word = '';
    const reached = scanner.atom();
    if (reached !== 'broken') atoms.push(scanner.word);
    if (atoms.length >= MOST || reached !== 'more' || !scanner.sees(',')) return atoms;
    scanner.at++;
    if (scanner.blank() !== 'more') return atoms;
  }
}

function parametersFrom(scanner: Scanner): Parameter[] {
  const found: Parameter[] = [];
  while (!scanner.isAtEnd && found.length < MOST) {
    const parameter = nextParameter(scanner);
    if (parameter !== undefined) found.push(parameter);
    else scanner.at++; // to the next semicolon
  }
  return joined(found);
}

function nextParameter(scanner: Scanner): Parameter | undefined {
  if (!scanner.sees(';')) return undefined;
  scanner.at++;
  if (scanner.blank() !== 'more') return undefined;
  scanner.word = '';
  if (scanner.token() !== 'more' || !scanner.sees('=')) return undefined;
  const name = scanner.word;
  scanner.at++;
  scanner.word = '';
  const reached = scanner.blank();
  if (reached === 'end') return [name, ''];
  if (reached === 'broken' || readValue(scanner) === 'broken') return undefined;
  return [name, scanner.word];
}

function readValue(scanner: Scanner): Reached {
  if (scanner.sees('"')) return scanner.quoted();
  // an encoded word without quotes, which no token can be
  if (scanner.sees('=')) return scanner.until(';');
  return scanner.token();
}

interface Piece {
  readonly name: string;
  readonly number: number;
  readonly isEncoded: boolean;
  readonly value: string;
}

/** Joins the pieces of RFC 2231 §3. What is whole from the start comes first, the others by their names. */
function joined(parameters: readonly Parameter[]): Parameter[] {
  const whole: Parameter[] = [];
  const pieces: Piece[] = [];
  for (const parameter of parameters) {
    const piece = pieceOf(parameter, pieces.at(-1)?.number ?? 0);
    if (piece === undefined) whole.push(parameter);
    else pieces.push(piece);
  }
  pieces.sort((a, b) => (a.name === b.name ? a.number - b.number : a.name < b.name ? -1 : 1));
  const groups: Piece[][] = [];
  for (const piece of pieces) {
    const group = groups.at(-1);
    if (group?.[0]?.name.toLowerCase() === piece.name.toLowerCase()) group.push(piece);
    else groups.push([piece]);
  }
  return [...whole, ...groups.flatMap(valueOfGroup)];
}

/** `before`: the number of the piece before, which Dovecot takes for one that has none. */
function pieceOf([name, value]: Parameter, before: number): Piece | undefined {
  const [, base, number, mark] = /^([^*]*)\*(\d{0,9})(\*?)$/.exec(name) ?? [];
  if (base === undefined) return undefined;
  if (number === '') return { name: base, number: before, isEncoded: true, value };
  return { name: base, number: Number(number), isEncoded: mark === '*', value };
}

function valueOfGroup(pieces: readonly Piece[]): Parameter[] {
  const isWhole = pieces.every(({ number }, n) => number === n);
  const [first] = pieces;
  if (!isWhole || first === undefined)
    return pieces.map(({ name, number, isEncoded, value }) => [
      `${name}*${number}${isEncoded ? '*' : ''}`,
      value,
    ]);
  if (!pieces.some(({ isEncoded }) => isEncoded))
    return [[first.name, pieces.map(({ value }) => value).join('')]];
  const texts = pieces.map(({ isEncoded, value }) => (isEncoded ? value : encoded(value)));
  return [[`${first.name}*`, (first.isEncoded ? '' : "''") + texts.join('')]];
}

function encoded(value: string): string {
  return value.replaceAll('%', '%25');
}
