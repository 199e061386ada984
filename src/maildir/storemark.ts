/**
 * What tells hosts that they have the same store: a file at its root with a name that was drawn by lot.
 * Device numbers differ from host to host, and a network file system may have no time of birth. The number of
 * its inode, which all hosts see alike, goes with it: a store that was restored elsewhere is another one.
 */
import { link, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { within } from '../core/deadline.ts';
import type { World } from '../core/world.ts';
import type { FileSystems } from '../disk/filesystems.ts';

export const MARK = '.sealdir-store';
const FORM = /^[0-9a-f]{32}\n$/;
/** How old an answer may be, and how long anybody waits for one. */
const KEEP_MS = 1000;
const WAIT_MS = 1000;

export interface StoreMarkParts {
  readonly fileSystems: Pick<FileSystems, 'run'>;
  readonly world: Pick<World, 'random'>;
  /** Is told once why there is none, until there is one. */
  fault(error: unknown): void;
}

interface Answer {
  readonly at: number;
  readonly mark: Promise<string | undefined>;
}

export class StoreMarks {
  readonly #parts: StoreMarkParts;
  readonly #answers = new Map<string, Answer>(); // by root
  #isMissing = false;

  constructor(parts: StoreMarkParts) {
    this.#parts = parts;
  }

  /** Returns that of the store at a root; makes it if it is missing. Undefined if there is none in time. */
  async of(root: string): Promise<string | undefined> {
    let answer = this.#answers.get(root);
    if (answer === undefined || performance.now() - answer.at >= KEEP_MS) {
      answer = { at: performance.now(), mark: this.#ask(root) };
      this.#answers.set(root, answer);
    }
    return answer.mark;
  }

  async #ask(root: string): Promise<string | undefined> {
    try {
      const mark = await within(
        this.#parts.fileSystems.run(root, () => markOf(root, this.#parts.world)),
        WAIT_MS,
      );
      if (mark === 'late') throw new Error(`${root} does not answer`);
      this.#isMissing = false;
      return mark;
    } catch (error) {
      if (!this.#isMissing) this.#parts.fault(error);
      this.#isMissing = true;
      return undefined;
    }
  }
}

/** Reads the mark, or makes it: of two hosts that do so at once, one wins. */
export async function markOf(root: string, world: Pick<World, 'random'>): Promise<string> {
  const path = join(root, MARK);
  const found = await readMark(path);
  if (found !== undefined) return found;
  await makeMark(path, world);
  const made = await readMark(path);
  if (made === undefined) throw new Error(`${path} was removed right now`);
  return made;
}

async function readMark(path: string): Promise<string | undefined> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  try {
    const text = await file?.readFile('latin1');
    if (file === undefined || text === undefined) return undefined;
    if (!FORM.test(text)) throw new Error(`${path} is not as Sealdir makes it (remove it)`);
    return `${text.trim()}:${(await file.stat({ bigint: true })).ino}`;
  } finally {
    await file?.close();
  }
}

async function makeMark(path: string, world: Pick<World, 'random'>): Promise<void> {
  const draft = `${path}.${world.random(8).toString('hex')}`;
  const file = await open(draft, 'wx', 0o644);
  try {
    await file.writeFile(`${world.random(16).toString('hex')}\n`);
    await file.sync();
    await file.close();
    // rename(2) would put ours in the place of another that a host has read
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await file.close().catch(() => {});
    await unlink(draft);
  }
}
