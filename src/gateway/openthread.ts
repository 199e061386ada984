/**
 * The thread that opens large messages of one user: takes a stored message as it comes, asks for its session
 * key, and gives back the message with what lists show of it. Between two messages it holds nothing.
 */
import { parentPort } from 'node:worker_threads';
import { NotOpenedError, type Opener, type SessionKey } from '../keys/opening.ts';
import type { Part } from '../view/parts.ts';
import { openView } from '../view/view.ts';
import { openStored } from './openstored.ts';
import { type Metadata, metadataOf } from './shown.ts';

export type ToThread =
  | { readonly piece: Uint8Array }
  /** All pieces of the message have come. */
  | 'whole'
  | { readonly key: SessionKey }
  | { readonly noKey: string };

export type FromThread =
  /** Bodies of session-key packets: asks for a session key, once for each message. */
  | { readonly sealed: readonly Uint8Array[] }
  | { readonly opened: { readonly bytes: Buffer; readonly parts: Part; readonly metadata: Metadata } }
  | { readonly failed: string; readonly isNotOpened: boolean };

const port = parentPort;
if (port === null) throw new Error('this is a thread');

function tell(message: FromThread, given: readonly ArrayBuffer[] = []): void {
  port?.postMessage(message, given);
}

/** A message while it comes. */
class Coming {
  #pieces: Buffer[] | undefined = [];
  #isWhole = false;
  #more: () => void = () => undefined;

  take(piece: Buffer): void {
    this.#pieces?.push(piece);
    this.#more();
  }

  end(): void {
    this.#isWhole = true;
    this.#more();
  }

  async *pieces(): AsyncGenerator<Buffer> {
    for (let n = 0; ; n++) {
      while (this.#pieces?.[n] === undefined) {
        if (this.#isWhole) return;
        await new Promise<void>((more) => {
          this.#more = more;
        });
      }
      const piece = this.#pieces[n];
      if (piece !== undefined) yield piece;
    }
  }

  release(): void {
    this.#pieces = undefined;
  }
}

let coming: Coming | undefined;

port.on('message', (message: ToThread) => {
  if (message === 'whole') {
    coming?.end();
    coming = undefined;
  } else if ('piece' in message) {
    if (coming === undefined) {
      coming = new Coming();
      void open(coming);
    }
    const { buffer, byteOffset, byteLength } = message.piece;
    coming.take(Buffer.from(buffer, byteOffset, byteLength));
  } else if ('key' in message) opener.answer?.(message.key);
  else opener.refuse?.(new NotOpenedError(message.noKey));
});

/** Whoever has the secret key is on the other side. */
const opener: Opener & {
  answer?: (key: SessionKey) => void;
  refuse?: (error: Error) => void;
} = {
  sessionKeyOf: (sealed) =>
    new Promise((resolve, reject) => {
      opener.answer = resolve;
      opener.refuse = reject;
      tell({ sealed });
    }),
};

async function open(stored: Coming): Promise<void> {
  try {
    const inside = await openStored(
      { pieces: () => stored.pieces(), release: () => stored.release() },
      opener,
    );
    const view = openView(inside);
    const { bytes, parts } = view;
    const { buffer } = bytes;
    const opened = { bytes, parts, metadata: metadataOf(view) };
    tell({ opened }, buffer instanceof ArrayBuffer ? [buffer] : []);
  } catch (error) {
    const { message } = error as Error;
    tell({ failed: message, isNotOpened: error instanceof NotOpenedError });
  } finally {
    stored.release();
  }
}
