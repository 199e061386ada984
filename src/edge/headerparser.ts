/**
 * mailparser, and the only file that loads it: reads the structured fields of a header block
 * where somebody needs their meaning. It is never given a body, and never used on what is
 * sealed: there only raw bytes count (mime/header.ts).
 */

import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';

// CommonJS without types; the part that we use (mailparser 3.14.2)
interface Parser extends EventEmitter {
  end(bytes: Buffer): void;
  readonly libmime: { decodeWords(text: string): string };
}
const { MailParser } = createRequire(import.meta.url)('mailparser') as { MailParser: new () => Parser };

export type MailHeaders = ReadonlyMap<string, unknown>;

export interface Parsed {
  readonly headers: MailHeaders;
  /** Decodes the encoded words of a text (RFC 2047), which mailparser does for some fields only. */
  decode(text: string): string;
}

/** Returns what mailparser makes of a header block. Rejects if it is too large for it. */
export function parsedHeader(headerBlock: Buffer): Promise<Parsed> {
  return new Promise((resolve, reject) => {
    const parser = new MailParser();
    parser.on('error', reject);
    parser.on('headers', (headers: MailHeaders) => {
      resolve({ headers, decode: (text) => (text.includes('=?') ? decoded(parser, text) : text) });
    });
    parser.end(Buffer.concat([headerBlock, Buffer.from('\r\n\r\n')]));
  });
}

function decoded({ libmime }: Parser, text: string): string {
  try {
    return libmime.decodeWords(text);
  } catch {
    return text; // as it stands, like mailparser
  }
}
