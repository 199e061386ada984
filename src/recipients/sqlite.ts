/** Recipients in an SQLite file, by the package better-sqlite3. It is only read. */
import { statSync } from 'node:fs';
import type DatabaseFile from 'better-sqlite3';
import type { Fields } from './answer.ts';
import type { Database, DatabaseOptions } from './database.ts';
import { optionalPackage } from './package.ts';
import { compileQuery } from './query.ts';

/** The calls are synchronous: a file that a writer has locked must not stop deliveries for long. */
const BUSY_MS = 100;

interface Opened {
  readonly file: DatabaseFile.Database;
  readonly statement: DatabaseFile.Statement<string[], Fields>;
  readonly identity: string;
}

export async function openSqlite({ url, query: written }: DatabaseOptions): Promise<Database> {
  const { default: Sqlite } = await optionalPackage('better-sqlite3', '12', () => import('better-sqlite3'));
  const path = url.replace(/^sqlite:(?:\/\/)?/, '');
  const query = compileQuery(written, 'questions');
  let opened: Opened | undefined;
  const close = () => {
    opened?.file.close();
    opened = undefined;
  };
  const open = (): Opened => {
    const identity = identityOf(path);
    const file = new Sqlite(path, { readonly: true, fileMustExist: true, timeout: BUSY_MS });
    try {
      opened = { file, statement: file.prepare(query.text), identity };
      return opened;
    } catch (error) {
      file.close();
      throw error;
    }
  };
  return {
    async query(values) {
      // a file that was put in place of the former one would never be seen
      if (opened !== undefined && opened.identity !== identityOf(path)) close();
      try {
        return (opened ?? open()).statement.all(...query.valuesFor(values));
      } catch (error) {
        close();
        throw error;
      }
    },
    async close() {
      close();
    },
  };
}

function identityOf(path: string): string {
  const { dev, ino } = statSync(path);
  return `${dev}:${ino}`;
}
