/** Adds a line to a file that other programs write to as well, under its lock. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** Locks an open file until it is closed; false if another process has it. */
export type Lock = (fd: number) => boolean;

/** Others hold the lock for the time of one write. */
const TRIES = 20;
const TRY_MS = 10;

// never made; a link is not followed, and a named pipe not waited for
const { O_WRONLY, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants;

/** `ask` makes each call: nobody keeps a thread while they wait for the lock. */
export async function appendLocked(
  path: string,
  line: string,
  lock: Lock,
  ask: <T>(call: () => Promise<T>) => Promise<T>,
): Promise<void> {
  const file = await ask(() => open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK));
  try {
    if (!(await ask(() => file.stat())).isFile()) throw new Error(`${path} is no file`);
    for (let n = 0; !lock(file.fd); n++) {
      if (n === TRIES) throw new Error(`${path} is locked by another program`);
      await new Promise((resolve) => setTimeout(resolve, TRY_MS));
    }
    await ask(() => file.write(`${line}\n`));
  } finally {
    await ask(() => file.close());
  }
}
