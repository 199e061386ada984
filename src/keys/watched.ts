/**
 * What was found in a directory counts for a moment: until the kernel tells of a change there, and
 * a second at the most, since it does not tell of all of them (one made by another host, or
 * through another name of the same file). Spares the busy mailboxes their look-ups.
 */
import * as fs from 'node:fs';
import { performance } from 'node:perf_hooks';

const KEEP_MS = 1000;
/** Then it is opened anew: the name may stand for another directory by now, or nobody may ask any more. */
const WATCH_MS = 10_000;

export class WatchedDirectory<V> {
  readonly #directory: string;
  #watcher: fs.FSWatcher | undefined;
  #answers = new Map<string, V>();
  #until = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The answer of `ask`, or the one it gave a moment ago. Undefined is never kept. */
  async get(key: string, ask: () => Promise<V | undefined>): Promise<V | undefined> {
    if (performance.now() > this.#until) this.#forget();
    const answers = this.#answers;
    const known = answers.get(key);
    if (known !== undefined) return known;
    const wasWatched = this.#watcher !== undefined;
    const answer = await ask();
    // forgotten meanwhile is another map
    if (wasWatched && answer !== undefined && answers === this.#answers) answers.set(key, answer);
    // behind an answer, since this call waits for the file system, which may be one that hangs
    this.#watcher ??= this.#watch();
    return answer;
  }

  #watch(): fs.FSWatcher | undefined {
    try {
      const watcher = fs.watch(this.#directory, { persistent: false }, () => this.#forget());
      const close = () => {
        clearTimeout(timer);
        watcher.close();
        if (this.#watcher === watcher) this.#watcher = undefined;
        this.#forget();
      };
      const timer = setTimeout(close, WATCH_MS).unref();
      watcher.on('error', close);
      return watcher;
    } catch {
      return undefined; // no more watches to be had: every look-up asks
    }
  }

  #forget(): void {
    this.#answers = new Map();
    this.#until = performance.now() + KEEP_MS;
  }
}
