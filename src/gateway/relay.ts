/**
 * Passes bytes on in both directions, for the front, which has to be able to end without having seen a
 * message: what has been passed on is overwritten.
 */
import type { Duplex } from 'node:stream';
import type { Input } from '../imap/input.ts';
import { closeSoon } from './connection.ts';

/** One side: what was read of it already, and the stream itself. */
export interface Side {
  readonly input: Input;
  readonly stream: Duplex;
}

/** For each 64 KiB that a client does not read: what waits for it is held by the process of its user. */
const PATIENCE_MS = 60_000;
const AT_ONCE_BYTES = 64 * 1024;

type Passes = (piece: Buffer) => void;

/**
 * Resolves when the process of the user has ended the session, or the client is gone; both are closed then. A
 * client that has only said its last word still gets its answers (RFC 9293 §3.6). One that reads nothing of
 * what there is for `patienceMs` is gone. `passes` is told what the client gets.
 */
export async function relay(
  client: Side,
  user: Side,
  patienceMs = PATIENCE_MS,
  passes?: Passes,
): Promise<void> {
  void pass(client.input, user.stream).then(() => user.stream.end());
  client.stream.once('close', () => user.stream.destroy());
  await pass(user.input, client.stream, patienceMs, passes);
  for (const { stream } of [client, user]) closeSoon(stream);
}

async function pass(from: Input, to: Duplex, patienceMs?: number, passes?: Passes): Promise<void> {
  try {
    for await (const piece of from.rest()) {
      try {
        passes?.(piece);
        await written(piece, to, patienceMs);
      } finally {
        piece.fill(0);
      }
    }
  } catch {
    // a connection has broken, which ends the session
  }
}

async function written(piece: Buffer, to: Duplex, patienceMs: number | undefined): Promise<void> {
  let late: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      if (to.destroyed || to.writableEnded) return reject(new Error('closed'));
      to.write(piece, (error) => (error ? reject(error) : resolve()));
      if (patienceMs === undefined) return;
      const atOnce = Math.ceil(piece.length / AT_ONCE_BYTES);
      late = setTimeout(() => {
        to.destroy();
        reject(new Error('nobody reads it'));
      }, atOnce * patienceMs);
    });
  } finally {
    clearTimeout(late);
  }
}
