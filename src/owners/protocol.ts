/** What a server and a writer say to each other, in the heads of frames. */
import type { Owner } from '../core/owner.ts';

/** Most bytes of a request: a batch, or a piece of a large file, with its head. */
export const MOST_REQUEST_BYTES = 4 * 1024 * 1024;
/** Most bytes of a reply: the answers to a batch, or some of the names in a mailbox. */
export const MOST_REPLY_BYTES = 64 * 1024;
/** Most bytes of what a server says first: whose writer it wants. */
export const MOST_GREETING_BYTES = 100;
/** Most names in a reply: each has 255 bytes at most, of which JSON makes up to 6 of one. */
export const MOST_NAMES = 40;

/** The calls of disk/disk.ts and disk/calls.ts; `perform` makes a batch, `file` stands for an open file. */
export type Request =
  | { readonly call: 'perform'; readonly order: unknown }
  | { readonly call: 'writev' | 'sync' | 'close'; readonly file: number }
  | { readonly call: 'append'; readonly path: string; readonly line: string }
  /** The names in new/ or cur/, or of the folders in a Maildir, from this number on, MOST_NAMES of them. */
  | { readonly call: 'list'; readonly path: string; readonly from: number }
  | {
      readonly call:
        | 'create'
        | 'mkdir'
        | 'makeEmpty'
        | 'unlink'
        | 'isDirectory'
        | 'syncDirectory'
        | 'stat'
        | 'statfs';
      readonly path: string;
    };

/** The error of a call; `errno` is what decides the reply to the client. */
export type Trouble = Pick<NodeJS.ErrnoException, 'message' | 'code' | 'errno' | 'syscall'>;

/** With the `id` of the request. The greeting is answered with the `id` 0. */
export type Reply = { readonly id: number } & ({ readonly result: unknown } | { readonly trouble: Trouble });

/** What of an error's message goes to the log: its beginning, where the call and the path are. */
const MOST_MESSAGE = 300;
const CODE = /^[A-Z][A-Z0-9_]{1,40}$/;
const SYSCALL = /^[a-z0-9_]{1,40}$/;

/** Returns what may be told of an error, whoever says it; undefined of anything that is none. */
export function troubleOf(error: unknown): Trouble | undefined {
  const { message, code, errno, syscall } = (error ?? {}) as Partial<Record<keyof Trouble, unknown>>;
  if (typeof message !== 'string') return undefined;
  return {
    message: message.slice(0, MOST_MESSAGE),
    ...(typeof code === 'string' && CODE.test(code) ? { code } : {}),
    ...(Number.isInteger(errno) ? { errno: Number(errno) } : {}),
    ...(typeof syscall === 'string' && SYSCALL.test(syscall) ? { syscall } : {}),
  };
}

/** Returns the owner that a greeting names. Throws on anything else. */
export function ownerOf(greeting: unknown): Owner {
  const { uid, gid } = (greeting ?? {}) as Partial<Owner>;
  for (const id of [uid, gid])
    if (!Number.isInteger(id) || Number(id) < 0 || Number(id) > 0xfffffffe) throw new Error('not a greeting');
  return { uid: Number(uid), gid: Number(gid) };
}
