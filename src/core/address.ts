/**
 * Mail addresses: parses the path of MAIL and RCPT (RFC 5321 §4.1.2), decides which spellings are the same
 * address, and makes file names from which no address can escape. Knows nothing of keys or disks.
 */
import { domainToASCII, domainToUnicode } from 'node:url';

/** A forward-path in parts. `domain` is '' for a bare local part (`<postmaster>`, `<user>`). */
export interface Address {
  /** Local part as sent, without its quoting. */
  readonly local: string;
  /** Domain as sent, without a trailing dot. */
  readonly domain: string;
}

/** The arguments of MAIL or RCPT: the path between the brackets, and the parameters after it. */
export interface PathArguments {
  readonly path: string;
  /** Keyword in upper case -> value, which is `''` where there was none. */
  readonly parameters: ReadonlyMap<string, string>;
}

// RFC 5321 §4.5.3.1.3: a path has at most 256 octets, including its brackets
const MAX_PATH_BYTES = 254;

/**
 * Splits what follows `MAIL FROM:` or `RCPT TO:`. Tolerates a blank after the colon, since real clients send
 * it, but no missing brackets. Returns undefined on bad syntax, or if a parameter is given twice. `encoding`
 * says how the octets of the line were turned into `text`.
 */
export function parsePathArguments(
  text: string,
  encoding: 'utf8' | 'latin1' = 'utf8',
): PathArguments | undefined {
  const bracketed = /^ *<((?:"(?:\\.|[^"\\])*"|[^<>"])*)>(?= |$) *(.*)$/s.exec(text);
  if (!bracketed) return undefined;
  const [, path = '', rest = ''] = bracketed;
  if (Buffer.byteLength(path, encoding) > MAX_PATH_BYTES || hasControl(text)) return undefined;
  const parameters = new Map<string, string>();
  for (const word of rest.split(' ')) {
    if (word === '') continue;
    const [, keyword, value = ''] = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^=]+))?$/.exec(word) ?? [];
    if (keyword === undefined || parameters.has(keyword.toUpperCase())) return undefined;
    parameters.set(keyword.toUpperCase(), value);
  }
  return { path, parameters };
}

/**
 * Parses a forward-path. Accepts and ignores a source route (RFC 5321 §3.3), removes the quoting of a local
 * part, and tolerates dots at odd places, since mailboxes with them exist.
 */
