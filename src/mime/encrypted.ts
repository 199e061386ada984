/**
 * Finds the one armor in a message that claims to be encrypted, as PGP/MIME (RFC 3156 §4) or as a text that
 * is armor and nothing else. Looks at the lines around it, and refuses all that say something: preamble,
 * epilogue, a third part, a field or parameter that nobody needs. What is in the armor is judged elsewhere.
 */
import { fieldsOf, type HeaderBlock, type RawField } from './header.ts';
import { isUsualMimeVersion, isUsualPreamble, isUsualText } from './usual.ts';

export type EncryptedForm =
  | { readonly kind: 'pgpMime'; readonly boundary: string }
  | { readonly kind: 'inline' };

const INLINE: EncryptedForm = { kind: 'inline' };
/** A mail program writes each of these once. */
const OF_MIME = /^(content-|mime-version$)/;

/** Returns which form a message claims by its header, or undefined if it is one of neither. */
export function encryptedFormOf(block: HeaderBlock): EncryptedForm | undefined {
  if (!block.isCertain) return undefined;
  const fields = mimeFieldsOf(fieldsOf(block));
  if (fields === undefined) return undefined;
  const type = fields.get('content-type');
  if (type === undefined) return areUsual(fields) ? INLINE : undefined;
  const { value, parameters } = parsed(type) ?? { value: '', parameters: new Map<string, string>() };
  if (value === 'text/plain') return isUsualTextType(parameters) && areUsual(fields) ? INLINE : undefined;
  if (value !== 'multipart/encrypted' || !fields.has('mime-version') || !areUsual(fields)) return undefined;
  const { boundary, protocol, charset, ...rest } = Object.fromEntries(parameters);
  if (boundary === undefined || !isBoundary(boundary) || Object.keys(rest).length > 0) return undefined;
  if (protocol?.toLowerCase() !== 'application/pgp-encrypted' || !isCharset(charset)) return undefined;
  return { kind: 'pgpMime', boundary };
}

/** Tells whether it is a boundary (RFC 2046 §5.1.1), and none that a reader could see in an armor. */
function isBoundary(text: string): boolean {
  const isOne = /^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/.test(text);
  return isOne && !BEGIN.startsWith(`--${text}`) && !END.startsWith(`--${text}`);
}

/** Returns the fields that say what the body is, or undefined if one of them comes twice. */
function mimeFieldsOf(fields: Iterable<RawField>): Map<string, string> | undefined {
  const found = new Map<string, string>();
  for (const { name, bytes } of fields) {
    if (!OF_MIME.test(name)) continue;
    if (found.has(name)) return undefined;
    const text = bytes.toString('latin1', name.length + 1);
    found.set(
      name,
      text
        .replace(/\r?\n/g, '')
        .replace(/[ \t]+/g, ' ')
        .trim(),
    );
  }
  return found;
}

/** Tells whether fields other than Content-Type say nothing but what has to be said. */
function areUsual(fields: ReadonlyMap<string, string>): boolean {
  return [...fields].every(([name, value]) => USUAL[name]?.(value) ?? false);
}

const USUAL: Readonly<Record<string, (value: string) => boolean>> = {
  'content-type': () => true, // judged by itself
  'mime-version': isUsualMimeVersion,
  'content-transfer-encoding': (value) => /^(7bit|8bit)$/i.test(value),
  'content-description': isUsualText,
  'content-language': (value) => /^[a-z]{2}(-[a-z]{2})?$/i.test(value),
  'content-disposition': (value) => {
    const { value: disposition, parameters } = parsed(value) ?? { value: '', parameters: [] };
    return /^(inline|attachment)$/.test(disposition) && areNames(parameters, 'filename');
  },
};

function areNames(parameters: Iterable<readonly [string, string]>, name: string): boolean {
  return [...parameters].every(([key, value]) => key === name && isUsualText(value));
}

function isUsualTextType(parameters: ReadonlyMap<string, string>): boolean {
  const { charset, format = 'flowed', delsp = 'no', ...rest } = Object.fromEntries(parameters);
  const { 'x-action': action = 'pgp-encrypted', ...others } = rest;
  if (!isCharset(charset) || !/^(flowed|fixed)$/i.test(format) || !/^(yes|no)$/i.test(delsp)) return false;
  return action === 'pgp-encrypted' && Object.keys(others).length === 0;
}

function isCharset(name = 'utf-8'): boolean {
  return /^(utf-?8|us-ascii|(iso-8859|windows)-\d{1,4})$/i.test(name);
}

