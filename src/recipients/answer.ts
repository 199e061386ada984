/**
 * What a source answers, by the names of its columns or attributes -> a recipient. A value that is not what
 * it should be is an error, never "no such recipient".
 */
import { join } from 'node:path';
import { canonicalAddress, catchAllOf, parseAddress, partsOf, type SameAddress } from '../core/address.ts';
import { type BadRule, type FolderRule, parseFolderRule } from '../core/folderrule.ts';
import { HEADER_POLICIES, type HeaderPolicy } from '../core/headerpolicy.ts';
import { type NextHop, NO_HOP, parseNextHop } from '../core/nexthop.ts';
import { UNUSABLE, type Unusable } from '../core/unusable.ts';
import { AnswerError, type Recipient } from './source.ts';

/** All that is known of a recipient; a value that is null or missing is not known. */
export type Fields = Readonly<Record<string, unknown>>;

/** The names that an answer may use. */
export const FIELDS = [
  'account',
  'maildir',
  'home',
  'folder',
  'uid',
  'gid',
  'quota',
  'used',
  'key',
  'unusable',
  'rules',
  'header_policy',
  'forward',
] as const;
type Field = (typeof FIELDS)[number];

/** Of one recipient. */
const MOST_RULES = 50;
const MOST_RULE = 500;

const UNITS = new Map([
  ['', 1],
  ['K', 2 ** 10],
  ['M', 2 ** 20],
  ['G', 2 ** 30],
  ['T', 2 ** 40],
]);

/**
 * Returns the recipient that the rows are about, one row or several with a key each. Undefined if there are
 * none. Throws if they contradict each other.
 */
export function recipientOf(
  rows: readonly Fields[],
  asked: string,
  same: SameAddress,
): Recipient | undefined {
  const [first] = rows;
  if (first === undefined) return undefined;
  const recipient = {
    address: accountOf(first, asked, same),
    ...placeOf(first),
    ...ownerOf(first),
    ...limitsOf(first),
    ...unusableOf(rows),
    ...rulesOf(rows),
    ...headerPolicyOf(rows),
    ...forwardOf(first),
  };
  const others = rows.map((row) => accountOf(row, asked, same));
  if (others.some((other) => other !== recipient.address))
    throw new AnswerError(`several accounts for ${asked}: ${[...new Set(others)].join(', ')}`);
  const keys = rows.map((row) => fieldOf(row, 'key')).filter((key) => key !== undefined);
  return keys.length === 0 ? recipient : { ...recipient, keys: keys.map(keyOf) };
}

/** Returns the rows of an answer in JSON. */
export function rowsOf(answer: unknown): Fields[] {
  const rows = Array.isArray(answer) ? answer : [answer];
  const isRow = (row: unknown): row is Fields =>
    typeof row === 'object' && row !== null && !Array.isArray(row) && isKnown(Object.keys(row));
  if (rows.every(isRow)) return rows;
  throw new AnswerError('the answer of the recipient source is no JSON object of a recipient');
}

/** An object with other names alone, such as `error`, speaks of something else. */
function isKnown(names: readonly string[]): boolean {
  return names.length === 0 || FIELDS.some((field) => names.includes(field));
}

function accountOf(row: Fields, asked: string, same: SameAddress): string {
  const account = textOf(row, 'account');
  if (account === undefined) return asked;
  if (/^@./.test(account)) return catchAllOf(account.slice(1), same) ?? wrong('account', account);
  const address = parseAddress(account);
  // a user's name stands for the address in the domain that was asked for
  const whole = address?.domain === '' ? { ...address, domain: partsOf(asked).domain } : address;
  return (whole && canonicalAddress(whole, same)) ?? wrong('account', account);
}

/** Dovecot's `maildir:PATH:OPTION=...` is read as well. */
function placeOf(row: Fields): Pick<Recipient, 'maildir' | 'inboxOnly'> {
  const home = textOf(row, 'home');
  const below = home === undefined ? undefined : join(home, textOf(row, 'folder') ?? '');
  const written = textOf(row, 'maildir') ?? below;
  if (written === undefined) return {};
  const [, path = '', options = ''] = /^(?:maildir:)?([^:]*)((?::[^:]*)*)$/.exec(written) ?? [];
  if (path === '' || /\p{Cc}/u.test(written)) return wrong('maildir', written);
  const [, layout] = /:LAYOUT=([^:]*)/i.exec(options) ?? [];
  if (layout === undefined || layout === '++') return { maildir: path };
  // the inbox is the same directory
  return layout.toLowerCase() === 'fs' ? { maildir: path, inboxOnly: true } : wrong('maildir', written);
}

