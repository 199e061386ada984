/**
 * Passes bytes on in both directions, for the front, which has to be able to end without having seen a
 * message: what has been passed on is overwritten.
 */
import type { Duplex } from 'node:stream';
import type { Input } from '../imap/input.ts';

/** One side: what was read of it already, and the stream itself. */
export interface Side {
  readonly input: Input;
  readonly stream: Duplex;
}

/** Resolves when one of the two has ended; both are closed then. */
export async function relay(one: Side, other: Side): Promise<void> {
  await Promise.race([pass(one.input, other.stream), pass(other.input, one.stream)]);
  for (const { stream } of [one, other]) {
    stream.end();
    setTimeout(() => stream.destroy(), 1000).unref(); // whoever does not read the rest does not get it
  }
}

async function pass(from: Input, to: Duplex): Promise<void> {
  try {
    for await (const piece of from.rest()) {
      await new Promise<void>((resolve, reject) => {
        if (to.destroyed || to.writableEnded) reject(new Error('closed'));
        else to.write(piece, (error) => (error ? reject(error) : resolve()));
      });
      piece.fill(0);
    }
  } catch {
    // a connection has broken, which ends the session
  }
}
