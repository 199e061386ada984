/**
 * One copy of a message as an armored OpenPGP message: session-key packets, then SEIPD,
 * then armor. Takes literal-packet bytes and gives armor; the order of the layers is here
 * and nowhere else.
 */
import type { Aead } from './algorithms.ts';
import { Armor } from './armor.ts';
import { KeepingFramer, SEIPD } from './framer.ts';
import { Seipd1 } from './seipd1.ts';
import { SALT_BYTES, Seipd2 } from './seipd2.ts';

/** How a copy is encrypted: agreed by all the keys it goes to. */
export type Encryption =
  | { readonly version: 1; readonly keyBytes: 16 | 24 | 32 }
  | { readonly version: 2; readonly keyBytes: 16 | 24 | 32; readonly aead: Aead };

export interface MessageKeys {
  readonly encryption: Encryption;
  readonly sessionKey: Uint8Array;
  /** Serialized PKESK packets, one per key. */
  readonly sessionKeyPackets: Uint8Array;
}

export class EncryptedMessage {
  readonly #layer: Seipd1 | Seipd2;
  readonly #framer = new KeepingFramer(SEIPD);
  readonly #armor: Armor;
  #packets: Uint8Array | undefined;

  /** `random` gives fresh random bytes: the CFB prefix or the HKDF salt. */
  constructor(keys: MessageKeys, random: (length: number) => Buffer) {
    const { encryption, sessionKey } = keys;
    if (sessionKey.length !== encryption.keyBytes) throw new RangeError('session key has the wrong length');
    this.#layer =
      encryption.version === 1
        ? new Seipd1(sessionKey, random(16))
        : new Seipd2(sessionKey, encryption.aead, random(SALT_BYTES));
    // RFC 9580 §6.1: no CRC24 behind a v2 SEIPD packet; older readers of v1 may want it
    this.#armor = new Armor(encryption.version === 1 ? 'crc24' : 'none');
    this.#packets = keys.sessionKeyPackets;
  }

  /** Line feeds in the armor given out so far. */
  get lines(): number {
    return this.#armor.lines;
  }

  /** Takes literal-packet bytes (not kept), gives armor. */
  update(literal: Uint8Array): Buffer[] {
    return this.#frame((emit) => {
      for (const piece of this.#layer.update(literal)) this.#framer.update(piece, emit);
    });
  }

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
