/**
 * Hides addresses in what is logged (log.addresses = "hash"). Fields that are addresses become their
 * pseudonyms. In all other text, which may be an errno with a path or a sentence of a library, these do: what
 * looks like an address, what is below the directories of the configuration, every other path, every URL, and
 * the parts of the addresses that the line is about. In doubt more is hidden than has to be.
 */
import { domainToUnicode } from 'node:url';
import { asciiDomain, partsOf } from '../core/address.ts';
import type { EventName } from '../core/events.ts';
import type { Hiding } from '../core/hiding.ts';
import { pseudonymOf } from '../core/pseudonym.ts';
import { hiddenName, hiddenPath, type Pseudonym } from './hidepath.ts';

/** Fields that hold an address and nothing else. */
const ADDRESSES: readonly string[] = ['recipient', 'sender', 'address'];
/** Fields of deliveries that nobody else has a word in. */
const OURS: readonly string[] = ['id', 'verdict', 'why', 'file', 'nextHop', 'queueId'];
const DELIVERIES: readonly EventName[] = ['stored', 'deferred', 'refused'];
/** Parts of a local part that are shorter could be any word. */
const LEAST_PIECE = 3;

const FILE = String.raw`(?:file:\/\/)?\/`;
const PATH = String.raw`(?<=')${FILE}.*?(?='(?:$|[\s,;:.)]))|(?<![\p{L}\p{N}_.~:/])${FILE}[^\s'"()<>;,]+`;
const URL = String.raw`\b[a-z][a-z0-9+.-]*:\/\/[^\s'")]+`;
const DOMAIN = String.raw`(?:\[[^\]\s]*\]|[\p{L}\p{M}\p{N}._-]+)`;
const ADDRESS = String.raw`(?:"(?:[^"\\]|\\.)*"|[^\s"<>\\]*)@${DOMAIN}`;
/** A path may be that of a module, and be followed by the number of a line. */
const PLACE = /^(?<scheme>file:\/\/)?(?<bare>.*?)(?<after>(?::\d+)*[.:]*)$/su;
const MARKS = /^(?<before>[([{'`,:;=]*)(?<address>.*?)(?<after>[.:,]*)$/su;

export type Hide = (event: EventName, detail: object) => Record<string, unknown>;

export function hider(hiding: Hiding): Hide {
  const secret = Buffer.from(hiding.secret, 'base64');
  const of: Pseudonym = (address) => pseudonymOf(address, secret, hiding.same);
  return (event, detail) => {
    let hideText: ((text: string) => string) | undefined; // most lines have no text
    const hideIn = (text: string) => {
      hideText ??= textHider(hiding, wordsOf(detail), of);
      return hideText(text);
    };
    const isDelivery = DELIVERIES.includes(event);
    const hidden = Object.fromEntries(
      Object.entries(detail).map(([field, value]) => {
        if (isDelivery && OURS.includes(field)) return [field, value];
        if (ADDRESSES.includes(field) && typeof value === 'string')
          return [field, value === '' ? '' : of(readable(value))]; // the sender of a bounce has no address
        if (isDelivery && field === 'folder' && isOfDetail(value, detail)) return [field, 'of the detail'];
        return [field, mapTexts(value, hideIn)];
      }),
    );
    return withoutHints(event, detail, hidden);
  };
}

/** A detail may be of two letters, and no text is cleared of those; a folder may be called after it. */
function isOfDetail(folder: unknown, { recipient }: { readonly recipient?: unknown }): boolean {
  if (typeof folder !== 'string' || typeof recipient !== 'string') return false;
  const wordsIn = (text: string) => text.toLowerCase().split(ODD).filter(Boolean);
  const own = new Set(wordsIn(partsOf(readable(recipient)).local));
  return wordsIn(folder).some((word) => own.has(word));
}

/** A sender is logged as latin1, whatever it is. */
function readable(text: string): string {
  const bytes = Buffer.from(text, 'latin1');
  const isUtf8 = bytes.toString('latin1') === text && Buffer.from(bytes.toString()).equals(bytes);
  return isUtf8 ? bytes.toString() : text;
}

/**
 * Some lines have the name of a user with no "@" near it, as a service or the system calls them: of these
 * only what they are about is left.
 */
function withoutHints(
  event: EventName,
  detail: object,
  hidden: Record<string, unknown>,
): Record<string, unknown> {
  if (event === 'recipients.map_listen')
    return { ...hidden, error: 'not shown, since it may name somebody: sealdir lookup says it' };
  if (event !== 'check' || JSON.stringify(detail) === JSON.stringify(hidden)) return hidden;
  const about = new Set(JSON.stringify(hidden).match(/addr:[0-9a-f]+/g));
  return { what: `something about ${[...about].join(', ')}`, fix: 'sealdir check' };
}

function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((each) => mapTexts(each, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, mapTexts(each, change)]));
}

interface Words {
  /** Whole addresses, and local parts of which a word is only a piece, in lower case, with their address. */
  readonly wholes: ReadonlyMap<string, string>;
  /** Words that give away an address, likewise. */
  readonly parts: ReadonlyMap<string, string>;
}

/** Returns what gives away an address of the line. */
function wordsOf(detail: object): Words {
  const wholes = new Map<string, string>();
  const parts = new Map<string, string>();
  for (const [field, value] of Object.entries(detail)) {
    if (!ADDRESSES.includes(field) || typeof value !== 'string' || value === '') continue;
    const put = (map: Map<string, string>, word: string) => map.set(word.toLowerCase(), readable(value));
    for (const written of new Set([value, readable(value)])) {
      const { local, domain } = partsOf(written);
      const ascii = asciiDomain(domain) ?? '';
      const bare = local.replace(/^"|"$/g, '').replace(/\\(.)/g, '$1');
      put(wholes, written);
      for (const word of [local, bare]) if (word.length > 1) put(ODD.test(word) ? wholes : parts, word);
      for (const word of [domain, ascii, domainToUnicode(ascii)]) if (word !== '') put(parts, word);
      for (const piece of bare.split(ODD)) if (piece.length >= LEAST_PIECE) put(parts, piece);
    }
  }
  return { wholes, parts };
}

/** What makes no use of the line is compiled once: these classes of characters take a millisecond. */
const ANYBODYS = new RegExp(`(?<path>${PATH})|(?<url>${URL})|(?<address>${ADDRESS})`, 'giu');
const ODD = /[^\p{L}\p{N}]+/u;
const ENDS_IN_LETTER = /[\p{L}\p{N}]$/u;
const BEGINS_WITH_LETTER = /^[\p{L}\p{N}]/u;

/** First the addresses of the line, then what looks like anybody's, then the words of the first. */
function textHider(hiding: Hiding, { wholes, parts }: Words, of: Pseudonym) {
  const anyWhole = anyOf([...wholes.keys()]);
  const anyPart = anyOf([...parts.keys()]);
  const hideWhole = (found: string) => of(wholes.get(found.toLowerCase()) ?? found);
  const hidePart = (found: string, at: number, text: string) => {
    const isInside =
      ENDS_IN_LETTER.test(text.slice(0, at)) || BEGINS_WITH_LETTER.test(text.slice(at + found.length));
    return isInside ? found : of(parts.get(found.toLowerCase()) ?? found);
  };
  const hideAnybodys = (found: string, ...rest: unknown[]) => {
    const { path, url, address } = rest.at(-1) as Readonly<Record<string, string | undefined>>;
    if (url !== undefined) return of(url);
    if (path === undefined) return withMarks(address ?? found, of);
    const { scheme = '', bare = path, after = '' } = PLACE.exec(path)?.groups ?? {};
    return `${scheme}${hiddenPath(bare, hiding, of)}${after}`;
  };
  const hideParts = (text: string) => text.replace(anyPart, hidePart);
  const hideRest = (text: string) => replaceApart(text, ANYBODYS, hideAnybodys, hideParts);
  return (text: string) => replaceApart(text, anyWhole, hideWhole, hideRest);
}

/** Replaces what matches by one function, and all that is between by another. */
function replaceApart(
  text: string,
  pattern: RegExp,
  matching: (found: string, ...rest: unknown[]) => string,
  between: (rest: string) => string,
): string {
  let changed = '';
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    changed += between(text.slice(end, match.index)) + matching(match[0], match.groups);
    end = match.index + match[0].length;
  }
  return changed + between(text.slice(end));
}

/** The longest first. No text has a part of none. */
function anyOf(texts: readonly string[]): RegExp {
  if (texts.length === 0) return /(?!)/g;
  const longest = [...texts].sort((one, other) => other.length - one.length);
  return new RegExp(longest.map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|'), 'giu');
}

/** Leaves the marks around an address, and the extension of a key file. */
function withMarks(found: string, of: Pseudonym): string {
  const { before = '', address = found, after = '' } = MARKS.exec(found)?.groups ?? {};
  return `${before}${hiddenName(address, of)}${after}`;
}
