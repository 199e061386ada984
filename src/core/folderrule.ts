/**
 * Rules that choose the folder of a message, as an operator writes them:
 *
 *     [for ADDRESS|@DOMAIN:] header NAME TEST VALUE -> FOLDER
 *                            sender TEST VALUE      -> FOLDER
 *                            detail TEST VALUE      -> FOLDER
 *
 * TEST is one of the words in TESTS; `exists` has no VALUE. Case never matters, and `{detail}` in FOLDER
 * stands for the detail of the address. Knows what a rule says, not what a message has.
 */
import { type Address, parseAddress } from './address.ts';
import { BadFolder, folderDirectory } from './foldername.ts';

const TESTS = ['is', 'contains', 'begins', 'ends', 'exists'] as const;
export type FolderTest = (typeof TESTS)[number];

export type FolderSubject =
  /** A header field, by its name in lower case. */
  | { readonly what: 'header'; readonly field: string }
  /** The reverse-path, or the detail of the recipient's address. */
  | { readonly what: 'sender' | 'detail' };

export interface FolderRule {
  /** The rule as it was written, in one line. */
  readonly text: string;
  /** The account, or the domain, that it is for; undefined: everybody. */
  readonly owner: Address | { readonly local: ''; readonly domain: string } | undefined;
  readonly subject: FolderSubject;
  readonly test: FolderTest;
  /** Folded by foldedText(); '' for `exists`, and for the sender of a bounce. */
  readonly value: string;
  /** Good with any detail that is one; may have DETAIL in it. */
  readonly folder: string;
}

/** A rule that is none. */
export interface BadRule {
  readonly text: string;
  readonly problem: string;
}

/** In the name of a folder: the detail of the address. Only a folder that is there already is meant. */
export const DETAIL = '{detail}';

const HOW = 'write it like "header List-Id contains lists.example -> Lists"';
/** mailparser makes a time of it. */
const WITHOUT_TEXT = new Set(['date']);

/** Reads one rule. */
export function parseFolderRule(written: string): FolderRule | BadRule {
  const text = written.trim().replace(/\s+/g, ' ');
  const bad = (problem: string): BadRule => ({ text, problem });
  const arrow = text.lastIndexOf(' -> ');
  if (arrow === -1) return bad(`has no " -> " before its folder (${HOW})`);
  const folder = text.slice(arrow + ' -> '.length);
  const wrong = whyNoFolder(folder);
  if (wrong !== undefined) return bad(`${JSON.stringify(folder)} ${wrong}`);
  const [, forWhom, condition = ''] = /^(?:for ([^ ]*): ?)?(.*)$/.exec(text.slice(0, arrow)) ?? [];
  const owner = forWhom === undefined ? undefined : ownerOf(forWhom);
  if (owner === null) return bad(`${JSON.stringify(forWhom)} is neither an address nor "@" and a domain`);
  const [, name, header, test = '', value = ''] =
    /^(?:(sender|detail)|header (\S+)) (\S+)(?: (.*))?$/i.exec(condition) ?? [];
  if (name === undefined && header === undefined)
    return bad(`begins with none of "header NAME", "sender" and "detail" (${HOW})`);
  if (header !== undefined && !/^[!-9;-~]+$/.test(header))
    return bad(`${JSON.stringify(header)} is not the name of a header field (write it without a colon)`);
  const subject = subjectOf(name, header);
  if (subject.what === 'header' && WITHOUT_TEXT.has(subject.field))
    return bad(`${header} is a time, which no rule can test`);
  const known = TESTS.find((each) => each === test.toLowerCase());
  if (known === undefined) return bad(`"${test}" is none of ${TESTS.join(', ')}`);
  if (known === 'exists' && value !== '') return bad('"exists" stands alone, without a value');
  if (known !== 'exists' && value === '') return bad(`"${known}" needs a value`);
  const bare = subject.what === 'sender' ? value.replace(/^<(.*)>$/, '$1') : value;
  if (bare === '' && known !== 'exists' && known !== 'is') return bad(`"${known}" needs a value`);
  return { text, owner, subject, test: known, value: foldedText(bare), folder };
}

function subjectOf(name: string | undefined, header: string | undefined): FolderSubject {
  if (header !== undefined) return { what: 'header', field: header.toLowerCase() };
  return { what: name?.toLowerCase() === 'sender' ? 'sender' : 'detail' };
}

/** Null: it is neither an address nor a domain. */
function ownerOf(written: string): FolderRule['owner'] | null {
  if (/^@[^@]+$/.test(written)) {
    // an address of the domain is good only if the domain is
    const address = parseAddress(`x${written}`);
    return address === undefined ? null : { local: '', domain: address.domain };
  }
  const address = parseAddress(written);
  return address === undefined || address.domain === '' ? null : address;
}

function whyNoFolder(folder: string): string | undefined {
  try {
    // the longer of the two encodings for any name
    folderDirectory(folder.replaceAll(DETAIL, 'x'), 'utf-7');
    folderDirectory(folder.replaceAll(DETAIL, 'x'), 'utf-8');
    return /[{}]/.test(folder.replaceAll(DETAIL, '')) ? `has a brace; only ${DETAIL} is known` : undefined;
  } catch (error) {
    if (error instanceof BadFolder) return `is no name of a folder: it ${error.message}`;
    throw error;
  }
}

/** Returns a text as all texts are compared. */
export function foldedText(text: string): string {
  return text.normalize('NFC').toLowerCase();
}

/** Tells whether any of the values, folded, passes the test of a rule. */
export function passes({ test, value }: FolderRule, values: readonly string[]): boolean {
  switch (test) {
    case 'exists':
      return values.length > 0;
    case 'is':
      return values.includes(value);
    case 'contains':
      return values.some((each) => each.includes(value));
    case 'begins':
      return values.some((each) => each.startsWith(value));
    case 'ends':
      return values.some((each) => each.endsWith(value));
    default:
      throw new Error(`no test: ${test satisfies never}`);
  }
}