const TYPE = /^([\w!#$&^.+-]+(?:\/[\w!#$&^.+-]+)?) ?((?:; ?[\w-]+ ?= ?(?:"[^"\\]*"|[^ ;"()]+) ?)*);?$/;
const PARAMETER = /; ?([\w-]+) ?= ?(?:"([^"\\]*)"|([^ ;"()]+))/g;

interface Parsed {
  readonly value: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** Reads a structured field (RFC 2045 §5.1). One with comments, or with a parameter twice, is refused. */
function parsed(text: string): Parsed | undefined {
  if (text.length > MOST_FIELD_CHARS) return undefined;
  const [, value, list = ''] = TYPE.exec(text) ?? [];
  if (value === undefined) return undefined;
  const parameters = new Map<string, string>();
  for (const [, name = '', quoted, token] of list.matchAll(PARAMETER)) {
    if (parameters.has(name.toLowerCase())) return undefined;
    parameters.set(name.toLowerCase(), quoted ?? token ?? '');
  }
  return { value: value.toLowerCase(), parameters };
}

const MOST_FIELD_CHARS = 500;
const BEGIN = '-----BEGIN PGP MESSAGE-----';
const END = '-----END PGP MESSAGE-----';
/** The fields of a part. */
const MOST_PART_LINES = 20;

/** What a line of the body is. */
export type LineKind = 'around' | 'armor' | 'wrong';

type Place = 'preamble' | 'version' | 'versionBody' | 'data' | 'dataBody' | 'armor' | 'after' | 'epilogue';

/** Takes the lines of a body in their order. */
export class EncryptedBody {
  readonly #boundary: string | undefined;
  #place: Place;
  #fieldLines: string[] = [];
  #isVersionGiven = false;
  #isPreambleGiven = false;

  constructor(form: EncryptedForm) {
    this.#boundary = form.kind === 'pgpMime' ? `--${form.boundary}` : undefined;
    this.#place = form.kind === 'pgpMime' ? 'preamble' : 'dataBody';
  }

  /** Whether nothing is missing: the armor, or the last boundary, was the last line but for blank ones. */
  get isWhole(): boolean {
    return this.#place === (this.#boundary === undefined ? 'after' : 'epilogue');
  }

  /** Takes a line, without its end. */
  take(line: string): LineKind {
    if (this.#place === 'armor') {
      if (line === END) this.#place = 'after';
      return 'armor';
    }
    if (this.#place === 'version' || this.#place === 'data') return this.#takeField(line);
    if (/^[ \t]*$/.test(line)) return 'around';
    switch (this.#place) {
      case 'preamble':
        if (line === this.#boundary) return this.#go('version');
        if (this.#isPreambleGiven || !isUsualPreamble(line)) return 'wrong';
        this.#isPreambleGiven = true;
        return 'around';
      case 'versionBody':
        if (line === this.#boundary && this.#isVersionGiven) return this.#go('data');
        if (this.#isVersionGiven || line !== 'Version: 1') return 'wrong';
        this.#isVersionGiven = true;
        return 'around';
      case 'dataBody':
        if (line !== BEGIN) return 'wrong';
        this.#place = 'armor';
        return 'armor';
      case 'after':
        return this.#boundary !== undefined && line === `${this.#boundary}--`
          ? this.#go('epilogue')
          : 'wrong';
      case 'epilogue':
        return 'wrong';
      default:
        return this.#place satisfies never;
    }
  }

  #go(place: Place): 'around' {
    this.#place = place;
    return 'around';
  }

  #takeField(line: string): LineKind {
    if (line !== '') return this.#fieldLines.push(line) > MOST_PART_LINES ? 'wrong' : 'around';
    const type = this.#place === 'version' ? 'application/pgp-encrypted' : 'application/octet-stream';
    const isUsual = isUsualPart(this.#fieldLines, type);
    this.#fieldLines = [];
    this.#place = this.#place === 'version' ? 'versionBody' : 'dataBody';
    return isUsual ? 'around' : 'wrong';
  }
}

/** Tells whether the fields of a part say that it is of this type, and nothing of their own. */
function isUsualPart(lines: readonly string[], type: string): boolean {
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1');
  const fields = [...fieldsOf({ bytes, isCertain: true })];
  if (!fields.every(({ name }) => OF_MIME.test(name))) return false;
  const found = mimeFieldsOf(fields);
  if (found === undefined || !areUsual(found)) return false;
  const { value, parameters } = parsed(found.get('content-type') ?? '') ?? {
    value: '',
    parameters: new Map(),
  };
  const names = new Map(parameters);
  if (isCharset(names.get('charset'))) names.delete('charset');
  return value === type && areNames(names, 'name');
}
