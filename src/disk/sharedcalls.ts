/**
 * Single file calls, each under the share of libuv's threads that its file system has
 * (threadshare.ts).
 */
import { dirname } from 'node:path';
import { appendLocked, type Lock } from './append.ts';
import type { FileCalls } from './calls.ts';
import type { Disk, OpenFile } from './disk.ts';
import type { FileSystems } from './filesystems.ts';
import type { ThreadShare } from './threadshare.ts';

export type SharedCalls = Pick<
  Disk,
  | 'create'
  | 'unlink'
  | 'mkdir'
  | 'makeEmpty'
  | 'isDirectory'
  | 'syncDirectory'
  | 'find'
  | 'stat'
  | 'append'
  | 'free'
>;

export function sharedCalls(
  calls: FileCalls,
  fileSystems: Pick<FileSystems, 'of' | 'free'>,
  lock: Lock,
): SharedCalls {
  const shareOf = async (directory: string) => (await fileSystems.of(directory)).threads;
  return {
    async create(path, mode) {
      const share = await shareOf(dirname(path));
      return sharedFile(await share.run(() => calls.create(path, mode)), share);
    },
    async unlink(path) {
      const share = await shareOf(dirname(path));
      await share.runNeverRefused(() => calls.unlink(path));
    },
    async mkdir(path, mode) {
      const share = await shareOf(dirname(path));
      await share.run(() => calls.mkdir(path, mode));
    },
    async makeEmpty(path, mode) {
      const share = await shareOf(dirname(path));
      await share.run(() => calls.makeEmpty(path, mode));
    },
    async isDirectory(path) {
      const share = await shareOf(path);
      return share.run(() => calls.isDirectory(path));
    },
    async syncDirectory(path) {
      const share = await shareOf(path);
      await share.run(() => calls.syncDirectory(path));
    },
    async find(directory, isIt) {
      const share = await shareOf(directory);
      return share.run(() => calls.find(directory, isIt));
    },
    async stat(path) {
      const share = await shareOf(path);
      return share.run(() => calls.stat(path));
    },
    async append(path, line) {
      const share = await shareOf(dirname(path));
      await appendLocked(path, line, lock, (call) => share.run(call));
    },
    free: (directory) => fileSystems.free(directory),
  };
}

function sharedFile(file: OpenFile, share: ThreadShare): OpenFile {
  return {
    writev: (pieces) => share.run(() => file.writev(pieces)),
    sync: () => share.run(() => file.sync()),
    close: () => share.runNeverRefused(() => file.close()), // never refused: a descriptor is at stake
  };
}
