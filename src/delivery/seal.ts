/**
 * Seals one recipient's copy: first the session key and its packets, then the outer header, the MIME
 * frame and the armor around the encrypted message. Each copy has its own session key. Takes the
 * bytes of the literal packet, returns the bytes of the stored file and counts them.
 */
import { performance } from 'node:perf_hooks';
import { CopyFailure } from '../core/errors.ts';
import type { Meter } from '../core/meter.ts';
import type { World } from '../core/world.ts';
import { type SealingKeys, sessionKeyPackets } from '../keys/sessionkeys.ts';
import { type Frame, pgpMimeFrame } from '../mime/frame.ts';
import { EncryptedMessage } from '../openpgp/message.ts';

export interface SealParts {
  readonly world: World;
  readonly meter: Meter;
}

/** Fields of the outer header besides those of the frame, with LF line ends. */
export interface OuterFields {
  /** Ours: they stand before the frame's. */
  readonly trace: Buffer;
  /** Those of the original message that are shown: they stand after the frame's. */
  readonly inherited: Buffer;
}

/** Makes the session key and its packets. Throws CopyFailure if a key has become unusable. */
export async function prepareSealer(keys: SealingKeys, parts: SealParts): Promise<Sealer> {
  const { world, meter } = parts;
  const start = performance.now();
  try {
    const { encryption } = keys;
    const sessionKey = world.random(encryption.keyBytes);
    const now = new Date(world.now());
    const packets = await sessionKeyPackets(keys, sessionKey, now);
    const random = (length: number) => world.random(length);
    const message = new EncryptedMessage({ encryption, sessionKey, sessionKeyPackets: packets }, random);
    const keySeconds = (performance.now() - start) / 1000;
    meter.time('session_key', keySeconds);
    return new Sealer(message, pgpMimeFrame(world.random(16)), {
      meter,
      seipd: encryption.version,
      keySeconds,
    });
  } catch (error) {
    throw new CopyFailure('cryptoFailed', error);
  }
}

/** Whom the sealer reports to, and what it does not know itself. */
interface Counting {
  readonly meter: Meter;
  readonly seipd: 1 | 2;
  /** What the session key has taken. */
  readonly keySeconds: number;
}

export class Sealer {
  readonly #message: EncryptedMessage;
  readonly #frame: Frame;
  readonly #counting: Counting;
  #literalBytes = 0;
  #frameLines = 0;
  #encryptMs = 0;
  /** Bytes returned so far; in the end the size of the file. */
  size = 0;

  constructor(message: EncryptedMessage, frame: Frame, counting: Counting) {
    this.#message = message;
    this.#frame = frame;
    this.#counting = counting;
  }

  /** Size that the file would have with CRLF line ends. */
  get wireSize(): number {
    return this.size + this.#frameLines + this.#message.lines;
  }

  /** Returns everything above the armor. */
  head({ trace, inherited }: OuterFields): Buffer[] {
    return this.#plain([trace, this.#frame.fields, inherited, this.#frame.parts]);
  }

  /** Takes bytes of the literal packet, without keeping them. */
  update(literal: Uint8Array): Buffer[] {
    this.#literalBytes += literal.length;
    return this.#sealed(() => this.#message.update(literal));
  }

  final(): Buffer[] {
    const sealed = this.#sealed(() => this.#message.final());
    const { meter, seipd, keySeconds } = this.#counting;
    const seconds = this.#encryptMs / 1000;
    meter.time('encrypt', seconds);
    meter.sealed({ seipd, bytes: this.#literalBytes, seconds: keySeconds + seconds });
    return [...sealed, ...this.#plain([this.#frame.tail])];
  }

  #plain(pieces: Buffer[]): Buffer[] {
    for (const piece of pieces) {
      this.size += piece.length;
      this.#frameLines += countLines(piece);
    }
    return pieces;
  }

  #sealed(seal: () => Buffer[]): Buffer[] {
    const start = performance.now();
    try {
      const pieces = seal();
      for (const piece of pieces) this.size += piece.length;
      return pieces;
    } catch (error) {
      throw new CopyFailure('cryptoFailed', error);
    } finally {
      this.#encryptMs += performance.now() - start;
    }
  }
}

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, at + 1)) lines++;
  return lines;
}
