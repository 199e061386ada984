/**
 * mailparser, read for the texts that a rule may test. It is given some header fields within bounds, never a
 * body, and never decides about what is sealed.
 */
import { type MailHeaders, parsedHeader } from './headerparser.ts';

interface Field {
  /** In lower case. */
  readonly name: string;
  readonly bytes: Buffer;
}

/** mailparser makes one value of each of these families. */
const PRIORITY = new Set(['priority', 'x-priority', 'x-msmail-priority', 'importance']);
const MOST_DEPTH = 6;

/**
 * Returns the texts of fields by their names. Of a field with addresses these are each address and each name,
 * of one about a list its name, id and URLs, of References each id, and of all others the whole text.
 * Encoded words are decoded. Of a field that may stand only once in a message the first counts.
 */
export async function readFields(fields: readonly Field[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const seen = new Set<string>();
  const counting = fields.filter(({ name }) => {
    const isFirst = !seen.has(name);
    seen.add(name);
    return isFirst || !name.startsWith('list-'); // mailparser takes the last
  });
  const lines = counting.flatMap(({ bytes }) => (bytes.at(-1) === 0x0a ? bytes : [bytes, LINE_END]));
  const { headers, decode } = await parsedHeader(Buffer.concat(lines));
  return new Map(
    [...seen].map((name) => [name, textsIn(valueIn(headers, name)).map((text) => decode(text).trim())]),
  );
}

const LINE_END = Buffer.from('\r\n');

function valueIn(headers: MailHeaders, name: string): unknown {
  if (PRIORITY.has(name)) return headers.get('priority');
  if (!name.startsWith('list-')) return headers.get(name);
  const list = headers.get('list');
  return typeof list === 'object' && list !== null
    ? Object.entries(list).find(([key]) => key === name.slice('list-'.length))?.[1]
    : undefined;
}

/** Returns all texts in a value, whatever mailparser makes of a field; HTML is its own, for a page. */
function textsIn(value: unknown, depth = 0): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null || depth > MOST_DEPTH) return [];
  if (Array.isArray(value)) return value.flatMap((each) => textsIn(each, depth + 1));
  return Object.entries(value).flatMap(([key, each]) => (key === 'html' ? [] : textsIn(each, depth + 1)));
}