export function parseAddress(path: string): Address | undefined {
  const mailbox = path.replace(/^@[^\s,:@"]+(?:,@[^\s,:@"]+)*:/, '');
  const quoted = /^"((?:\\.|[^"\\])*)"(?:@(.*))?$/s.exec(mailbox);
  if (quoted) return checked((quoted[1] ?? '').replace(/\\(.)/gs, '$1'), quoted[2]);
  const plain = /^([^\s"\\@()<>,;:[\]]+)(?:@(.*))?$/s.exec(mailbox);
  return plain ? checked(plain[1] ?? '', plain[2]) : undefined;
}

function checked(local: string, domain: string | undefined): Address | undefined {
  if (local === '' || hasControl(local)) return undefined;
  if (domain === undefined) return { local, domain: '' };
  const bare = domain.replace(/\.$/, '');
  return asciiDomain(bare) === undefined ? undefined : { local, domain: bare };
}

/**
 * Returns the A-label form in lower case, the same for `MÜNCHEN.example` and `xn--mnchen-3ya.example`;
 * undefined if `domain` is no domain.
 */
export function asciiDomain(domain: string): string | undefined {
  // RFC 5321 §4.1.3: an address literal
  if (domain.startsWith('[')) return /^\[[A-Za-z0-9:.]+\]$/.test(domain) ? domain.toLowerCase() : undefined;
  if (!/^[\p{L}\p{M}\p{N}._-]+$/u.test(domain)) return undefined;
  // an underscore is not allowed in a host name, but mail domains have it; domainToASCII lets it pass
  const ascii = domainToASCII(domain);
  if (ascii === '' || ascii.length > 255 || !/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(ascii)) return undefined;
  // the URL parser takes a last label of digits for an IPv4 address and rewrites it
  if (/^[0-9.]+$/.test(ascii) && ascii !== domain) return undefined;
  return ascii.split('.').every(isLabel) ? ascii : undefined;
}

/**
 * Tells whether an ASCII label is short enough and, if it starts with xn--, whether it decodes to a label
 * that encodes back to it (RFC 5890 §2.3.2.1).
 */
function isLabel(label: string): boolean {
  if (label.length > 63) return false;
  if (!label.startsWith('xn--')) return true;
  // asked here, since domainToASCII of Node 24 lets any ASCII pass, and that of Node 20 also xn--a-, which
  // is "a"
  const unicode = domainToUnicode(label);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is all of ASCII
  return !/^[\x00-\x7f]*$/.test(unicode) && domainToASCII(unicode) === label;
}

export interface SameAddress {
  /** `ignore`: local parts that differ only in case name the same mailbox. */
  readonly localCase: 'ignore' | 'exact';
  /** The domain of a bare local part. */
  readonly defaultDomain: string;
}

/**
 * Returns the one spelling that stands for all spellings of an address: NFC local part, A-label domain (RFC
 * 6532 §3.1).
 */
export function canonicalAddress(address: Address, same: SameAddress): string | undefined {
  const domain = asciiDomain(address.domain === '' ? same.defaultDomain : address.domain);
  if (domain === undefined) return undefined;
  const local = address.local.normalize('NFC');
  // text in lower case may have to be composed again: U+0130 becomes i and a combining dot
  return `${same.localCase === 'ignore' ? local.toLowerCase().normalize('NFC') : local}@${domain}`;
}

export interface Detailed {
  readonly address: Address;
  readonly detail: string;
}

/**
 * Splits an address at the first of the delimiters in its local part (`user+list` -> `user`, `list`), as
 * Postfix does. Undefined if it has no detail; a local part is never all detail.
 */
export function splitDetail({ local, domain }: Address, delimiters: string): Detailed | undefined {
  for (let at = 1; at < local.length; at++) {
    if (!delimiters.includes(local.charAt(at))) continue;
    return { address: { local: local.slice(0, at), domain }, detail: local.slice(at + 1) };
  }
  return undefined;
}

/** Returns `@example.com`, which stands for all addresses of a domain, for its canonical form. */
export function catchAllOf(domain: string, same: SameAddress): string | undefined {
  const ascii = asciiDomain(domain === '' ? same.defaultDomain : domain);
  return ascii && `@${ascii}`;
}

// Fixed ranges, not Unicode's properties: those change with the version of Node, and a name on disk must not.
const INVISIBLE =
  '\\0-\\x20\\x7f-\\xa0\\xad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u3000\\ufeff\\ufff9-\\ufffb';
const UNSAFE = new RegExp(`^\\.|[/%${INVISIBLE}]`, 'gu');
// as names were made up to version 0.1
const FORMERLY_UNSAFE = /^\.|[^\p{L}\p{M}\p{N}._+=@~-]/gu;

/**
 * Returns a file name for any text; no two texts have the same name. Only what must be is written as %XX
 * of its UTF-8: '/', '%', a leading dot, and what cannot be seen (controls, blanks, marks of direction).
 * All else stays as it is, so that `%n` and `%d` of other programs find the same directory.
 */
export function pathSegment(text: string): string {
  return text.replace(UNSAFE, percentEncoded);
}

/** Returns the name that `pathSegment` once gave the text; nearly always the same. */
export function formerPathSegment(text: string): string {
  return text.replace(FORMERLY_UNSAFE, percentEncoded);
}

function percentEncoded(character: string): string {
  return [...Buffer.from(character)]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('');
}

/** Returns the text from which a name was made, now or formerly. Any other name is its own text. */
export function textOfSegment(segment: string): string {
  try {
    const text = decodeURIComponent(segment);
    return pathSegment(text) === segment || formerPathSegment(text) === segment ? text : segment;
  } catch {
    return segment; // it has a stray '%', so it was named by somebody else
  }
}

/** Splits a canonical address at its last '@'. */
export function partsOf(canonical: string): { local: string; domain: string } {
  const at = canonical.lastIndexOf('@');
  return { local: canonical.slice(0, at), domain: canonical.slice(at + 1) };
}

function hasControl(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  return /[\x00-\x1f\x7f]/.test(text);
}
