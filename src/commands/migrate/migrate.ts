/**
 * `sealdir migrate`: the messages that are in mailboxes already are sealed where they are. Never throws for a
 * message or a mailbox: it is told, and the others go on. A full disk ends it, and so does a signal, after
 * the messages that are in hand.
 */
import type { Settings } from '../../config/settings.ts';
import { visible } from '../../core/visible.ts';
import type { World } from '../../core/world.ts';
import { giveWay } from '../../edge/giveway.ts';
import { byOwner } from '../../stored/byowner.ts';
import { type Folder, foldersOf, type Wanted } from '../../stored/folders.ts';
import { formFor } from '../../stored/form.ts';
import { findMailboxes, type Mailbox, type Unsealable } from '../../stored/mailboxes.ts';
import { StoredWork } from '../../stored/work.ts';
import { CommandError, EXIT } from '../errors.ts';
import { untilInterrupted } from '../interrupt.ts';
import { Progress } from '../progress.ts';
import { endingOf, isClean, jsonOf, lineOf, notReached, type Outcome, Tally, textOf } from './tally.ts';

export interface Migration extends Wanted {
  readonly settings: Settings;
  readonly world: World;
  /** Undefined: all mailboxes. */
  readonly addresses: readonly string[] | undefined;
  readonly bytesPerSecond: number;
  readonly isTrial: boolean;
  readonly form: 'text' | 'json';
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** Mailboxes at once, and messages of each: more do not make it faster on two cores. */
const MAILBOXES = 2;
const MESSAGES = 4;

interface Job {
  readonly mailbox: Mailbox;
  readonly folders: readonly Folder[];
  readonly tally: Tally;
}

/** Resolves to the exit code: 0 only if nothing failed. Throws CommandError. */
export async function migrate(migration: Migration): Promise<number> {
  const { settings, world, addresses } = migration;
  const { mailboxes, unsealable } = await findMailboxes(settings, world, addresses);
  giveWay();
  const run = new Run(migration, [...unsealable]);
  for (const mailbox of mailboxes) await run.add(mailbox);
  if (migration.only !== undefined && !run.hasFolders)
    throw new CommandError('noInput', 'no mailbox has this folder');
  return run.all();
}

class Run {
  readonly #migration: Migration;
  readonly #unsealable: Unsealable[];
  readonly #jobs: Job[] = [];
  readonly #work: StoredWork;
  #progress: Progress;

  constructor(migration: Migration, unsealable: Unsealable[]) {
    this.#migration = migration;
    this.#unsealable = unsealable;
    const { world, bytesPerSecond, settings } = migration;
    const leastFree = settings.store.min_free_space;
    this.#work = new StoredWork({ world, bytesPerSecond, leastFree, atOnce: MESSAGES });
    this.#progress = this.#bar();
  }

  async add(mailbox: Mailbox): Promise<void> {
    try {
      const folders = await foldersOf(mailbox, this.#migration);
      this.#jobs.push({ mailbox, folders, tally: new Tally(mailbox.address) });
    } catch (error) {
      this.#unsealable.push({ of: mailbox.address, why: (error as Error).message });
    }
  }

  get hasFolders(): boolean {
    return this.#jobs.some(({ folders }) => folders.length > 0);
  }

  async all(): Promise<number> {
    for (const { of, why } of this.#unsealable) this.#say(`${visible(of)} is left alone: ${visible(why)}`);
    this.#progress = this.#bar();
    let ending: { readonly error: unknown } | undefined;
    await untilInterrupted((pause) =>
      byOwner(
        this.#jobs,
        ({ mailbox }) => mailbox.path,
        async (jobs) => {
          const left = jobs.values();
          const work = async () => {
            for (const job of left) {
              if (ending !== undefined) return;
              await this.#one(job, pause).catch((error: unknown) => {
                ending ??= { error };
              });
            }
          };
          await Promise.all(Array.from({ length: MAILBOXES }, work));
        },
      ),
    );
    this.#progress.end();
    return this.#end(ending?.error);
  }

  async #one({ mailbox, folders, tally }: Job, pause: () => void): Promise<void> {
    const { settings, world, isTrial } = this.#migration;
    const maxHeaderBytes = settings.lmtp.max_header_size;
    for (const folder of folders)
      await this.#work.seal(folder, {
        form: formFor({ ...mailbox, directory: folder.directory, maxHeaderBytes, world }),
        isTrial,
        check: pause,
        report: {
          sealed: (bytes) => {
            tally.sealed += 1;
            this.#progress.step(1, bytes);
          },
          left: (why) => {
            tally.leave(why);
            this.#progress.step();
          },
          failed: (...failure) => this.#say(tally.fail(...failure)),
        },
      });
    this.#progress.end();
    if (this.#migration.form === 'text') this.#migration.stdout.write(`${lineOf(tally, isTrial)}\n`);
  }

  #end(error: unknown): number {
    const { form, isTrial, stdout } = this.#migration;
    const tallies = this.#jobs.map(({ tally }) => tally);
    const there = this.#jobs.flatMap(({ folders }) => folders).reduce((sum, each) => sum + each.messages, 0);
    const isEnded = error !== undefined;
    const outcome: Outcome = {
      tallies,
      unsealable: this.#unsealable,
      notReached: notReached(tallies, there, isEnded),
      isTrial,
    };
    stdout.write(form === 'json' ? jsonOf(outcome) : textOf(outcome));
    if (isEnded) throw endingOf(error);
    return isClean(outcome) ? 0 : EXIT.data;
  }

  #say(line: string): void {
    this.#progress.end();
    this.#migration.stderr.write(`sealdir: ${line}\n`);
  }

  #bar(): Progress {
    const folders = this.#jobs.flatMap((job) => job.folders);
    const messages = folders.reduce((sum, each) => sum + each.messages, 0);
    const bytes = folders.reduce((sum, each) => sum + each.bytes, 0);
    return new Progress(this.#migration.stderr, this.#migration.world, 'messages', messages, bytes);
  }
}
