/**
 * One copy of a message as an armored OpenPGP message: session-key packets, then SEIPD, in armor. Takes bytes
 * of the literal packet and returns armor. Only this file knows the order of the layers.
 */
import type { Aead } from './algorithms.ts';
import { Armor } from './armor.ts';
import { KeepingFramer, SEIPD } from './framer.ts';
import { Seipd1 } from './seipd1.ts';
import { SALT_BYTES, Seipd2 } from './seipd2.ts';

/** How a copy is encrypted; all keys of its recipient can read it. */
export type Encryption =
  | { readonly version: 1; readonly keyBytes: 16 | 24 | 32 }
  | { readonly version: 2; readonly keyBytes: 16 | 24 | 32; readonly aead: Aead };

export interface MessageKeys {
  readonly encryption: Encryption;
  readonly sessionKey: Uint8Array;
  /** The serialized PKESK packets, one for each key. */
  readonly sessionKeyPackets: Uint8Array;
}

export class EncryptedMessage {
  readonly #layer: Seipd1 | Seipd2;
  readonly #framer = new KeepingFramer(SEIPD);
  readonly #armor: Armor;
  #packets: Uint8Array | undefined;

  /** `random` returns fresh random bytes, for the CFB prefix or the HKDF salt. */
  constructor(keys: MessageKeys, random: (length: number) => Buffer) {
    const { encryption, sessionKey } = keys;
    if (sessionKey.length !== encryption.keyBytes) throw new RangeError('session key has the wrong length');
    this.#layer =
      encryption.version === 1
        ? new Seipd1(sessionKey, random(16))
        : new Seipd2(sessionKey, encryption.aead, random(SALT_BYTES));
    // RFC 9580 §6.1: no CRC24 after a v2 SEIPD packet; old readers of v1 may want one
    this.#armor = new Armor(encryption.version === 1 ? 'crc24' : 'none');
    this.#packets = keys.sessionKeyPackets;
  }

  /** How many line feeds are in the armor so far. */
  get lines(): number {
    return this.#armor.lines;
  }

  /** Returns the armor of the next bytes of the literal packet. Does not keep them. */
  update(literal: Uint8Array): Buffer[] {
    return this.#frame((emit) => {
      for (const piece of this.#layer.update(literal)) this.#framer.update(piece, emit);
    });
  }

  /** Returns the rest of the armor. */
  final(): Buffer[] {
    const out = this.#frame((emit) => {
      for (const piece of this.#layer.final()) this.#framer.update(piece, emit);
      this.#framer.final(emit);
    });
    return [...out, ...this.#armor.final()];
  }

  #frame(fill: (emit: (pieces: readonly Uint8Array[]) => void) => void): Buffer[] {
    const out = this.#packets === undefined ? [] : this.#armor.update([this.#packets]);
    this.#packets = undefined;
    fill((pieces) => {
      for (const line of this.#armor.update(pieces)) out.push(line);
    });
    return out;
  }
}
