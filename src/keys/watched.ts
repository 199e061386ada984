/**
 * Remembers look-ups in a directory for at most a second, and forgets them as soon as inotify reports a
 * change there. The limit of a second is for the changes that inotify does not report: those made by another
 * host, or through another name of the same file. Saves busy mailboxes most of their look-ups.
 */
import * as fs from 'node:fs';
import { performance } from 'node:perf_hooks';

const KEEP_MS = 1000;
/** How long one watch lasts: the name may stand for another directory by then, or nobody may ask any more. */
const WATCH_MS = 10_000;

export class WatchedDirectory<V> {
  readonly #directory: string;
  #watcher: fs.FSWatcher | undefined;
  #answers = new Map<string, V>();
  #until = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Returns the answer of `ask`, or the one it gave less than a second ago. Undefined is never remembered.
   */
  async get(key: string, ask: () => Promise<V | undefined>): Promise<V | undefined> {
    if (performance.now() > this.#until) this.#forget();
    const answers = this.#answers;
    const known = answers.get(key);
    if (known !== undefined) return known;
    const wasWatched = this.#watcher !== undefined;
    const answer = await ask();
    // a map that is no longer the current one was forgotten while the answer was on its way
    if (wasWatched && answer !== undefined && answers === this.#answers) answers.set(key, answer);
    // only after an answer: this call is synchronous, and the file system may be one that hangs
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
      return undefined; // there are no more watches: every look-up asks
    }
  }

  #forget(): void {
    this.#answers = new Map();
    this.#until = performance.now() + KEEP_MS;
  }
}
