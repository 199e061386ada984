/**
 * Armor of a message that is sealed to an old key -> armor of the same packets, sealed anew. What is inside
 * is neither read nor changed: literal packet, its name and signatures stay as they are. The outcome counts
 * only when `final` has returned, since a message that was changed is known at its end.
 */
import type { World } from '../../core/world.ts';
import { NotOpenedError, type Opener, type SessionKey } from '../../keys/opening.ts';
import { type SealingKeys, sessionKeyPackets } from '../../keys/sessionkeys.ts';
import { Decryption } from '../../opening/decryption.ts';
import { Dearmor } from '../../openpgp/dearmor.ts';
import { EncryptedMessage } from '../../openpgp/message.ts';

export interface ResealParts {
  /** In this order, until one opens the message. */
  readonly openers: readonly Opener[];
  readonly keys: SealingKeys;
  readonly world: World;
}

export class Resealer {
  readonly #parts: ResealParts;
  readonly #dearmor = new Dearmor();
  readonly #decryption: Decryption;
  #sealer: EncryptedMessage | undefined;

  constructor(parts: ResealParts) {
    this.#parts = parts;
    this.#decryption = new Decryption((sealed) => sessionKeyIn(sealed, parts.openers));
  }

  /** Takes the next bytes of the old armor. Resolves to bytes of the new one. */
  async update(armor: Buffer): Promise<Buffer[]> {
    return this.#seal(await this.#decryption.update(this.#dearmor.update(armor)));
  }

  /** Resolves to the rest of the new armor. Throws if the message cannot be trusted. */
  async final(): Promise<Buffer[]> {
    const opened = await this.#decryption.update(this.#dearmor.final());
    const out = await this.#seal([...opened, ...this.#decryption.final()]);
    return [...out, ...(await this.#begun()).final()];
  }

  async #seal(opened: readonly Buffer[]): Promise<Buffer[]> {
    if (opened.length === 0) return [];
    const sealer = await this.#begun();
    return opened.flatMap((piece) => sealer.update(piece));
  }

  /** The new message begins once the old one has been opened. */
  async #begun(): Promise<EncryptedMessage> {
    this.#sealer ??= await newMessage(this.#parts);
    return this.#sealer;
  }
}

async function sessionKeyIn(sealed: readonly Uint8Array[], openers: readonly Opener[]): Promise<SessionKey> {
  let failure = new NotOpenedError('there is no key');
  for (const opener of openers) {
    try {
      return await opener.sessionKeyOf(sealed);
    } catch (error) {
      if (!(error instanceof NotOpenedError)) throw error;
      failure = error;
    }
  }
  throw failure;
}

async function newMessage({ keys, world }: ResealParts): Promise<EncryptedMessage> {
  const sessionKey = world.random(keys.encryption.keyBytes);
  const packets = await sessionKeyPackets(keys, sessionKey, new Date(world.now()));
  const { encryption } = keys;
  return new EncryptedMessage({ encryption, sessionKey, sessionKeyPackets: packets }, (length) =>
    world.random(length),
  );
}
