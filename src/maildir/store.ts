/**
 * The Maildir store: tmp/ then new/ (maildir(5)); a file is whole and fsynced before its rename.
 *
 *   S1 nothing -> S2 partial in tmp/ -> S3 whole and fsynced in tmp/ -> S4 in new/ -> S5 new/ fsynced
 *
 * A file in new/ is always whole, and only S5 may be acknowledged. Whatever goes wrong before, the
 * file is unlinked; what a crash leaves in tmp/ is swept later (sweep.ts). Knows nothing of mail or
 * keys: it is given bytes, and they are already sealed.
 */
import { join } from 'node:path';
import type { Meter } from '../core/meter.ts';
import type { World } from '../core/world.ts';
import type { Disk } from '../disk/disk.ts';
import { uniqueName } from './filename.ts';
import { Maildirs } from './maildirs.ts';
import { MaildirSizes } from './maildirsize.ts';
import { Roots } from './roots.ts';
import { Space } from './space.ts';
import { StagedFile } from './stagedfile.ts';
import { holds } from './stored.ts';
import { StoreIdentity } from './storeidentity.ts';
import type { StoreMarks } from './storemark.ts';

export interface StoreParts {
  readonly disk: Disk;
  readonly world: World;
  readonly meter: Meter;
  /** All mailboxes are under these directories, which are never created; nothing above them is synced. */
  readonly roots: readonly string[];
  /**
   * The files are another user's. Their home may be a file system of its own, so that identity() is about the
   * directory under the root, and it may take a process to find out, so that it is waited for.
   */
  readonly isOwned?: boolean;
  /** What tells hosts that they have the same store; left out: nobody asks. */
  readonly marks?: StoreMarks | undefined;
  /** Is told what went wrong with a `maildirsize`. Left out: no bytes are counted. */
  noteSizes?(error: unknown): void;
}

export class Store {
  readonly space: Space;
  /** Where the bytes of each mailbox are counted; undefined if they are not. */
  readonly sizes: MaildirSizes | undefined;
  readonly #parts: StoreParts;
  readonly #maildirs: Maildirs;
  readonly #roots: Roots;
  readonly #identities = new Map<string, StoreIdentity>(); // by root
  #count = 0;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#roots = new Roots(parts.roots);
    this.space = new Space(parts.disk);
    this.sizes = parts.noteSizes && new MaildirSizes({ disk: parts.disk, fault: parts.noteSizes });
    this.#maildirs = new Maildirs(parts.disk, this.#roots);
  }

  /**
   * Tells which store a mailbox is in: see StoreIdentity. Undefined if that is not known. Where files are
   * another user's, throws then, or lets wait.
   */
  async identity(mailbox: string): Promise<string | undefined> {
    const root = this.#roots.of(mailbox);
    if (root === undefined) return undefined;
    if (!this.#parts.isOwned) return this.#identityOf(root).now();
    const [name = '', ...below] = mailbox.slice(root.length).split('/').filter(Boolean);
    return this.#identityOf(below.length === 0 ? root : join(root, name)).certain();
  }

  /** Of files that are another user's it is not known. */
  async sharedIdentity(mailbox: string): Promise<string | undefined> {
    const root = this.#roots.of(mailbox);
    return this.#parts.isOwned || root === undefined ? undefined : this.#parts.marks?.of(root);
  }

  #identityOf(directory: string): StoreIdentity {
    const identity =
      this.#identities.get(directory) ?? new StoreIdentity({ ...this.#parts, root: directory });
    this.#identities.set(directory, identity);
    return identity;
  }

  /** Whether a message is whole in a mailbox; makes sure that it stays. See holds(). */
  holds(mailbox: string, isIt: (name: string) => boolean): Promise<boolean> {
    return holds(this.#parts.disk, mailbox, isIt);
  }

  /** Tells whether a path is a directory, or a link to one. Throws where that cannot be asked. */
  isDirectory(path: string): Promise<boolean> {
    return this.#parts.disk.isDirectory(path);
  }

  /** Whether a mailbox is there, with whatever is in it. Throws where that cannot be asked. */
  has(mailbox: string): Promise<boolean> {
    return this.#parts.disk.stat(join(mailbox, 'new')).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false;
        throw error;
      },
    );
  }

  /** Whether a folder of a mailbox is there, with whatever is in it. Throws where that cannot be asked. */
  hasFolder(mailbox: string, folder: string): Promise<boolean> {
    return this.has(join(mailbox, folder));
  }

  /** Returns a new file for `mailbox` (a Maildir path). Nothing is on disk before its first write. */
  stage(mailbox: string): StagedFile {
    const { disk, world, meter } = this.#parts;
    const name = uniqueName(world, ++this.#count);
    const place = { mailbox, folder: '' };
    return new StagedFile({ disk, world, meter, maildirs: this.#maildirs, place, name });
  }
}
