/** `recipients.source = "ldap"`: one search finds a recipient, by the package ldapts. */
import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import type * as Ldapts from 'ldapts';
import type { Client, Entry, SearchOptions } from 'ldapts';
import type { SameAddress } from '../core/address.ts';
import { within } from '../core/deadline.ts';
import { optionalPackage } from '../core/optionalpackage.ts';
import { FIELDS, type Fields, recipientOf } from './answer.ts';
import { readPassword } from './passwordfile.ts';
import { type QueryValues, valuesOf } from './query.ts';
import { AnswerError, type Recipient, type RecipientSource } from './source.ts';

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
const MOST_TRIES = 2;

export class LdapSource implements RecipientSource {
  readonly #options: LdapOptions;
  readonly #same: SameAddress;
  readonly #attributes: ReadonlyMap<string, string>; // field -> attribute
  /** The attribute of the keys, in the spellings that are known of it. */
  readonly #keyNames: string[] = [];
  readonly #ldapts: typeof Ldapts;
  #connecting: Promise<Connection> | undefined;

  /** Connects when it is first asked. Throws, with a sentence, if the package is missing. */
  static async open(options: LdapOptions, same: SameAddress): Promise<LdapSource> {
    return new LdapSource(options, same, await optionalPackage('ldapts', '8', () => import('ldapts')));
  }

  private constructor(options: LdapOptions, same: SameAddress, ldapts: typeof Ldapts) {
    this.#ldapts = ldapts;
    this.#options = options;
    this.#same = same;
    this.#attributes = attributesOf(options.attributes);
    const key = this.#attributes.get('key');
    if (key !== undefined) this.#keyNames.push(key);
  }

  async find(address: string): Promise<Recipient | undefined> {
    const entries = await this.#search(address);
    return recipientOf(
      entries.flatMap((entry) => this.#rowsOf(entry)),
      address,
      this.#same,
    );
  }

  async close(): Promise<void> {
    const connection = await this.#connecting?.catch(() => undefined);
    this.#connecting = undefined;
    await connection?.close();
  }

  /** Tries a new connection when a search fails, since a server that was restarted has closed the old one. */
  async #search(address: string): Promise<Entry[]> {
    for (let tries = 1; ; tries++) {
      this.#connecting ??= Connection.open(this.#ldapts, this.#options);
      const connecting = this.#connecting;
      const forget = () => {
        if (this.#connecting === connecting) this.#connecting = undefined;
      };
      const connection = await connecting.catch((error: unknown) => {
        forget();
        throw error;
      });
      try {
        return await this.#ask(connection, address);
      } catch (error) {
        forget();
        connection.retire();
        if (tries === MOST_TRIES) throw error;
      }
    }
  }

  async #ask(connection: Connection, address: string): Promise<Entry[]> {
    const entries = await connection.search(this.#options.base, {
      scope: 'sub',
      filter: filterFor(this.#options.filter, valuesOf(address)),
      attributes: [...this.#attributes.values()],
      // a key may be binary
      explicitBufferAttributes: this.#keyNames,
      sizeLimit: MOST_ENTRIES,
      timeLimit: Math.ceil(this.#options.waitMs / 1000),
    });
    const [known = ''] = this.#keyNames;
    const spelled = entries
      .flatMap((entry) => Object.keys(entry))
      .find((name) => isSameName(name, known) && !this.#keyNames.includes(name));
    if (spelled === undefined) return entries;
    // servers answer in the spelling of their schema, and ldapts makes text of all that is not spelled alike
    this.#keyNames.push(spelled);
    return this.#ask(connection, address);
  }

  /** Returns a row for each value of the key, which all have the other fields. */
  #rowsOf(entry: Entry): Fields[] {
    const row: Record<string, unknown> = {};
    let keys: readonly unknown[] = [];
    for (const [field, attribute] of this.#attributes) {
      const values = Object.entries(entry).flatMap(([name, of]) => (isSameName(name, attribute) ? of : []));
      // a directory keeps no order of values, so that none is the first
      if (['account', 'unusable', 'header_policy'].includes(field) && values.length > 1)
        throw new AnswerError(
          `${entry.dn} has several values of ${attribute}: let another attribute be the ${field}`,
        );
      if (field === 'key') keys = values;
      else row[field] = values[0];
    }
    return keys.length === 0 ? [row] : keys.map((key) => ({ ...row, key }));
  }
}

/**
 * One TCP connection that is bound. ldapts makes another by itself when it is lost, and nobody has bound that
 * one: a directory may let it search and show it nothing, and then everybody would be unknown.
 */
class Connection {
  #client: Client | undefined;
  /** With StartTLS, ldapts notes the TCP socket here. It does not notice itself when that one is closed. */
  #tls: ConnectionOptions = {};
  #isBound = false;
  #searches = 0;
  #isRetired = false;

  /** Connects and binds, within the time that is set. */
  static async open(ldapts: typeof Ldapts, options: LdapOptions): Promise<Connection> {
    const connection = new Connection();
    const bound = connection.#bind(ldapts, options);
    try {
      const { url, waitMs } = options;
      if ((await within(bound, waitMs)) === 'late')
        throw new Error(`no connection to ${url} in ${waitMs} ms`);
      return connection;
    } catch (error) {
      void connection.close();
      // what is late may have connected after all
      void bound.catch(() => undefined).then(() => connection.close());
      throw error;
    }
  }

  /** Always binds, as nobody too: two searches that both have to connect would lose one of the sockets. */
  async #bind(ldapts: typeof Ldapts, options: LdapOptions): Promise<void> {
    const { url, starttls, caFile, bindDn, passwordFile, waitMs } = options;
    this.#tls = caFile === '' ? {} : { ca: await readFile(caFile) };
    const password = bindDn === '' ? '' : await readPassword(passwordFile);
    const isTls = url.startsWith('ldaps:');
    const client = new ldapts.Client({
      url,
      timeout: waitMs,
      connectTimeout: waitMs,
      ...(isTls ? { tlsOptions: this.#tls } : {}),
    });
    this.#client = client;
    if (starttls && !isTls) {
      this.#tls.host = new URL(url).hostname.replace(/^\[|\]$/g, ''); // whose certificate it has to be
      await client.startTLS(this.#tls);
    }
    await client.bind(bindDn, password).catch((error: unknown) => {
      // a directory that refuses to bind nobody may let nobody search all the same
      if (bindDn !== '' || !(error instanceof ldapts.InappropriateAuthError)) throw error;
    });
    this.#isBound = true;
  }

  get #isOpen(): boolean {
    return this.#isBound && this.#client?.isConnected === true && this.#tls.socket?.destroyed !== true;
  }

  async search(base: string, options: SearchOptions): Promise<Entry[]> {
    const client = this.#client;
    if (client === undefined || !this.#isOpen) throw new Error('the connection to the directory was lost');
    this.#searches++;
    try {
      return (await client.search(base, options)).searchEntries;
    } finally {
      this.#searches--;
      if (this.#isRetired) this.retire();
    }
  }

  /** Closes it when the searches that others have begun have ended. */
  retire(): void {
    this.#isRetired = true;
    if (this.#searches === 0) void this.close();
  }

  async close(): Promise<void> {
    const isOpen = this.#isOpen;
    const unbound = this.#client?.unbind().catch(() => undefined);
    if (isOpen) await unbound;
    // what is lost or half made may never tell that it has ended
    else this.#tls.socket?.destroy();
  }
}

function isSameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
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
