/**
 * Tells whether the disk under a mailbox has room, asked at RCPT: it is better to defer then than when the
 * disk is full and other programs on it fail. Where nothing is known in time mail goes on, since a full disk
 * is still met when the copy is written.
 */
import type { Disk } from '../disk/disk.ts';

/** A margin: a copy needs 1 file, with a new Maildir 5. */
const LEAST_FILES = 100;

export class Space {
  readonly #disk: Pick<Disk, 'free'>;

  constructor(disk: Pick<Disk, 'free'>) {
    this.#disk = disk;
  }

  /**
   * Says what is lacking for `mailbox` (a Maildir path, there or not), in words for the log. Undefined:
   * nothing we know of.
   */
  async shortage(mailbox: string, wantedBytes: number): Promise<string | undefined> {
    const free = await this.#disk.free(mailbox);
    if (free === undefined) return undefined;
    if (free.bytes < wantedBytes) return `${free.bytes} bytes free for ${mailbox}, ${wantedBytes} wanted`;
    return free.files < LEAST_FILES ? `room for ${free.files} files for ${mailbox}` : undefined;
  }
}
