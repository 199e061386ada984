/** Recipients in PostgreSQL, by the package pg. */
import { readFile } from 'node:fs/promises';
import type { Fields } from './answer.ts';
import type { Database, DatabaseOptions } from './database.ts';
import { optionalPackage } from './package.ts';
import { compileQuery } from './query.ts';

const IDLE_MS = 60_000;

export async function openPostgresql(options: DatabaseOptions): Promise<Database> {
  const { default: pg } = await optionalPackage('pg', '8', () => import('pg'));
  const { url, passwordFile, connections, waitMs } = options;
  const query = compileQuery(options.query, 'numbered');
  const pool = new pg.Pool({
    connectionString: url,
    ...(passwordFile === '' ? {} : { password: async () => (await readFile(passwordFile, 'utf8')).trim() }),
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
