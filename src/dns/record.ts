/** A record in the form of a zone file (RFC 1035 §5). */

export type RecordType = 'A' | 'AAAA' | 'CNAME' | 'MX' | 'PTR' | 'TLSA' | 'TXT';

export interface DnsRecord {
  /** Without the final dot. */
  readonly name: string;
  readonly type: RecordType;
  /** As it stands in a zone file. */
  readonly data: string;
}

const TTL_SECONDS = 3600;
/** RFC 1035 §3.3: what one string of a TXT record holds. Readers put them together again. */
const STRING_BYTES = 255;

/** Returns a line that needs no $ORIGIN and no $TTL. */
export function lineOf({ name, type, data }: DnsRecord): string {
  return `${name}. ${TTL_SECONDS} IN ${type} ${data}`;
}

export function txt(name: string, text: string): DnsRecord {
  const bytes = Buffer.from(text, 'utf8');
  const strings: string[] = [];
  for (let at = 0; at < bytes.length; at += STRING_BYTES)
    strings.push(quoted(bytes.subarray(at, at + STRING_BYTES)));
  return { name, type: 'TXT', data: strings.join(' ') };
}

/** Quotes one string. What is no printable ASCII is written as \DDD, which also keeps it in its line. */
function quoted(bytes: Buffer): string {
  const escaped = bytes.toString('latin1').replace(/["\\]|[^\x20-\x7e]/g, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`;
    return `\\${String(character.charCodeAt(0)).padStart(3, '0')}`;
  });
  return `"${escaped}"`;
}
