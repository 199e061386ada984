/** The port for databases: one query finds a recipient. */
import type { Fields } from './answer.ts';
import type { QueryValues } from './query.ts';

/** A database and the query to it. */
export interface Database {
  /** Returns the rows. Throws if the database could not be asked. */
  query(values: QueryValues): Promise<readonly Fields[]>;
  close(): Promise<void>;
}

/** What it takes to open one. */
export interface DatabaseOptions {
  /** `postgresql:`, `mysql:` or `mariadb:`, or `sqlite:` with a path. */
  readonly url: string;
  /** A file with the password; '' if the URL has it or none is needed. */
  readonly passwordFile: string;
  /** As an operator writes it: query.ts. */
  readonly query: string;
  readonly connections: number;
  readonly waitMs: number;
}

/** The kinds of database that a URL may name. */
export type Dialect = 'postgresql' | 'mysql' | 'sqlite';

export function dialectOf(url: string): Dialect | undefined {
  const [, scheme = ''] = /^([a-z]+):/.exec(url) ?? [];
  if (scheme === 'postgres' || scheme === 'postgresql') return 'postgresql';
  if (scheme === 'mysql' || scheme === 'mariadb') return 'mysql';
  return scheme === 'sqlite' ? 'sqlite' : undefined;
}
