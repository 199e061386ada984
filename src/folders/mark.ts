/**
 * Remembers over a restart from when on changes of folders have not been looked at, so that not all folders
 * have to be read anew. Without it they are, which takes longer and does no harm.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = 'sealed-folders';

export class Mark {
  readonly #path: string;
  readonly #folders: string;

  /** `folders`: what it was remembered for; with others, nothing is. */
  constructor(directory: string, folders: readonly string[]) {
    this.#path = join(directory, FILE);
    this.#folders = JSON.stringify(folders);
  }

  /** Returns milliseconds since the epoch; 0 if nothing is remembered. */
  read(): number {
    try {
      const [since = '', folders] = readFileSync(this.#path, 'utf8').split('\n');
      return folders === this.#folders && /^\d{1,15}$/.test(since) ? Number(since) : 0;
    } catch {
      return 0;
    }
  }

  write(sinceMs: number): void {
    try {
      writeFileSync(`${this.#path}.tmp`, `${Math.floor(sinceMs)}\n${this.#folders}\n`, { mode: 0o600 });
      renameSync(`${this.#path}.tmp`, this.#path);
    } catch {} // keys.state cannot be used, which the keeper tells
  }
}
