/** Recipients in an SQLite file, by the package better-sqlite3. It is only read. */
import { statSync } from 'node:fs';
import type DatabaseFile from 'better-sqlite3';
import { optionalPackage } from '../core/optionalpackage.ts';
import type { Fields } from './answer.ts';
import type { Database, DatabaseOptions } from './database.ts';
import { compileQuery } from './query.ts';

/** The calls are synchronous: a file that a writer has locked must not stop deliveries for long. */
const BUSY_MS = 100;
/** After such a wait nobody waits for a second: many look-ups would add their waits up. */
const IMPATIENT_MS = 1000;

interface Opened {
  readonly file: DatabaseFile.Database;
  readonly statement: DatabaseFile.Statement<string[], Fields>;
  readonly identity: string;
  readonly busyMs: number;
}

export async function openSqlite({ url, query: written }: DatabaseOptions): Promise<Database> {
  const { default: Sqlite } = await optionalPackage('better-sqlite3', '12', () => import('better-sqlite3'));
  const path = url.replace(/^sqlite:(?:\/\/)?/, '');
  const query = compileQuery(written, 'questions');
  let opened: Opened | undefined;
  let waitedAtMs = Number.NEGATIVE_INFINITY;
  const close = () => {
    opened?.file.close();
    opened = undefined;
  };
  const open = (busyMs: number): Opened => {
    const identity = identityOf(path);
    const file = new Sqlite(path, { readonly: true, fileMustExist: true, timeout: busyMs });
    try {
      opened = { file, statement: file.prepare(query.text), identity, busyMs };
      return opened;
    } catch (error) {
      file.close();
      throw error;
    }
  };
  return {
    async query(values) {
      const busyMs = performance.now() - waitedAtMs < IMPATIENT_MS ? 0 : BUSY_MS;
      // a file that was put in place of the former one would never be seen
      if (opened !== undefined && opened.identity !== identityOf(path)) close();
      if (opened?.busyMs !== busyMs) close(); // what was opened in the second of a lock would never wait
      try {
        return (opened ?? open(busyMs)).statement.all(...query.valuesFor(values));
      } catch (error) {
        if (busyMs > 0 && isLocked(error)) waitedAtMs = performance.now();
        close();
        throw isUnopenedWal(error) ? new Error(closedWal(path), { cause: error }) : error;
      }
    },
    async close() {
      close();
    },
  };
}

function isLocked(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^SQLITE_(?:BUSY|LOCKED)/.test(code);
}

/**
 * A database in WAL mode is read with the help of two files beside it. Writers make them, and remove them
 * when the last one closes it: from then on a reader has to make them.
 */
function isUnopenedWal(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'SQLITE_READONLY_DIRECTORY';
}

function closedWal(path: string): string {
  return (
    `${path} is in WAL mode, and no other program has it open: it can be read only if Sealdir may write to its ` +
    'directory; allow that, or set PRAGMA journal_mode = DELETE'
  );
}

function identityOf(path: string): string {
  const { dev, ino } = statSync(path);
  return `${dev}:${ino}`;
}
