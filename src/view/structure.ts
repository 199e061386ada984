/**
 * BODY and BODYSTRUCTURE (RFC 3501 §7.4.2) from the tree of parts.
 */

import { contentOf, type PartContent } from './content.ts';
import { envelopeOf } from './envelope.ts';
import { type Field, fieldsIn, type Range } from './fields.ts';
import type { Kind } from './kind.ts';
import type { Lines } from './lines.ts';
import type { Parameter } from './parameters.ts';
import type { Part } from './parts.ts';
import { nstring, string } from './quote.ts';

/** What Dovecot shows in place of the parts of a multipart that has none. */
const NO_PART = '"text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0';

/** Kinds of parts that are shown in one way, however their Content-Type spells it. */
const FIXED: Partial<Record<Kind, string>> = {
  message: '"message" "rfc822"',
  overflow: '"application" "octet-stream"',
};
const US_ASCII: Parameter = ['charset', 'us-ascii'];

/** `BODYSTRUCTURE` has the extension data, `BODY` has not. Returns IMAP, a byte in each character. */
export type Form = 'BODY' | 'BODYSTRUCTURE';

/** What is found once for both forms, and for ENVELOPE. */
export interface Parsed {
  readonly lines: Lines;
  /** Of the header of the message. */
  fields(): Iterable<Field>;
  /** Returns what is looked at of the header of a part. */
  header(part: Part): Range;
  readonly contents: Map<Part, PartContent>;
}

export function structureOf(bytes: Buffer, root: Part, parsed: Parsed, form: Form): string {
  const content = contentIn(bytes, root, parsed, 'message', parsed.fields);
  // of a message that is as plain as can be Dovecot only remembers that, and forgets the spelling
  return structure(
    bytes,
    { part: root, content: isPlain(content) ? { languages: [] } : content },
    parsed,
    form,
  );
}

function contentIn(
  bytes: Buffer,
  part: Part,
  { contents, header }: Parsed,
  of: 'message' | 'part',
  fields: () => Iterable<Field> = () => fieldsIn(bytes, header(part)),
): PartContent {
  const content = contents.get(part) ?? contentOf(bytes, fields(), of);
  contents.set(part, content);
  return content;
}

function isPlain({ type, disposition, encoding = '7bit', languages, ...others }: PartContent): boolean {
  if (disposition !== undefined || languages.length > 0 || encoding.toLowerCase() !== '7bit') return false;
  if (Object.keys(others).length > 0) return false;
  if (type === undefined) return true;
  const spelled = [type.type, type.subtype, ...type.parameters.flat()].join(' ').toLowerCase();
  return spelled === 'text plain' || spelled === 'text plain charset us-ascii';
}

interface Described {
  readonly part: Part;
  readonly content: PartContent;
}

function structure(bytes: Buffer, { part, content }: Described, parsed: Parsed, form: Form): string {
  const { lines } = parsed;
  const isMultipart = part.kind === 'multipart' || part.kind === 'digest';
  return `(${isMultipart ? multipartOf() : singleOf()})`;

  function inner(child: Part): string {
    const content = contentIn(bytes, child, parsed, part.kind === 'message' ? 'message' : 'part');
    return structure(bytes, { part: child, content }, parsed, form);
  }

  function multipartOf(): string {
    const none = `(${NO_PART}${form === 'BODY' ? '' : ' NIL NIL NIL NIL'})`;
    const children = part.children.map(inner).join('') || none;
    const subtype = string(content.type?.subtype ?? '');
    if (form === 'BODY') return `${children} ${subtype}`;
    return `${children} ${subtype} ${parametersOf(content.type?.parameters ?? [])} ${extension(content)}`;
  }

  function singleOf(): string {
    const { id, description, encoding, md5 } = content;
    const type = typeOf(part, content);
    const size = part.body.end - part.body.start;
    const words = [type.words, nstring(id), nstring(description), string(encoding ?? '7bit'), `${size}`];
    const [child] = part.children;
    if (type.isText) words.push(`${lines.within(part.body)}`);
    else if (part.kind === 'message' && child !== undefined) {
      words.push(envelopeOf(bytes, fieldsIn(bytes, parsed.header(child))));
      words.push(inner(child), `${lines.within(part.body)}`);
    }
    if (form === 'BODYSTRUCTURE') words.push(nstring(md5), extension(content));
    return words.join(' ');
  }
}

function typeOf({ kind }: Part, { type }: PartContent): { words: string; isText: boolean } {
  const parameters = type?.parameters ?? [];
  const { type: main, subtype } = type ?? { type: 'text', subtype: 'plain' };
  const shown = main.toLowerCase() === 'multipart' ? FIXED.overflow : FIXED[kind];
  if (shown !== undefined) return { words: `${shown} ${parametersOf(parameters)}`, isText: false };
  const isText = main.toLowerCase() === 'text';
  const hasCharset = parameters.some(([name]) => name.toLowerCase() === 'charset');
  const all: readonly Parameter[] = isText && !hasCharset ? [...parameters, US_ASCII] : parameters;
  return { words: `${string(main)} ${string(subtype)} ${parametersOf(all)}`, isText };
}

function parametersOf(parameters: readonly Parameter[]): string {
  if (parameters.length === 0) return 'NIL';
  return `(${parameters.map(([name, value]) => `${string(name)} ${string(value)}`).join(' ')})`;
}

function extension({ disposition, languages, location }: PartContent): string {
  const shown = disposition && `(${string(disposition.name)} ${parametersOf(disposition.parameters)})`;
  const listed = languages.length === 0 ? 'NIL' : `(${languages.map(string).join(' ')})`;
  return `${shown ?? 'NIL'} ${listed} ${nstring(location)}`;
}
