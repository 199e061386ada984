/** Recipients in MySQL or MariaDB, by the package mysql2. */
import { within } from '../core/deadline.ts';
import { optionalPackage } from '../core/optionalpackage.ts';
import type { Fields } from './answer.ts';
import type { Database, DatabaseOptions } from './database.ts';
import { readPassword } from './passwordfile.ts';
import { compileQuery } from './query.ts';

/** Look-ups that wait for a connection; more of them would wait longer than anybody does. */
const MOST_WAITING = 1000;

export async function openMysql(options: DatabaseOptions): Promise<Database> {
  const mysql = await optionalPackage('mysql2', '3', () => import('mysql2/promise'));
  const { url, passwordFile, connections, waitMs } = options;
  const query = compileQuery(options.query, 'questions');
  const password = passwordFile === '' ? {} : { password: await readPassword(passwordFile) };
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
  // the pool itself lets its callers wait without a limit
  const connect = async () => {
    const arriving = pool.getConnection();
    const connection = await within(arriving, waitMs);
    if (connection !== 'late') return connection;
    arriving.then(
      (late) => late.release(),
      () => {},
    );
    throw new Error(`no connection within ${waitMs} ms`);
  };
  return {
    async query(values) {
      const statement = { sql: query.text, values: query.valuesFor(values), timeout: waitMs };
      const connection = await connect();
      try {
        const [rows] = await connection.execute(statement);
        connection.release();
        return rows as Fields[];
      } catch (error) {
        // after a timeout the statement still runs, and on a connection that is dead it would do so for ever
        if (isAnswer(error)) connection.release();
        else connection.destroy();
        throw error;
      }
    },
    close: () => pool.end(),
  };
}

/** Tells whether the server itself has said no: only then is the connection known to work. */
function isAnswer(error: unknown): boolean {
  return error instanceof Error && 'sqlState' in error;
}
