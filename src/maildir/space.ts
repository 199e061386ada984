/**
 * Whether the disk under a mailbox has room, asked at RCPT: better deferred then than when the
 * disk is full and whatever else lives on it has come to a halt. statfs(2) is asked once a second
 * for each file system; where it fails, or hangs, mail goes on, since a full disk is still met
 * when the copy is written.
 */
import { dirname } from 'node:path';
import { Lately } from '../core/lately.ts';
import type { World } from '../core/world.ts';
import type { Disk, Free } from '../disk/disk.ts';

const FREE_FOR_MS = 1000;
/** Disks are seldom mounted under a running server. */
const MOUNTED_FOR_MS = 60_000;
const WAIT_MS = 1000;
/** A copy needs one file, and five with a new Maildir. */
const LEAST_FILES = 100;

export interface SpaceParts {
  readonly disk: Pick<Disk, 'device' | 'free'>;
  readonly world: Pick<World, 'micros'>;
  /** Directory all mailboxes are under. */
  readonly root: string;
}

interface Place {
  readonly device: number;
  /** A directory on it. */
  readonly path: string;
}

export class Space {
  readonly #parts: SpaceParts;
  readonly #places: Lately<string, Place>; // by mailbox
  readonly #free: Lately<number, Free>; // by device

  constructor(parts: SpaceParts) {
    this.#parts = parts;
    this.#places = new Lately({ world: parts.world, keepMs: MOUNTED_FOR_MS, waitMs: WAIT_MS });
    this.#free = new Lately({ world: parts.world, keepMs: FREE_FOR_MS, waitMs: WAIT_MS });
  }

  /** What is lacking under `mailbox` (a Maildir path, there or not), in words for the log; undefined: nothing we know of. */
  async lack(mailbox: string, wantedBytes: number): Promise<string | undefined> {
    const place = await this.#places.get(mailbox, () => this.#placeOf(mailbox));
    if (place === undefined) return undefined;
    const { device, path } = place;
    const free = await this.#free.get(device, () => this.#parts.disk.free(path));
    if (free === undefined) return undefined;
    if (free.bytes < wantedBytes) return `${free.bytes} bytes free at ${path}, ${wantedBytes} wanted`;
    return free.files < LEAST_FILES ? `room for ${free.files} files at ${path}` : undefined;
  }

  /** The mailbox itself, or what it will be made in. */
  async #placeOf(path: string): Promise<Place> {
    const { disk, root } = this.#parts;
    try {
      return { device: await disk.device(path), path };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || path === root || dirname(path) === path)
        throw error;
      return this.#placeOf(dirname(path));
    }
  }
}
