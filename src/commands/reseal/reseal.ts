/**
 * `sealdir reseal`: the messages of a Maildir that are sealed to an old key are sealed to a new one, where
 * they are. Never throws for a message: it is told, and the others go on. A full disk ends it, and so does a
 * signal, after the messages that are in hand.
 */
import { visible, visibleJson } from '../../core/visible.ts';
import type { World } from '../../core/world.ts';
import { giveWay } from '../../edge/giveway.ts';
import { byOwner } from '../../stored/byowner.ts';
import { type Folder, foldersOf } from '../../stored/folders.ts';
import { StoredWork } from '../../stored/work.ts';
import { CommandError, EXIT } from '../errors.ts';
import { untilInterrupted } from '../interrupt.ts';
import { endingOf, notReached, Tally } from '../migrate/tally.ts';
import { Progress } from '../progress.ts';
import { type ResealFormParts, resealForm } from './form.ts';

export interface Work {
  readonly directory: string;
  /** Where Dovecot's indexes are; undefined: beside the messages. */
  readonly index: string | undefined;
  readonly keys: Omit<ResealFormParts, 'world'>;
  readonly world: World;
  readonly bytesPerSecond: number;
  readonly isTrial: boolean;
  readonly form: 'text' | 'json';
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

const AT_ONCE = 4;
/** Others may need the last of a disk. */
const LEAST_FREE = 64 * 1024 * 1024;

/** Resolves to the exit code: 0 only if nothing failed. Throws CommandError. */
export async function reseal(work: Work): Promise<number> {
  const folders = await foldersIn(work);
  if (!work.isTrial) giveWay();
  return new Run(work, folders).all();
}

async function foldersIn({ directory, index }: Work): Promise<Folder[]> {
  const folders = await foldersOf({ address: '', path: directory }, { only: undefined, index }).catch(
    (error: Error) => {
      throw new CommandError('noInput', `cannot read ${directory}: ${error.message}`);
    },
  );
  if (folders.length === 0)
    throw new CommandError('noInput', `${directory} is no Maildir: it has no new, cur and tmp`);
  return folders;
}

class Run {
  readonly #work: Work;
  readonly #folders: readonly Folder[];
  readonly #progress: Progress;
  readonly #sealing: StoredWork;
  readonly #tally: Tally;

  constructor(work: Work, folders: readonly Folder[]) {
    this.#work = work;
    this.#folders = folders;
    const { world, bytesPerSecond } = work;
    this.#sealing = new StoredWork({ world, bytesPerSecond, leastFree: LEAST_FREE, atOnce: AT_ONCE });
    this.#tally = new Tally(work.directory);
    const bytes = folders.reduce((sum, each) => sum + each.bytes, 0);
    this.#progress = new Progress(work.stderr, work.world, 'messages', this.#messages, bytes);
  }

  get #messages(): number {
    return this.#folders.reduce((sum, each) => sum + each.messages, 0);
  }

  async all(): Promise<number> {
    let ending: { readonly error: unknown } | undefined;
    await untilInterrupted((pause) =>
      byOwner(
        this.#folders,
        ({ path }) => Buffer.from(path, 'latin1').toString(),
        async (folders) => {
          for (const folder of folders)
            if (ending === undefined)
              await this.#one(folder, pause).catch((error: unknown) => {
                ending = { error };
              });
        },
      ),
    );
    this.#progress.end();
    return this.#end(ending);
  }

  async #one(folder: Folder, pause: () => void): Promise<void> {
    const { world, keys, isTrial, stderr } = this.#work;
    await this.#sealing.seal(folder, {
      form: resealForm({ ...keys, world }),
      isTrial,
      check: pause,
      report: {
        sealed: (bytes) => {
          this.#tally.sealed += 1;
          this.#progress.step(1, bytes);
        },
        left: (why) => {
          this.#tally.leave(why);
          this.#progress.step();
        },
        failed: (...failure) => {
          this.#progress.end();
          stderr.write(`sealdir: ${this.#tally.fail(...failure)}\n`);
        },
      },
    });
  }

  #end(ending: { readonly error: unknown } | undefined): number {
    const { form, stdout, stderr, isTrial } = this.#work;
    const missed = notReached([this.#tally], this.#messages, ending !== undefined);
    stdout.write(form === 'json' ? this.#json(missed) : this.#text(missed));
    if (ending !== undefined) throw endingOf(ending.error);
    if (this.#tally.failures.length === 0) return 0;
    const kept = 'keep the old secret key: there are messages that only it may open';
    if (!isTrial) stderr.write(`sealdir: ${kept}\n`);
    return EXIT.data;
  }

  #text(missed: number): string {
    const done = this.#work.isTrial ? 'to be resealed' : 'resealed';
    return `${visible(this.#tally.address)}: ${this.#tally.counts(done)}, not reached ${missed}\n`;
  }

  #json(missed: number): string {
    const { sealed: resealed, told } = this.#tally;
    const outcome = { dryRun: this.#work.isTrial, resealed, ...told, notReached: missed };
    return `${visibleJson(JSON.stringify(outcome, null, 2))}\n`;
  }
}
