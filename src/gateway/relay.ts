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

/**
 * Resolves when the process of the user has ended the session, or the client is gone; both are closed then. A
 * client that has only said its last word still gets its answers (RFC 9293 §3.6).
 */
export async function relay(client: Side, user: Side): Promise<void> {
  void pass(client.input, user.stream).then(() => user.stream.end());
  client.stream.once('close', () => user.stream.destroy());
  await pass(user.input, client.stream);
  for (const { stream } of [client, user]) closeSoon(stream);
}

async function pass(from: Input, to: Duplex): Promise<void> {
  try {
    for await (const piece of from.rest()) {
      try {
        await new Promise<void>((resolve, reject) => {
          if (to.destroyed || to.writableEnded) reject(new Error('closed'));
          else to.write(piece, (error) => (error ? reject(error) : resolve()));
        });
      } finally {
        piece.fill(0);
      }
    }
  } catch {
    // a connection has broken, which ends the session
  }
}
