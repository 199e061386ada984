/**
 * The folder of a copy: the first rule that a message passes says it, and without one it is INBOX. The rules
 * see the header as it came, the envelope and the detail of the address. A rule that cannot be evaluated
 * fails no delivery: then the folder is INBOX, and the reason is in the log. Makes no folder and opens no
 * file.
 */
import { within } from '../core/deadline.ts';
import { BadFolder, type FolderEncoding, folderDirectory } from '../core/foldername.ts';
import { type BadRule, DETAIL, type FolderRule, foldedText, passes } from '../core/folderrule.ts';
import { headerFieldsOf, type RawField } from '../mime/header.ts';

/** Where a copy goes. */
export interface Placed {
  /** Its name, for the log. */
  readonly folder: string;
  /** The directory in the Maildir, '' for INBOX. */
  readonly directory: string;
  /** Why it is not the folder that a rule means. */
  readonly reasons: readonly string[];
}

/** The texts of each field in turn: what a rule may test, such as addresses and names. */
export type FieldReader = (fields: readonly RawField[]) => Promise<ReadonlyMap<string, readonly string[]>>;

export interface FolderParts {
  /** The rules of the site that are for an account, by its canonical address. */
  rulesFor(account: string): readonly FolderRule[];
  readonly encoding: FolderEncoding;
  readonly readFields: FieldReader;
}

/** Whose copy it is. */
export interface Owner {
  readonly address: string;
  readonly mailbox: string;
  readonly detail?: string | undefined;
  readonly inboxOnly?: true | undefined;
  /** Their own rules; they come before those of the site. */
  readonly rules?: readonly (FolderRule | BadRule)[] | undefined;
  readonly store: {
    /** Why there are no folders that a rule could name. */
    readonly noFolders?: string | undefined;
    hasFolder(mailbox: string, folder: string): Promise<boolean>;
  };
}

export interface FoldersParts extends Partial<FolderParts> {
  /** The start of the message, with its header. */
  readonly header: Buffer;
  /** The reverse-path as sent. */
  readonly sender: Buffer;
  /** The longest time for reading the fields, and for asking whether a folder is there. */
  readonly waitMs: number;
  /** All whose folders will be asked for. */
  readonly owners: readonly Owner[];
}

/** Of a field that stands in a header more than once as many count, from either end. */
const MOST_FIELDS = 10;
/** Of a field alone, and of each of several, so many bytes count. */
const MOST_BYTES = 4 * 1024;
const MOST_BYTES_OF_SEVERAL = 1024;

export const INBOX: Placed = { folder: 'INBOX', directory: '', reasons: [] };

/** The folders of one message. */
export class Folders {
  readonly #parts: FoldersParts;
  /** Folded, by the name of the field; once they are wanted. */
  #values: Promise<ReadonlyMap<string, readonly string[]>> | undefined;

  constructor(parts: FoldersParts) {
    this.#parts = parts;
  }

  /** Never throws. */
  async of(owner: Owner): Promise<Placed> {
    const all = this.#rulesOf(owner);
    if (all.length === 0) return INBOX;
    const none = owner.inboxOnly ? 'LAYOUT=fs has no folders of Maildir++' : owner.store.noFolders;
    if (none !== undefined) return { ...INBOX, reasons: [`rules: ${none}`] };
    const bad = all.filter((rule) => 'problem' in rule);
    const reasons = bad.map(({ text, problem }) => `rule ${JSON.stringify(text)} ${problem}`);
    try {
      const placed = await this.#firstOf(
        all.filter((rule) => 'folder' in rule),
        owner,
      );
      return reasons.length === 0 ? placed : { ...placed, reasons };
    } catch (error) {
      return { ...INBOX, reasons: [...reasons, `rules: ${(error as Error).message}`] };
    }
  }

  #rulesOf(owner: Owner): readonly (FolderRule | BadRule)[] {
    return [...(owner.rules ?? []), ...(this.#parts.rulesFor?.(owner.address) ?? [])];
  }

  async #firstOf(rules: readonly FolderRule[], owner: Owner): Promise<Placed> {
    for (const rule of rules) {
      if (!passes(rule, await this.#valuesFor(rule, owner))) continue;
      const placed = await this.#placed(rule, owner);
      if (placed !== undefined) return placed;
    }
    return INBOX;
  }

  async #valuesFor({ subject }: FolderRule, { detail }: Owner): Promise<readonly string[]> {
    switch (subject.what) {
      case 'header':
        this.#values ??= this.#read();
        return (await this.#values).get(subject.field) ?? [];
      case 'sender':
        return [foldedText(this.#parts.sender.toString('utf8'))];
      case 'detail':
        return detail === undefined || detail === '' ? [] : [foldedText(detail)];
      default:
        throw new Error(`no subject: ${subject satisfies never}`);
    }
  }

  /**
   * Whoever sends a message chooses the detail: it leads only to a folder that is there already. Undefined:
   * it leads nowhere, and the next rule counts.
   */
  async #placed({ folder: written }: FolderRule, owner: Owner): Promise<Placed | undefined> {
    const { encoding = 'utf-7', waitMs } = this.#parts;
    const isChosen = written.includes(DETAIL);
    const folder = written.replaceAll(DETAIL, () => owner.detail ?? '');
    try {
      const directory = folderDirectory(folder, encoding);
      if (!isChosen || directory === '') return { folder, directory, reasons: [] };
      const isThere = await within(owner.store.hasFolder(owner.mailbox, directory), waitMs);
      if (isThere === 'late') throw new Error('the mailbox does not answer');
      return isThere ? { folder, directory, reasons: [] } : undefined;
    } catch (error) {
      if (error instanceof BadFolder) return undefined;
      throw error;
    }
  }

  /** Reads all fields that a rule of anybody tests: once, as a header may have 350,000 fields. */
  async #read(): Promise<ReadonlyMap<string, readonly string[]>> {
    const { header, owners, readFields, waitMs } = this.#parts;
    const rules = owners.flatMap((owner) => this.#rulesOf(owner));
    const names = rules.flatMap((rule) =>
      'subject' in rule && rule.subject.what === 'header' ? rule.subject.field : [],
    );
    const fields = selected(header, new Set(names));
    if (fields.length === 0) return new Map();
    if (readFields === undefined) throw new Error('header fields are read by nobody');
    const read = await within(readFields(fields), waitMs);
    if (read === 'late') throw new Error('the header takes too long to read');
    return new Map([...read].map(([name, values]) => [name, values.map(foldedText)]));
  }
}

/**
 * Returns the fields with these names, within bounds. Of a field that is there very often the first and the
 * last count: whoever was last to handle the message has added theirs at one of the ends.
 */
function selected(header: Buffer, names: ReadonlySet<string>): RawField[] {
  const found = new Map<string, { first: RawField[]; last: RawField[] }>();
  for (const field of headerFieldsOf(header)) {
    if (!names.has(field.name)) continue;
    const { first, last } = found.get(field.name) ?? { first: [], last: [] };
    if (first.length < MOST_FIELDS) first.push(field);
    else last.push(field);
    if (last.length > MOST_FIELDS) last.shift();
    found.set(field.name, { first, last });
  }
  return [...found.values()].flatMap(({ first, last }) => {
    const fields = [...first, ...last];
    const most = fields.length === 1 ? MOST_BYTES : MOST_BYTES_OF_SEVERAL;
    return fields.map(({ name, bytes }) => ({ name, bytes: bytes.subarray(0, most) }));
  });
}
