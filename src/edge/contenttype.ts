/** What the Content-Type of a message says. */
import { parsedHeader } from './headerparser.ts';

export interface ContentType {
  /** In lower case, `text/plain` where the message says nothing. */
  readonly value: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** What Content-Type says. `headerBlock`: the header block of a message, its blank line included or not. */
export async function contentTypeOf(headerBlock: Buffer): Promise<ContentType> {
  const { headers } = await parsedHeader(headerBlock);
  const field = headers.get('content-type') as
    | { value?: string; params?: Record<string, string> }
    | undefined;
  return { value: (field?.value ?? 'text/plain').toLowerCase(), parameters: field?.params ?? {} };
}
