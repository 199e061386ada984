/**
 * `recipients.source = "sql"`: one query finds a recipient, in PostgreSQL, MySQL or MariaDB, or SQLite. The
 * drivers are packages that only sites with such a database install.
 */
import type { SameAddress } from '../core/address.ts';
import { recipientOf } from './answer.ts';
import { type Database, type DatabaseOptions, type Dialect, dialectOf } from './database.ts';
import { type PresetName, presetQuery } from './presets.ts';
import { valuesOf } from './query.ts';
import type { Recipient, RecipientSource } from './source.ts';

export interface SqlOptions extends DatabaseOptions {
  /** Counts if there is no query. */
  readonly preset: PresetName;
}

export class SqlSource implements RecipientSource {
  readonly #database: Database;
  readonly #same: SameAddress;

  constructor(database: Database, same: SameAddress) {
    this.#database = database;
    this.#same = same;
  }

  async find(address: string): Promise<Recipient | undefined> {
    return recipientOf(await this.#database.query(valuesOf(address)), address, this.#same);
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}

/** Connects when it is first asked. Throws, with a sentence, if the driver is missing. */
export async function openSql(options: SqlOptions, same: SameAddress): Promise<SqlSource> {
  const dialect = dialectOf(options.url);
  if (dialect === undefined) throw new Error('recipients.sql.url begins with no database that is known');
  const query = options.query === '' ? presetQuery(options.preset, dialect) : options.query;
  const open = await OPENERS[dialect]();
  return new SqlSource(await open({ ...options, query }), same);
}

const OPENERS = {
  postgresql: async () => (await import('./postgresql.ts')).openPostgresql,
  mysql: async () => (await import('./mysql.ts')).openMysql,
  sqlite: async () => (await import('./sqlite.ts')).openSqlite,
} as const satisfies Record<Dialect, () => Promise<(options: DatabaseOptions) => Promise<Database>>>;
