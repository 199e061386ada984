/**
 * How a message came to us, from the Received field that our own mail server wrote: the topmost one. If that
 * says that the message came from another machine of ours, by its IP address, then the next one is by that
 * machine, and is read instead (D50 in README.md). Any other may be the sender's, and is never looked at.
 */
import { cipherOf, versionOf } from '../core/cipher.ts';
import { type Hop, UNKNOWN_HOP } from '../core/hop.ts';
import { latin1 } from '../core/latin1.ts';
import { isLoopback } from '../core/listener.ts';
import { fieldsOf, type HeaderBlock } from './header.ts';
import { type Token, tokensOf } from './tokens.ts';

/** Tells whether an IP address is that of a machine which passes mail on to our mail server. */
export type IsOwn = (address: string) => boolean;

/** A filter may have put fields of its own above, and a site has so many machines. */
const MOST_FIELDS = 100;
const MOST_HOPS = 10;
const MOST_FIELD_BYTES = 4096;

const PROTOCOL = /^(?:UTF8)?E?(?:SMTP|LMTP)(S?)(A?)$/i;
/** Postfix and we, before `by`. */
const OF_POSTFIX = /^using (\S{1,20}) with cipher (\S{1,100}) \(/;
/** Exim, after the protocol: with the cipher in it, or `tls NAME` after it. */
const OF_EXIM = /^((?:TLS|SSL)[v\d._]{1,10})(?::([^\s:]{1,100})(?::\d+)?)?$/;
/** Sendmail, after the id. */
const OF_SENDMAIL = /^version=(\S{1,20}) cipher=(\S{1,100}) bits=/;
/** OpenSMTPD, after the id. */
const OF_OPENSMTPD = /^(TLSv[\d.]{1,5}):([^\s:]{1,100}):\d+:/;

/** Never throws. `isOwn`: left out, there is one machine, which runs the mail server and us. */
export function hopOf(header: HeaderBlock, isOwn: IsOwn = () => false): Hop {
  let fields = 0;
  let hops = 0;
  let ifLast: Hop = UNKNOWN_HOP;
  for (const { name, bytes } of fieldsOf(header)) {
    if (++fields > MOST_FIELDS) return UNKNOWN_HOP;
    if (name !== 'received') continue;
    if (++hops > MOST_HOPS || bytes.length > MOST_FIELD_BYTES) return UNKNOWN_HOP;
    const { address, hop } = readReceived(latin1(bytes));
    if (address === undefined || !isOwn(address)) return hop;
    ifLast = isLoopback(address) ? { how: 'local' } : UNKNOWN_HOP;
  }
  return ifLast;
}

interface Received {
  /** Whom that server had the message from, if it says so. */
  readonly address: string | undefined;
  readonly hop: Hop;
}

const UNREADABLE: Received = { address: undefined, hop: UNKNOWN_HOP };

/**
 * Reads `from NAME (...) by NAME (...) with PROTOCOL (...) id ID (...)`. The client chose its name, and more
 * of what stands in comments and after `for`. So each thing is looked for in its own place only.
 */
function readReceived(field: string): Received {
  const tokens = tokensOf(field.slice(field.indexOf(':') + 1));
  const isFrom = isWord(tokens[0], 'from');
  const by = isFrom ? 2 + commentsFrom(tokens, 2).length : 0;
  if (!isWord(tokens[by], 'by')) return UNREADABLE;
  if (!isFrom) return { address: undefined, hop: { how: 'local' } }; // a program handed it over
  const comments = commentsFrom(tokens, 2);
  const address = addressIn(tokens[1]?.text ?? '', comments[0] ?? '');
  const version = by + 2 + commentsFrom(tokens, by + 2).length;
  if (!isWord(tokens[version], 'with')) return { address, hop: UNKNOWN_HOP };
  const written = tokens[version + 1]?.text ?? '';
  if (/^local(?:-|$)/i.test(written)) return { address, hop: { how: 'local' } };
  const [protocol, secure = '', authenticated = ''] = PROTOCOL.exec(written) ?? [];
  if (protocol === undefined) return { address, hop: UNKNOWN_HOP };
  const tls = tlsAfter(tokens.slice(version + 2)) ?? OF_POSTFIX.exec(comments[1] ?? '')?.slice(1);
  const isTls = secure !== '' || tls !== undefined;
  // over no network, or from one of our own users
  const isLocal = authenticated !== '' || (!isTls && address !== undefined && isLoopback(address));
  return { address, hop: { how: isLocal ? 'local' : isTls ? 'tls' : 'clear', ...namedAlike(tls) } };
}

/** Returns version and cipher as written, of what stands after the protocol. */
function tlsAfter(tokens: readonly Token[]): string[] | undefined {
  const [first = '', ...others] = commentsFrom(tokens, 0);
  const [, version, cipher] = OF_EXIM.exec(first) ?? [];
  if (version !== undefined) {
    const standard = isWord(tokens[1], 'tls') ? tokens[2]?.text : undefined;
    return [version, standard ?? cipher ?? ''];
  }
  // whatever is in the sender's address, Exim writes it in a comment before the id
  if (first !== '' || others.length > 0 || !isWord(tokens[0], 'id')) return undefined;
  const [comment = ''] = commentsFrom(tokens, 2);
  return (OF_SENDMAIL.exec(comment) ?? OF_OPENSMTPD.exec(comment))?.slice(1);
}

function namedAlike(tls: readonly string[] | undefined): Pick<Hop, 'version' | 'cipher'> {
  if (tls === undefined) return {};
  const [version = '', cipher = ''] = tls;
  const known = versionOf(version);
  return { version: known, cipher: cipherOf(cipher, known)?.name ?? 'other' };
}

/**
 * Returns the IP address that a mail server saw: `NAME (HOST [ADDRESS])` in Postfix, Sendmail and OpenSMTPD;
 * `HOST ([ADDRESS] helo=NAME)` or `[ADDRESS] (helo=NAME)` in Exim. A client may call itself by any address.
 */
function addressIn(name: string, comment: string): string | undefined {
  const [, ofExim] = /^\[([^\]\s]*)\](?::\d+)?(?: |$)/.exec(comment) ?? [];
  const [, ofPostfix] = /^[^\s[\]]+ \[([^\]\s]*)\]/.exec(comment) ?? [];
  const [, nameless] =
    /^(?:helo|port|ident)=/.test(comment) || comment === '' ? (/^\[([^\]\s]*)\]/.exec(name) ?? []) : [];
  return (ofExim ?? ofPostfix ?? nameless)?.replace(/^IPv6:/i, '').toLowerCase();
}

function isWord(token: Token | undefined, word: string): boolean {
  return token?.kind === 'word' && token.text.toLowerCase() === word;
}

/** Returns the texts of the comments that begin at a place, without a word between them. */
function commentsFrom(tokens: readonly Token[], start: number): string[] {
  const end = tokens.findIndex(({ kind }, index) => index >= start && kind === 'word');
  return tokens.slice(start, end === -1 ? tokens.length : end).map(({ text }) => text);
}
