/** Recipients in PostgreSQL, by the package pg. */

import { optionalPackage } from '../core/optionalpackage.ts';
import type { Fields } from './answer.ts';
import type { Database, DatabaseOptions } from './database.ts';
import { readPassword } from './passwordfile.ts';
import { compileQuery } from './query.ts';

const IDLE_MS = 60_000;

export async function openPostgresql(options: DatabaseOptions): Promise<Database> {
  const { default: pg } = await optionalPackage('pg', '8', () => import('pg'));
  const { url, passwordFile, connections, waitMs } = options;
  const password = passwordFile === '' ? undefined : await readPassword(passwordFile);
  const query = compileQuery(options.query, 'numbered');
  const pool = new pg.Pool({
    connectionString: password === undefined ? url : withPassword(url, password),
    max: connections,
    connectionTimeoutMillis: waitMs,
    query_timeout: waitMs, // not statement_timeout, which PgBouncer does not know
    idleTimeoutMillis: IDLE_MS,
    application_name: 'sealdir',
  });
  pool.on('error', () => {}); // of an idle connection; the next query opens another one
  return {
    async query(values) {
      const result = await pool.query<Fields>({ text: query.text, values: query.valuesFor(values) });
      return result.rows;
    },
    close: () => pool.end(),
  };
}

/** The start of a URL, its user, and a password. `new URL` knows no URL without a host, as sockets have. */
const USER = /^(postgres(?:ql)?:\/\/)([^@/:?]+)(?::[^@/]*)?@/;

/** A password beside a URL would not do: pg takes the one in the URL, even if there is none. */
function withPassword(url: string, password: string): string {
  if (!USER.test(url)) throw new Error('recipients.sql.url names no user that password_file could be for');
  // of a URL with a space in it, pg would encode every percent sign once more
  return url.replaceAll(' ', '%20').replace(USER, `$1$2:${encodeURIComponent(password)}@`);
}
