// Makes choices that a seed decides, so that a run can be repeated.

import { seededRandom } from './sealing.ts';

export class Dice {
  readonly #random: (length: number) => Buffer;

  constructor(seed: string) {
    this.#random = seededRandom(seed);
  }

  /** Returns a whole number from 0 to `count` - 1. */
  below(count: number): number {
    return this.#random(6).readUIntBE(0, 6) % count;
  }

  pick<T>(from: readonly [T, ...T[]]): T {
    return from[this.below(from.length)] ?? from[0];
  }

  /** Returns text in lines of at most 76 characters, `bytes` long with its line ends. */
  text(bytes: number): string {
    const encoded = this.#random(Math.ceil((bytes * 3) / 4)).toString('base64');
    return encoded.replace(/.{76}/g, '$&\r\n').slice(0, bytes);
  }
}
