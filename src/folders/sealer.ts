/**
 * Seals messages of one folder, with the keys that mail for its owner is sealed to now. Whoever has none has
 * their folders left in clear, which is said once.
 */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { visiblePath } from '../core/visible.ts';
import { realCalls } from '../inplace/calls.ts';
import { DiskFull } from '../inplace/staging.ts';
import { UIDLIST } from '../inplace/uidlist.ts';
import { byOwner } from '../stored/byowner.ts';
import { indexOf } from '../stored/folders.ts';
import { formFor } from '../stored/form.ts';
import { Finder, type Mailbox } from '../stored/mailboxes.ts';
import { StoredWork } from '../stored/work.ts';
import type { Place } from './due.ts';
import type { GuardParts } from './parts.ts';

/** As that of `migrate`. */
const BYTES_PER_SECOND = 2 * 1024 * 1024;
const AT_ONCE = 2;

export class FolderSealer {
  readonly #parts: GuardParts;
  readonly #work: StoredWork;
  /** Path of a folder -> why it is left in clear. */
  readonly #left = new Map<string, string>();

  constructor(parts: GuardParts) {
    this.#parts = parts;
    const { world, settings } = parts;
    const leastFree = settings.store.min_free_space;
    this.#work = new StoredWork({ world, bytesPerSecond: BYTES_PER_SECOND, leastFree, atOnce: AT_ONCE });
  }

  /** Seals messages that have these names. False: something is left, and is to be tried again. */
  async seal(place: Place, names: ReadonlySet<string>): Promise<boolean> {
    const mailbox = await this.#mailboxOf(place);
    if (typeof mailbox === 'string') {
      this.#leave(place, mailbox);
      return false;
    }
    this.#left.delete(place.path);
    const outcome = { sealed: 0, failed: 0 };
    try {
      await byOwner(
        [mailbox],
        ({ path }) => path,
        () => this.#sealIn(place, mailbox, names, outcome),
      );
    } catch (error) {
      if (!(error instanceof DiskFull)) throw error;
      this.#tell(place, error.message, outcome);
    }
    const { sealed, failed } = outcome;
    this.#parts.note({ ...outcome, left: this.#left.size });
    const { address, name: folder } = place;
    if (sealed > 0) this.#parts.say('info', 'folder sealed', { address, folder, messages: sealed });
    return failed === 0;
  }

  /** Resolves to the mailbox with its keys, or to why it is left. */
  async #mailboxOf(place: Place): Promise<Mailbox | string> {
    const { address, mailbox: path } = place;
    const { settings, lookup } = this.#parts;
    const ownUid = process.geteuid?.() ?? 0;
    const { uid } = await lstat(path);
    if (ownUid !== 0 && uid !== ownUid)
      return `its files belong to another user (uid ${uid}): run sealdir migrate as that user, or as root`;
    const elsewhere = await this.#indexElsewhere(place);
    if (elsewhere !== undefined) return elsewhere;
    const finder = new Finder(settings, lookup);
    await finder.add(address, path);
    return finder.mailboxes[0] ?? finder.unsealable[0]?.why ?? 'it has no owner';
  }

  /** Where Dovecot has a list of UIDs it has an index too, and clients would get what that remembers. */
  async #indexElsewhere(place: Place): Promise<string | undefined> {
    const index = this.#indexOf(place);
    const hasList = (await realCalls.look(join(place.path, UIDLIST))) !== undefined;
    if (!hasList || (await realCalls.look(join(index, 'dovecot.index.log'))) !== undefined) return undefined;
    return `Dovecot's index is not in ${visiblePath(index)}: store.seal_index has to say where it is`;
  }

  #indexOf({ address, path, directory }: Place): string {
    const { seal_index: index } = this.#parts.settings.store;
    return indexOf(address, path, directory, index === '' ? undefined : index);
  }

  #leave({ address, name: folder, path }: Place, why: string): void {
    const { say, note } = this.#parts;
    if (this.#left.get(path) !== why) say('warn', 'folder left in clear', { address, folder, reasons: why });
    this.#left.set(path, why);
    note({ sealed: 0, failed: 0, left: this.#left.size });
  }

  async #sealIn(
    place: Place,
    mailbox: Mailbox,
    names: ReadonlySet<string>,
    outcome: { sealed: number; failed: number },
  ): Promise<void> {
    const { settings, world, ended } = this.#parts;
    const { path, directory } = place;
    const maxHeaderBytes = settings.lmtp.max_header_size;
    await this.#work.seal(
      { directory, path, index: this.#indexOf(place) },
      {
        form: formFor({ ...mailbox, directory, maxHeaderBytes, world }),
        isTrial: false,
        isWanted: async (_, name) => !ended.aborted && names.has(name),
        check: () => ended.throwIfAborted(),
        report: {
          sealed: () => {
            outcome.sealed += 1;
          },
          left: () => {},
          failed: (_, name, why) => this.#tell(place, `${name ?? 'the folder'}: ${why}`, outcome),
        },
      },
    );
  }

  #tell({ address, name: folder }: Place, error: string, outcome: { failed: number }): void {
    outcome.failed += 1;
    this.#parts.say('error', 'folder not sealed', { address, folder, error });
  }
}
