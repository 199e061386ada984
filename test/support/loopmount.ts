// A small journaled file system in a file, mounted through a loop device: one whose power can be cut, that
// can be frozen, and that the root file system's own peculiarities (no journal, perhaps) have no part in.
//
// If the test process dies, a guard thaws and unmounts it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, readlink, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { leftOut, needs, programPath } from './peers.ts';
import { run } from './process.ts';
import { until } from './until.ts';

export type FileSystem = 'ext4' | 'xfs';

// The least that mkfs accepts. The files are sparse.
const BYTES: Readonly<Record<FileSystem, number>> = { ext4: 64 * 1024 * 1024, xfs: 300 * 1024 * 1024 };
const GUARD = 'read -r _; fsfreeze -u "$1"; umount -l "$1"; rm -rf "$2"';

/** Resolves to options for node:test. It tries to mount, since root in a container may not be allowed to. */
export async function needsLoopMount(...programs: readonly string[]): Promise<{ skip: string | false }> {
  const { skip } = needs(
    'root',
    'mount',
    'umount',
    'nsenter',
    'losetup',
    'mkfs.ext4',
    'mkfs.xfs',
    ...programs,
  );
  if (skip !== false) return { skip };
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-mount-'));
  try {
    await (await LoopMount.open('ext4', directory)).close();
    return { skip: false };
  } catch (error) {
    return leftOut(`mounting a file: ${(error as Error).message.trim()}`);
  } finally {
    await rm(directory, { recursive: true });
  }
}

export class LoopMount {
  /** Where it is mounted. */
  readonly directory: string;
  /** The file that holds it. */
  readonly image: string;
  readonly #options: string;
  readonly #home: string;
  readonly #guard: ChildProcess;

  private constructor(directory: string, home: string, options: string) {
    this.directory = directory;
    this.image = join(home, 'image');
    this.#options = options;
    this.#home = home;
    const stdio = ['pipe', 'ignore', 'ignore'] as const;
    this.#guard = spawn('sh', ['-c', GUARD, 'guard', directory, home], { detached: true, stdio: [...stdio] });
    this.#guard.unref();
  }

  /** Makes a file system and mounts it on a directory. */
  static async open(
    type: FileSystem,
    directory: string,
    options = '',
    bytes = BYTES[type],
  ): Promise<LoopMount> {
    const mount = new LoopMount(directory, await mkdtemp(join(tmpdir(), 'sealdir-loop-')), options);
    try {
      await writeFile(mount.image, '');
      await truncate(mount.image, bytes);
      await must(`mkfs.${type}`, '-q', mount.image);
      await mount.mount();
      return mount;
    } catch (error) {
      await mount.close();
      throw error;
    }
  }

  async mount(): Promise<void> {
    await must('mount', '-o', ['loop', this.#options].filter(Boolean).join(), this.image, this.directory);
  }

  /**
   * Unmounts, once no process has a file open there any more. So are the copies in namespaces of other tests:
   * with one of them left, the next mount would find the file system as it is, and not what its image has.
   */
  async unmount(): Promise<void> {
    await until(
      `${this.directory} is unmounted`,
      async () => (await run('umount', [this.directory])).code === 0,
    );
    await until(`nobody holds ${this.directory}`, async () => {
      const holders = await this.#holders(); // one may end before it is asked
      for (const pid of holders) await run('nsenter', ['-t', pid, '-m', 'umount', '-l', this.directory]);
      // a namespace whose last process has ended lets go of it a little later
      return holders.length === 0 && (await this.#device()) === '';
    });
  }

  /** Returns a process of each mount namespace in which this is mounted: an old one, which may last. */
  async #holders(): Promise<string[]> {
    const holders = new Map<string, string>();
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)))
      try {
        const isThere = (await readFile(`/proc/${pid}/mountinfo`, 'utf8')).includes(` ${this.directory} `);
        const namespace = await readlink(`/proc/${pid}/ns/mnt`);
        if (isThere && !holders.has(namespace)) holders.set(namespace, pid);
      } catch {
        // it has ended
      }
    return [...holders.values()];
  }

  /**
   * Gets a power cut ready: once the result is called, nothing more reaches the image, and what was not
   * forced there is lost. Until it is unmounted every call fails with EIO.
   */
  armPowerCut(): () => Promise<void> {
    const args = ['-x', '-c', 'shutdown', this.directory];
    // The program is started now and waits for a line, so that the cut comes right after an acknowledgement.
    const child = spawn('sh', ['-c', `read -r _; exec "$@"`, 'cut', programPath('xfs_io') ?? '', ...args], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    return async () => {
      child.stdin.end('\n');
      const [code] = await once(child, 'exit');
      if (code !== 0) throw new Error(`xfs_io ended with ${code}`);
    };
  }

  async remount(options: string): Promise<void> {
    await must('mount', '-o', `remount,${options}`, this.directory);
  }

  /**
   * Makes ext4 meet an error (`errors=remount-ro`): it turns read-only at once, also for files that are open.
   */
  async failReadOnly(): Promise<void> {
    const device = basename(await this.#device());
    await writeFile(`/sys/fs/ext4/${device}/trigger_fs_error`, 'made up by a test');
  }

  /** Resolves to the path of the loop device; '' once the file system is gone. */
  async #device(): Promise<string> {
    const { stdout } = await run('losetup', ['--noheadings', '--output', 'NAME', '--associated', this.image]);
    return stdout.toString().trim();
  }

  /** Freezes it: from now on a process that writes there waits and cannot be killed. */
  async freeze(): Promise<void> {
    await must('fsfreeze', '-f', this.directory);
  }

  async thaw(): Promise<void> {
    await must('fsfreeze', '-u', this.directory);
  }

  /** Unmounts and removes it, in whatever state it is. */
  async close(): Promise<void> {
    await run('fsfreeze', ['-u', this.directory]);
    await run('umount', [this.directory]);
    await run('umount', ['-l', this.directory]); // for the case that files are still open there
    this.#guard.kill('SIGKILL');
    await rm(this.#home, { recursive: true, force: true });
  }
}

async function must(command: string, ...args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(command, args);
  if (code !== 0) throw new Error(`${command}: ${stderr}`);
}
