/** Recipients in MySQL or MariaDB, by the package mysql2. */
import { readFile } from 'node:fs/promises';
import type { Fields } from './answer.ts';
import type { Database, DatabaseOptions } from './database.ts';
import { optionalPackage } from './package.ts';
import { compileQuery } from './query.ts';

/** Look-ups that wait for a connection; more of them would wait longer than anybody does. */
const MOST_WAITING = 1000;

export async function openMysql(options: DatabaseOptions): Promise<Database> {
  const mysql = await optionalPackage('mysql2', '3', () => import('mysql2/promise'));
  const { url, passwordFile, connections, waitMs } = options;
  const query = compileQuery(options.query, 'questions');
  const password = passwordFile === '' ? {} : { password: (await readFile(passwordFile, 'utf8')).trim() };
  const pool = mysql.createPool({
    uri: url.replace(/^mariadb:/, 'mysql:'),
    ...password,
    connectionLimit: connections,
    queueLimit: MOST_WAITING,
    connectTimeout: waitMs,
    enableKeepAlive: true,
    supportBigNumbers: true,
    charset: 'utf8mb4',
  });
  return {
    async query(values) {
      const statement = { sql: query.text, values: query.valuesFor(values), timeout: waitMs };
      const [rows] = await pool.execute(statement);
      return rows as Fields[];
    },
    close: () => pool.end(),
  };
}
