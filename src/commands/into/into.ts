/**
 * `sealdir open --into DIR`: files and folders -> the same in clear. What is not sealed is copied as it is.
 * What cannot be opened is reported, and not written. A run that was interrupted goes on when it is started
 * again.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { visiblePath } from '../../core/visible.ts';
import type { World } from '../../core/world.ts';
import type { NamedOpener } from '../../keys/opening.ts';
import { withSizes } from '../../maildir/messagename.ts';
import { CommandError, EXIT } from '../errors.ts';
import { piecesIn } from '../inputfile.ts';
import { untilInterrupted } from '../interrupt.ts';
import { type OpenOptions, openerOf, openWith } from '../open.ts';
import { Progress } from '../progress.ts';
import { isSealed, withOuterFields } from './contents.ts';
import { pathOf } from './names.ts';
import { type Item, type Survey, survey } from './survey.ts';
import { Target } from './target.ts';

export interface Work {
  readonly into: string;
  readonly paths: readonly string[];
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly world: Pick<World, 'micros'>;
}

const OUTCOMES = ['opened', 'copied as they are', 'there already'] as const;
type Outcome = (typeof OUTCOMES)[number];

const HEAD = 256 * 1024;
/** A link is not followed, and a named pipe not waited for. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Resolves to the exit code, which is 0 only if nothing failed. Throws CommandError. */
export async function openInto(work: Work, how: Omit<OpenOptions, 'message'>): Promise<number> {
  if (work.paths.length === 0) throw new CommandError('usage', 'open: --into DIR needs files or folders');
  const opener = await openerOf(how);
  try {
    const target = await Target.open(work.into);
    try {
      const found = await survey(work.paths, target.path);
      return await new Run(work, found, target, opener, how.wanted).all();
    } finally {
      await target.close();
    }
  } finally {
    opener.close();
  }
}

class Run {
  readonly #work: Work;
  readonly #found: Survey;
  readonly #target: Target;
  readonly #opener: NamedOpener;
  readonly #wanted: OpenOptions['wanted'];
  readonly #progress: Progress;
  readonly #counts = new Map<Outcome, number>();
  #failed = 0;

  constructor(work: Work, found: Survey, target: Target, opener: NamedOpener, wanted: OpenOptions['wanted']) {
    this.#work = work;
    this.#found = found;
    this.#target = target;
    this.#opener = opener;
    this.#wanted = wanted;
    const bytes = found.items.reduce((sum, item) => sum + item.bytes, 0);
    this.#progress = new Progress(work.stderr, work.world, 'files', found.items.length, bytes);
  }

  async all(): Promise<number> {
    const { folders, items, troubles } = this.#found;
    for (const { path, why } of troubles) this.#fail(path, why);
    try {
      await untilInterrupted(async (pause) => {
        for (const folder of folders) await this.#target.makeFolder(folder);
        for (const item of items) {
          pause();
          await this.#one(item);
          this.#progress.step(1, item.bytes);
        }
      });
    } finally {
      this.#progress.end();
      this.#work.stdout.write(this.#report());
    }
    return this.#failed === 0 ? 0 : EXIT.data;
  }

  async #one(item: Item): Promise<void> {
    try {
      const handle = await open(pathOf(item.from), READ);
      try {
        const outcome = await this.#write(item, handle);
        this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1);
      } finally {
        await handle.close();
      }
    } catch (error) {
      const isOfAll = error instanceof CommandError && !['data', 'noInput'].includes(error.kind);
      if (isOfAll) throw error;
      this.#fail(item.from, (error as Error).message);
    }
  }

  async #write(item: Item, handle: FileHandle): Promise<Outcome> {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new CommandError('data', 'is no file');
    const { folder, name, kind } = item;
    const file = { folder, name, atimeMs: stats.atimeMs, mtimeMs: stats.mtimeMs };
    const found = await this.#target.find(file, kind);
    if (found === 'there') return 'there already';
    const isThere = new CommandError('data', 'another file of this name is there already: it was left alone');
    if (found === 'other') throw isThere;
    const head = await headOf(handle);
    if (!(await isSealed(head))) {
      if (!(await this.#target.put(file, piecesIn(handle)))) throw isThere;
      return 'copied as they are';
    }
    const opened = await openWith(this.#opener, { read: () => piecesIn(handle) }, this.#wanted);
    const sizes = new Sizes();
    const pieces = sizes.counted(withOuterFields(head, opened));
    const named = () => (kind === 'mail' ? withSizes(name, sizes.size, sizes.wireSize) : name);
    if (!(await this.#target.put(file, pieces, named))) throw isThere;
    return 'opened';
  }

  #fail(path: string, why: string): void {
    this.#failed += 1;
    this.#progress.end();
    this.#work.stderr.write(
      `sealdir: ${visiblePath(path)}: ${visiblePath(Buffer.from(why).toString('latin1'))}\n`,
    );
  }

  #report(): string {
    const counts = OUTCOMES.map((outcome) => `${outcome} ${this.#counts.get(outcome) ?? 0}`);
    const { items, troubles, leftOut } = this.#found;
    const done = [...this.#counts.values()].reduce((sum, count) => sum + count, this.#failed);
    const missing = items.length + troubles.length - done;
    const lines = [`${counts.join(', ')}, failed ${this.#failed}, not reached ${missing}`];
    if (leftOut.length > 0)
      lines.push(`left out ${leftOut.length}: tmp/, and what IMAP servers note of the sealed messages`);
    return `${lines.join('\n')}\n`;
  }
}

async function headOf(handle: FileHandle): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD), 0, HEAD, 0);
  return buffer.subarray(0, bytesRead);
}

/** Counts bytes, as they are and with CRLF at the end of each line. */
class Sizes {
  size = 0;
  wireSize = 0;
  #last = 0;

  async *counted(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      this.#count(piece);
      yield piece;
    }
  }

  #count(piece: Uint8Array): void {
    let bare = 0;
    let last = this.#last;
    for (const byte of piece) {
      if (byte === 0x0a && last !== 0x0d) bare += 1;
      last = byte;
    }
    this.#last = last;
    this.size += piece.length;
    this.wireSize += piece.length + bare;
  }
}
