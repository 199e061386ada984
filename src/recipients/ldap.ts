/** `recipients.source = "ldap"`: one search finds a recipient, by the package ldapts. */
import { readFile } from 'node:fs/promises';
import type * as Ldapts from 'ldapts';
import type { Client, Entry } from 'ldapts';
import type { SameAddress } from '../core/address.ts';
import { FIELDS, type Fields, recipientOf } from './answer.ts';
import { optionalPackage } from './package.ts';
import { type QueryValues, valuesOf } from './query.ts';
import type { Recipient, RecipientSource } from './source.ts';

export interface LdapOptions {
  /** `ldap:` or `ldaps:`. */
  readonly url: string;
  readonly starttls: boolean;
  /** Certificates of the authorities to trust; '' for those that Node trusts. */
  readonly caFile: string;
  /** '' to bind as nobody. */
  readonly bindDn: string;
  readonly passwordFile: string;
  readonly base: string;
  /** With {address}, {local} and {domain}. */
  readonly filter: string;
  /** `field=attribute`. */
  readonly attributes: readonly string[];
  readonly waitMs: number;
}

/** One more than there may be is enough to know that there are too many. */
const MOST_ENTRIES = 2;

export class LdapSource implements RecipientSource {
  readonly #options: LdapOptions;
  readonly #same: SameAddress;
  readonly #attributes: ReadonlyMap<string, string>; // field -> attribute
  readonly #ldapts: typeof Ldapts;
  #connecting: Promise<Client> | undefined;

  /** Connects when it is first asked. Throws, with a sentence, if the package is missing. */
  static async open(options: LdapOptions, same: SameAddress): Promise<LdapSource> {
    return new LdapSource(options, same, await optionalPackage('ldapts', '8', () => import('ldapts')));
  }

  private constructor(options: LdapOptions, same: SameAddress, ldapts: typeof Ldapts) {
    this.#ldapts = ldapts;
    this.#options = options;
    this.#same = same;
    this.#attributes = attributesOf(options.attributes);
  }

  async find(address: string): Promise<Recipient | undefined> {
    // a server that was restarted has closed the connection; the first search to notice tries a new one
    const entries = await this.#search(address).catch(() => this.#search(address));
    return recipientOf(
      entries.flatMap((entry) => this.#rowsOf(entry)),
      address,
      this.#same,
    );
  }

  async close(): Promise<void> {
    const client = await this.#connecting?.catch(() => undefined);
    this.#connecting = undefined;
    await client?.unbind().catch(() => undefined);
  }

  async #search(address: string): Promise<Entry[]> {
    this.#connecting ??= this.#connect();
    const connecting = this.#connecting;
    try {
      const client = await connecting;
      const key = this.#attributes.get('key');
      const { searchEntries } = await client.search(this.#options.base, {
        scope: 'sub',
        filter: filterFor(this.#options.filter, valuesOf(address)),
        attributes: [...this.#attributes.values()],
        // a key may be binary
        explicitBufferAttributes: key === undefined ? [] : [key],
        sizeLimit: MOST_ENTRIES,
        timeLimit: Math.ceil(this.#options.waitMs / 1000),
      });
      return searchEntries;
    } catch (error) {
      if (this.#connecting === connecting) await this.close();
      throw error;
    }
  }

  async #connect(): Promise<Client> {
    const { url, starttls, caFile, bindDn, passwordFile, waitMs } = this.#options;
    const tls = caFile === '' ? {} : { ca: await readFile(caFile) };
    const isTls = url.startsWith('ldaps:');
    const client = new this.#ldapts.Client({
      url,
      timeout: waitMs,
      connectTimeout: waitMs,
      ...(isTls ? { tlsOptions: tls } : {}),
    });
    if (starttls && !isTls) await client.startTLS(tls);
    if (bindDn !== '') await client.bind(bindDn, (await readFile(passwordFile, 'utf8')).trim());
    return client;
  }

  /** Returns a row for each value of the key, which all have the other fields. */
  #rowsOf(entry: Entry): Fields[] {
    const row: Record<string, unknown> = {};
    let keys: readonly unknown[] = [];
    for (const [field, attribute] of this.#attributes) {
      const values = [entry[attribute] ?? []].flat();
      if (field === 'key') keys = values;
      else row[field] = values[0];
    }
    return keys.length === 0 ? [row] : keys.map((key) => ({ ...row, key }));
  }
}

function attributesOf(written: readonly string[]): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const pair of written) {
    const [field = '', attribute = ''] = pair.split('=');
    if (attribute === '' || !FIELDS.some((known) => known === field))
      throw new Error(
        `recipients.ldap.attributes: "${pair}" is none of ${FIELDS.join(', ')} and an attribute`,
      );
    attributes.set(field, attribute);
  }
  return attributes;
}

/** Returns a filter with the values escaped, so that none can be more than a value (RFC 4515 §3). */
export function filterFor(filter: string, values: QueryValues): string {
  return filter.replace(/\{(address|local|domain)\}/g, (_, name: keyof QueryValues) => escaped(values[name]));
}

function escaped(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL has to be escaped
  return value.replace(/[\\*()\x00]/g, (character) => {
    return `\\${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