function ownerOf(row: Fields): Pick<Recipient, 'owner'> {
  const [uid, gid] = [idOf(row, 'uid'), idOf(row, 'gid')];
  if (uid === undefined && gid === undefined) return {};
  if (uid === undefined || gid === undefined) return wrong(uid === undefined ? 'uid' : 'gid', 'missing');
  return { owner: { uid, gid } };
}

function idOf(row: Fields, name: 'uid' | 'gid'): number | undefined {
  const written = textOf(row, name);
  if (written === undefined) return undefined;
  return /^\d{1,10}$/.test(written) && Number(written) < 2 ** 32 - 1 ? Number(written) : wrong(name, written);
}

function limitsOf(row: Fields): Pick<Recipient, 'quota' | 'used'> {
  const quota = sizeOf(row, 'quota');
  const used = sizeOf(row, 'used');
  // sites write 0, or less, for "no limit"
  return quota === undefined || quota <= 0 ? {} : { quota, ...(used === undefined ? {} : { used }) };
}

/** Bytes, or with Dovecot's units: 500M, 5G. */
function sizeOf(row: Fields, name: 'quota' | 'used'): number | undefined {
  const written = textOf(row, name);
  if (written === undefined) return undefined;
  const [, digits, unit = ''] = /^(-?\d+)(?:\.0+)? ?([KMGT]?)(?:i?B)?$/i.exec(written.trim()) ?? [];
  const factor = UNITS.get(unit.toUpperCase());
  if (digits === undefined || factor === undefined) return wrong(name, written);
  return Number(digits) * factor;
}

function unusableOf(rows: readonly Fields[]): { unusable?: Unusable } {
  const unusable = wordOf(rows, 'unusable', UNUSABLE);
  return unusable === undefined ? {} : { unusable };
}

function headerPolicyOf(rows: readonly Fields[]): { headerPolicy?: HeaderPolicy } {
  const headerPolicy = wordOf(rows, 'header_policy', HEADER_POLICIES);
  return headerPolicy === undefined ? {} : { headerPolicy };
}

function forwardOf(row: Fields): { forward?: NextHop | typeof NO_HOP } {
  const written = textOf(row, 'forward');
  if (written === undefined) return {};
  if (written === NO_HOP) return { forward: NO_HOP };
  const hop = parseNextHop(written);
  return typeof hop === 'string' ? wrong('forward', written) : { forward: hop };
}

/** Whoever joins the keys of a recipient has the same word in each row: two would be two answers. */
function wordOf<W extends string>(rows: readonly Fields[], name: Field, words: readonly W[]): W | undefined {
  const written = new Set(rows.flatMap((row) => textOf(row, name) ?? []));
  if (written.size === 0) return undefined;
  const [first] = written;
  const found = words.find((word) => written.size === 1 && word === first);
  return found ?? wrong(name, [...written].join(', '));
}

/**
 * A rule a line, in all rows. One that is none makes nobody unreachable: users may write their own. Nor do
 * more rules than there may be.
 */
function rulesOf(rows: readonly Fields[]): { rules?: readonly (FolderRule | BadRule)[] } {
  const lines = rows.flatMap((row) => textOf(row, 'rules')?.split('\n') ?? []);
  const written = [...new Set(lines.map((line) => line.trim()))].filter((line) => line !== '');
  if (written.length === 0) return {};
  const rules = written.slice(0, MOST_RULES).map((line) => parseFolderRule(line.slice(0, MOST_RULE)));
  const [further] = written.slice(MOST_RULES);
  if (further === undefined) return { rules };
  const problem = `is rule ${MOST_RULES + 1}, and it and those below it do not count`;
  return { rules: [...rules, { text: further.slice(0, MOST_RULE), problem }] };
}

function keyOf(value: unknown): string | Buffer {
  return typeof value === 'string' || Buffer.isBuffer(value) ? value : wrong('key', typeof value);
}

function textOf(row: Fields, name: Field): string | undefined {
  const value = fieldOf(row, name);
  if (value === undefined) return undefined;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (typeof value === 'string') return value;
  return Buffer.isBuffer(value) ? value.toString('utf8') : wrong(name, typeof value);
}

function fieldOf(row: Fields, name: Field): unknown {
  const value = row[name];
  return value === null || value === '' ? undefined : value;
}

function wrong(name: Field, value: string): never {
  throw new AnswerError(`the recipient source has a bad ${name}: ${JSON.stringify(value.slice(0, 100))}`);
}
