/**
 * Mail addresses: the Path of MAIL and RCPT (RFC 5321 §4.1.2), what counts as the same
 * address, and path segments no address can escape from. Knows nothing of keys or disks.
 */
import { domainToASCII } from 'node:url';

/** An accepted forward-path. `domain` is '' for a bare local part (`<postmaster>`, `<user>`). */
export interface Address {
  /** Local part with any quoting undone, as sent. */
  readonly local: string;
  /** Domain as sent, without a trailing dot. */
  readonly domain: string;
}

/** MAIL or RCPT arguments: the path between the brackets and the parameters behind it. */
export interface PathArguments {
  readonly path: string;
  /** Keyword in upper case -> value, `''` when it had none. */
  readonly parameters: ReadonlyMap<string, string>;
}

// RFC 5321 §4.5.3.1.3: a path is at most 256 octets, its brackets included
const MAX_PATH_BYTES = 254;

/**
 * Splits what follows `MAIL FROM:` or `RCPT TO:`. A blank after the colon is tolerated,
 * as real clients send it; missing brackets are not. Returns undefined on bad syntax
 * or a parameter given twice. `encoding`: how the octets of the line became `text`.
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
 * Parses a forward-path. A source route is accepted and ignored (RFC 5321 §3.3); a quoted
 * local part is unquoted; dots at odd places are tolerated, since mailboxes with them exist.
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

/** A-label form in lower case, so that `MÜNCHEN.example` and `xn--mnchen-3ya.example` are one; undefined if it is no domain. */
export function asciiDomain(domain: string): string | undefined {
  // RFC 5321 §4.1.3: an address literal
  if (domain.startsWith('[')) return /^\[[A-Za-z0-9:.]+\]$/.test(domain) ? domain.toLowerCase() : undefined;
  if (!/^[\p{L}\p{M}\p{N}._-]+$/u.test(domain)) return undefined;
  // an underscore is no host name but is used in mail domains; domainToASCII passes it
  const ascii = domainToASCII(domain);
  if (ascii === '' || ascii.length > 255 || !/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(ascii)) return undefined;
  // the URL parser reads a last label of digits as an IPv4 address: not what was asked for
  if (/^[0-9.]+$/.test(ascii) && ascii !== domain) return undefined;
  return ascii.split('.').every((label) => label.length <= 63) ? ascii : undefined;
}

export interface SameAddress {
  /** `ignore`: local parts that differ by case only are the same mailbox. */
  readonly localCase: 'ignore' | 'exact';
  /** Stands in for the missing domain of a bare local part. */
  readonly defaultDomain: string;
}

/** The one spelling that all spellings of an address share: NFC local part, A-label domain (RFC 6532 §3.1). */
export function canonicalAddress(address: Address, same: SameAddress): string | undefined {
  const domain = asciiDomain(address.domain === '' ? same.defaultDomain : address.domain);
  if (domain === undefined) return undefined;
  const local = address.local.normalize('NFC');
  // lower case may need composing once more (U+0130 becomes i and a combining dot)
  return `${same.localCase === 'ignore' ? local.toLowerCase().normalize('NFC') : local}@${domain}`;
}

/** The address without its detail (`user+list` -> `user`), or undefined when it has none. */
export function withoutDetail(address: Address, delimiter: string): Address | undefined {
  const at = delimiter === '' ? -1 : address.local.indexOf(delimiter);
  return at > 0 ? { local: address.local.slice(0, at), domain: address.domain } : undefined;
}

/**
 * A file name for any text, and only one text for each name: what could leave the directory
 * or hide in it ('/', NUL, a leading dot, '%' itself, blanks, controls) becomes %XX of its UTF-8.
 */
export function pathSegment(text: string): string {
  return text.replace(/^\.|[^\p{L}\p{M}\p{N}._+=@~-]/gu, (character) =>
    [...Buffer.from(character)]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );
}

/** What `pathSegment` made a name of; a name it did not make is taken as it is. */
export function textOfSegment(segment: string): string {
  try {
    const text = decodeURIComponent(segment);
    return pathSegment(text) === segment ? text : segment;
  } catch {
    return segment; // a stray '%': somebody else's name
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
