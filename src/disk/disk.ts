/**
 * The port to the disk: every file call that a delivery makes, one method each, so that a test can
 * count the calls, fail them or cut them short. Together with `World` the only thing a test may
 * fake. The real one is openDisk (open.ts).
 */

export interface OpenFile {
  /** One writev(2), which may take fewer bytes than given. Resolves to how many it took. */
  writev(pieces: Buffer[]): Promise<number>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What is left for mail on a file system. */
export interface Free {
  readonly bytes: number;
  readonly files: number;
}

export interface Stats {
  readonly bytes: number;
  /** Another one if what is there has been replaced, even where the inode number is used again. */
  readonly identity: string;
}

export interface Disk {
  /** Opens a new file: O_CREAT|O_EXCL|O_WRONLY. */
  create(path: string, mode: number): Promise<OpenFile>;
  unlink(path: string): Promise<void>;
  /** Makes one directory, never its parents. Fails with EEXIST where something has that name. */
  mkdir(path: string, mode: number): Promise<void>;
  /** Makes an empty file, durable by itself. Fails with EEXIST where something has that name. */
  makeEmpty(path: string, mode: number): Promise<void>;
  /** Tells whether a path is a directory, or a link to one. Fails where that cannot be asked. */
  isDirectory(path: string): Promise<boolean>;
  /** Makes the names in a directory durable: fsync of the directory itself. */
  syncDirectory(path: string): Promise<void>;
  /** Finds a name in a directory. */
  find(directory: string, isIt: (name: string) => boolean): Promise<string | undefined>;
  /** Tells what is at a path, links followed. */
  stat(path: string): Promise<Stats>;
  /**
   * Adds a line to a file that is there, under its lock (flock(2)). Fails with ENOENT where there is none,
   * and where another program keeps the lock. Follows no link.
   */
  append(path: string, line: string): Promise<void>;
  /**
   * Tells what is left on the file system that a directory, there or not, is or would be on. The
   * figures are up to a second old. Undefined where they cannot be had within a second.
   */
  free(directory: string): Promise<Free | undefined>;
  /**
   * Delivers a small file in one go: makes it at `from` in tmp/, writes and fsyncs it, renames it
   * to `to` in new/, and fsyncs that directory. `pieces` are up to MAX_WHOLE_BYTES. Resolves to the
   * milliseconds that the file's fsync took. After an error nothing of the file is left, unless
   * it could not be removed. Asks `isWanted` right before: if false, fails with nothing done.
   */
  deliver(
    from: string,
    to: string,
    mode: number,
    pieces: readonly Buffer[],
    isWanted: () => boolean,
  ): Promise<number>;
  /**
   * Renames a file and fsyncs the directory it went to. If the rename fails nothing has changed;
   * if the fsync fails the file is gone. `isWanted` as for `deliver`.
   */
  renameAndSync(from: string, to: string, isWanted: () => boolean): Promise<void>;
  /** Fails what is queued, and everything that comes later. Idle threads end. */
  close(): void;
}

/** A file up to this size is delivered in one go; a larger one is written as its bytes come. */
export const MAX_WHOLE_BYTES = 256 * 1024;
