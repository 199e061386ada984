/**
 * Derives the key of a slot from a password or a code. A derivation takes memory on purpose, 128 MiB, so that
 * few go on at a time, and few wait: whoever guesses must neither take the memory of the machine nor its
 * cores from those who log in and from mail that is delivered.
 */
import { scrypt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { Semaphore, TooBusyError } from '../core/semaphore.ts';

/** How a slot derives its key. One member today; Argon2id would be another, told apart by `name`. */
export type Kdf = Scrypt;

/** The parameters of scrypt (RFC 7914 §2). */
export interface Scrypt {
  readonly name: 'scrypt';
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
}

/** N, r and p: what a derivation costs. */
export type Cost = Pick<Scrypt, 'N' | 'r' | 'p'>;

/** What a new slot gets: 128 MiB, and 0.4 to 1 s of a core (bench/custody.ts). */
export const COST: Cost = { N: 2 ** 17, r: 8, p: 1 };

/**
 * What is taken from a file. Its costs are chosen by whoever wrote it, and paid by whoever opens it, so that
 * more than 256 MiB at a time is refused.
 */
export const LEAST_N = 2 ** 14;
export const MOST_N = 2 ** 18;
const MOST_P = 4;

export const SALT_BYTES = 16;
const KEY_BYTES = 32;

/** Tells whether a cost is one that this program pays. */
export function isFitCost({ N, r, p }: Cost): boolean {
  const isPowerOfTwo = Number.isInteger(N) && (N & (N - 1)) === 0;
  return (
    isPowerOfTwo && N >= LEAST_N && N <= MOST_N && r === 8 && Number.isInteger(p) && p >= 1 && p <= MOST_P
  );
}

/** What is left of libuv's four threads for files, however many cores there are. */
const MOST_THREADS = 3;

export interface DerivationLimits {
  /** How many go on at a time. */
  readonly atOnce: number;
  /** How many wait at most. */
  readonly waiting: number;
  /** How long one waits at most, in milliseconds. */
  readonly patienceMs: number;
}

/** One derivation for each core but one, which is for the rest of the machine. */
export function usualLimits(): DerivationLimits {
  const atOnce = Math.min(MOST_THREADS, Math.max(1, availableParallelism() - 1));
  return { atOnce, waiting: 16 * atOnce, patienceMs: 20_000 };
}

const scryptKey = promisify<string | Buffer, Buffer, number, object, Buffer>(scrypt);

/** Makes the derivations of a process. There is one of it, since the limits are for all of them. */
export class Derivations {
  readonly #turns: Semaphore;
  readonly #most: number;
  #unfinished = 0;

  constructor({ atOnce, waiting, patienceMs }: DerivationLimits = usualLimits()) {
    this.#turns = new Semaphore(atOnce, patienceMs);
    this.#most = atOnce + waiting;
  }

  /** Returns 32 bytes. Throws TooBusyError if too many wait already, or if this one has waited too long. */
  async derive(secret: Buffer, { N, r, p, salt }: Kdf): Promise<Buffer> {
    if (this.#unfinished >= this.#most) throw new TooBusyError('too many passwords are tried at this moment');
    this.#unfinished++;
    try {
      const maxmem = 128 * r * (N + p + 2) + 1024 * 1024; // RFC 7914 §2, and some room
      return await this.#turns.run(() => scryptKey(secret, salt, KEY_BYTES, { N, r, p, maxmem }));
    } finally {
      this.#unfinished--;
    }
  }
}
