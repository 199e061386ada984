// Makes the disk calls of a delivery and nothing else: create, write, fsync, close, rename, and fsync of the
// directory.

import { type FileHandle, mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

/** Stores messages in one new Maildir, `inFlight` of them at a time. Resolves to messages per second. */
export async function bareStore(
  directory: string,
  bytes: number,
  inFlight: number,
  seconds: number,
): Promise<number> {
  for (const name of ['', 'tmp', 'new']) await mkdir(join(directory, name), { recursive: true });
  const content = Buffer.alloc(bytes, 'x');
  const start = performance.now();
  const end = start + seconds * 1000;
  let stored = 0;
  const work = async (_: unknown, worker: number) => {
    for (let count = 0; performance.now() < end; count++) {
      await storeOne(directory, `${worker}.${count}`, content);
      stored++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  return stored / ((performance.now() - start) / 1000);
}

async function storeOne(directory: string, name: string, content: Buffer): Promise<void> {
  const staged = join(directory, 'tmp', name);
  await using(open(staged, 'wx', 0o600), async (file) => {
    await file.write(content);
    await file.sync();
  });
  await rename(staged, join(directory, 'new', name));
  await using(open(join(directory, 'new'), 'r'), (handle) => handle.sync());
}

async function using(
  opening: Promise<FileHandle>,
  use: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const handle = await opening;
  try {
    await use(handle);
  } finally {
    await handle.close();
  }
}
