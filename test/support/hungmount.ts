// A file system that hangs whenever the test wants it to: a directory mounted once more through bindfs
// (FUSE), whose process is stopped. Then every call there hangs, stat(2) too, and nothing but SIGKILL ends
// who made it.
//
// Should the test process die, a guard unmounts it.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { leftOut, needs, programPath } from './peers.ts';
import { run } from './process.ts';
import { until } from './until.ts';

const GUARD = 'read -r _; umount -l "$1"; kill -KILL "$2"; rm -rf "$3"';

/** Options for node:test. Root in a container may lack the permission to mount, so it is tried. */
export async function needsHungMount(): Promise<{ skip: string | false }> {
  const { skip } = needs('root', 'bindfs', 'umount');
  if (skip !== false) return { skip };
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-mount-'));
  try {
    await (await HungMount.open(directory)).close();
    return { skip: false };
  } catch (error) {
    return leftOut(`mounting by FUSE: ${(error as Error).message.trim()}`);
  } finally {
    await rm(directory, { recursive: true });
  }
}

export class HungMount implements AsyncDisposable {
  /** Where it is mounted. */
  readonly directory: string;
  readonly #source: string;
  readonly #daemon: ChildProcess;
  readonly #guard: ChildProcess;

  private constructor(directory: string, source: string) {
    this.directory = directory;
    this.#source = source;
    this.#daemon = spawn(programPath('bindfs') ?? 'bindfs', ['-f', source, directory], { stdio: 'ignore' });
    this.#daemon.unref();
    const args = ['-c', GUARD, 'guard', directory, `${this.#daemon.pid}`, source];
    this.#guard = spawn('sh', args, { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    this.#guard.unref();
  }

  /** Mounts a new, empty file system on a directory. */
  static async open(directory: string): Promise<HungMount> {
    const mount = new HungMount(directory, await mkdtemp(join(tmpdir(), 'sealdir-hung-')));
    try {
      await until(`${directory} is mounted`, async () =>
        (await readFile('/proc/self/mountinfo', 'utf8')).includes(` ${directory} `),
      );
      return mount;
    } catch (error) {
      await mount.close();
      throw error;
    }
  }

  hang(): void {
    this.#daemon.kill('SIGSTOP');
  }

  resume(): void {
    this.#daemon.kill('SIGCONT');
  }

  /** Safe to call in whatever state it is. */
  async close(): Promise<void> {
    this.resume();
    await run('umount', ['-l', this.directory]);
    this.#daemon.kill('SIGKILL');
    this.#guard.kill('SIGKILL');
    await rm(this.#source, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
