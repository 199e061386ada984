/**
 * The calls on files of the directory that remembers keys. What is written is durable when they return. They
 * are synchronous: only the keeper, which is a process of its own, and commands make them.
 */
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = fs.constants;

const BLOCK_BYTES = 64 * 1024;

export interface Opened {
  readonly fd: number;
  readonly bytes: number;
  /** Another one if another file has the name now. */
  readonly inode: number;
}

export class StateFiles {
  readonly directory: string;
  readonly #step: (name: string) => void;
  /** Whom new files belong to: root may run a command, and the server has to use them as well. */
  readonly #owner: { readonly uid: number; readonly gid: number } | undefined;

  /** `step` is told of each call right before it: tests end the process there. */
  constructor(directory: string, step: (name: string) => void = () => {}) {
    this.directory = directory;
    this.#step = step;
    const { uid, gid } = fs.statSync(directory);
    this.#owner = process.geteuid?.() === 0 && uid !== 0 ? { uid, gid } : undefined;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Returns the bytes of a file, from an offset on; undefined if it is not there. */
  read(name: string, from = 0): Buffer | undefined {
    const opened = this.open(name);
    if (opened === undefined) return undefined;
    try {
      const bytes = Buffer.alloc(Math.max(0, opened.bytes - from));
      let length = 0;
      while (length < bytes.length) {
        const read = fs.readSync(opened.fd, bytes, length, bytes.length - length, from + length);
        if (read === 0) break;
        length += read;
      }
      return bytes.subarray(0, length);
    } finally {
      fs.closeSync(opened.fd);
    }
  }

  /** Opens a regular file for reading; undefined if it is not there. Nothing that is planted is followed. */
  open(name: string): Opened | undefined {
    return orUndefined(() => {
      const fd = fs.openSync(this.path(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      const stats = fs.fstatSync(fd);
      if (stats.isFile()) return { fd, bytes: stats.size, inode: stats.ino };
      fs.closeSync(fd);
      throw new Error(`${this.path(name)} is no regular file`);
    });
  }

  /** Puts a whole file in place of the one that may be there. */
  replace(name: string, pieces: Iterable<string | Buffer>): void {
    this.put(name, pieces);
    this.syncDirectory(dirname(name));
  }

  /** Does the same, but for the name, which is durable when its directory is synced. */
  put(name: string, pieces: Iterable<string | Buffer>): void {
    const temporary = `${name}.${process.pid}.tmp`;
    fs.rmSync(this.path(temporary), { force: true });
    this.#step(`make ${name}`);
    const fd = fs.openSync(this.path(temporary), O_WRONLY | O_CREAT | O_EXCL, 0o600);
    this.#writeAndClose(fd, pieces, name);
    this.#step(`rename ${name}`);
    fs.renameSync(this.path(temporary), this.path(name));
  }

  /** Appends to a file that is there. If that fails, the file is as it was, as far as the disk allows it. */
  append(name: string, pieces: Iterable<string>): void {
    this.#step(`append ${name}`);
    const fd = fs.openSync(this.path(name), O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK);
    const { size } = fs.fstatSync(fd);
    try {
      this.#writeAndClose(fd, pieces, name);
    } catch (error) {
      this.cut(name, size);
      throw error;
    }
  }

  #writeAndClose(fd: number, pieces: Iterable<string | Buffer>, name: string): void {
    try {
      if (this.#owner !== undefined) fs.fchownSync(fd, this.#owner.uid, this.#owner.gid);
      for (const bytes of inBlocks(pieces))
        for (let at = 0; at < bytes.length; ) at += fs.writeSync(fd, bytes, at);
      this.#step(`sync ${name}`);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  }

  /** Cuts a file off after so many bytes. */
  cut(name: string, bytes: number): void {
    this.#step(`cut ${name}`);
    const fd = fs.openSync(this.path(name), O_RDWR | O_NOFOLLOW | O_NONBLOCK);
    try {
      fs.ftruncateSync(fd, bytes);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  }

  /** Makes a directory in the directory, unless it is there. */
  makeDirectory(name: string): void {
    if (fs.statSync(this.path(name), { throwIfNoEntry: false })?.isDirectory()) return;
    fs.mkdirSync(this.path(name), 0o700);
    if (this.#owner !== undefined) fs.chownSync(this.path(name), this.#owner.uid, this.#owner.gid);
    this.syncDirectory('.');
  }

  syncDirectory(name: string): void {
    this.#step(`sync directory ${name}`);
    const fd = fs.openSync(this.path(name), O_RDONLY);
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  }

  has(name: string): boolean {
    return fs.lstatSync(this.path(name), { throwIfNoEntry: false }) !== undefined;
  }

  list(name: string): string[] {
    return orUndefined(() => fs.readdirSync(this.path(name))) ?? [];
  }

  remove(name: string): void {
    this.#step(`remove ${name}`);
    fs.rmSync(this.path(name), { force: true });
  }

  /** Removes what a crash has left of files that were to replace others. Only while nobody makes any. */
  removeLeftovers(): void {
    for (const name of this.list('.')) if (/\.\d+\.tmp$/.test(name)) this.remove(name);
  }

  /** Opens a file that is only there to be locked. */
  openLock(name: string): number {
    const fd = fs.openSync(this.path(name), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    if (this.#owner !== undefined) fs.fchownSync(fd, this.#owner.uid, this.#owner.gid);
    return fd;
  }

  close(fd: number): void {
    fs.closeSync(fd);
  }
}

/** Yields the pieces, several of them at once. */
function* inBlocks(pieces: Iterable<string | Buffer>): Generator<Buffer> {
  let block: Buffer[] = [];
  let length = 0;
  for (const piece of pieces) {
    const bytes = Buffer.from(piece as string);
    block.push(bytes);
    length += bytes.length;
    if (length < BLOCK_BYTES) continue;
    yield Buffer.concat(block);
    block = [];
    length = 0;
  }
  yield Buffer.concat(block);
}

function orUndefined<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
