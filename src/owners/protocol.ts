/** What a server and a writer say to each other, in the heads of frames. */
import type { Owner } from '../core/owner.ts';

/** Most bytes of a request: a batch, or a piece of a large file, with its head. */
export const MOST_REQUEST_BYTES = 4 * 1024 * 1024;
/** Most bytes of a reply: the names of a mailbox with 100,000 messages. */
export const MOST_REPLY_BYTES = 16 * 1024 * 1024;
/** Most bytes of what a server says first: whose writer it wants. */
export const MOST_GREETING_BYTES = 100;

/** The calls of disk/disk.ts and disk/calls.ts; `perform` makes a batch, `file` stands for an open file. */
export type Request =
  | { readonly call: 'perform'; readonly order: unknown }
  | { readonly call: 'create' | 'mkdir'; readonly path: string; readonly mode: number }
  | { readonly call: 'writev' | 'sync' | 'close'; readonly file: number }
  | { readonly call: 'append'; readonly path: string; readonly line: string }
  | {
      readonly call: 'unlink' | 'isDirectory' | 'syncDirectory' | 'list' | 'stat' | 'statfs';
      readonly path: string;
    };

/** The error of a call; `errno` is what decides the reply to the client. */
export type Trouble = Pick<NodeJS.ErrnoException, 'message' | 'code' | 'errno' | 'syscall'>;

/** With the `id` of the request. The greeting is answered with the `id` 0. */
export type Reply = { readonly id: number } & ({ readonly result: unknown } | { readonly trouble: Trouble });

export function troubleOf(error: unknown): Trouble {
  const { message, code, errno, syscall } = error as NodeJS.ErrnoException;
  return { message, code, errno, syscall } as Trouble;
}

/** Returns the owner that a greeting names. Throws on anything else. */
export function ownerOf(greeting: unknown): Owner {
  const { uid, gid } = (greeting ?? {}) as Partial<Owner>;
  for (const id of [uid, gid])
    if (!Number.isInteger(id) || Number(id) < 0 || Number(id) > 0xfffffffe) throw new Error('not a greeting');
  return { uid: Number(uid), gid: Number(gid) };
}
