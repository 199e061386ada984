/**
 * mailparser, and the only file that knows it: reads the structured fields of a header block
 * where somebody needs their meaning. It is never given a body, and never used on what is
 * sealed: there only raw bytes count (mime/header.ts).
 */

import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';

// CommonJS without types; the part that we use (mailparser 3.14.2)
interface Parser extends EventEmitter {
  end(bytes: Buffer): void;
}
const { MailParser } = createRequire(import.meta.url)('mailparser') as { MailParser: new () => Parser };

export interface ContentType {
  /** In lower case, `text/plain` where the message says nothing. */
  readonly value: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** What Content-Type says. `headerBlock`: the header block of a message, its blank line included or not. */
export function contentTypeOf(headerBlock: Buffer): Promise<ContentType> {
  return new Promise((resolve, reject) => {
    const parser = new MailParser();
    parser.on('error', reject);
    parser.on('headers', (headers: Map<string, unknown>) => {
      const field = headers.get('content-type') as
        | { value?: string; params?: Record<string, string> }
        | undefined;
      resolve({ value: (field?.value ?? 'text/plain').toLowerCase(), parameters: field?.params ?? {} });
    });
    parser.end(Buffer.concat([headerBlock, Buffer.from('\r\n\r\n')]));
  });
}
