/**
 * Reads the meaning of Content-Type in a header block, the one use of mailparser. The package is never given
 * a body, and never decides what is sealed: there only raw bytes count (mime/header.ts).
 */

import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';

// CommonJS without types; the part that we use (mailparser 3.14.2)
interface Parser extends EventEmitter {
  end(bytes: Buffer): void;
}
const { MailParser } = createRequire(import.meta.url)('mailparser') as { MailParser: new () => Parser };

export interface ContentType {
  /** In lower case; `text/plain` if the message has none. */
  readonly value: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Returns what Content-Type says. `headerBlock`: with or without the blank line that ends it. */
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
