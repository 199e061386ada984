/**
 * Armor of a message that is sealed to an old key -> armor of the same packets, sealed anew. What is inside
 * is neither read nor changed: literal packet, its name and signatures stay as they are. The outcome counts
 * only when `final` has returned, since a message that was changed is known at its end.
 */
import type { World } from '../../core/world.ts';
import { NotOpenedError, type Opener, openSessionKey } from '../../keys/opening.ts';
import { type SealingKeys, sessionKeyPackets } from '../../keys/sessionkeys.ts';
import { Dearmor } from '../../openpgp/dearmor.ts';
import { EncryptedMessage } from '../../openpgp/message.ts';
import { SealedParts } from '../../openpgp/sealedparts.ts';
import { type BodyKey, type OpenBody, openBody } from '../../openpgp/seipdbody.ts';

export interface ResealParts {
  /** In this order, until one opens the message. */
  readonly openers: readonly Opener[];
  readonly keys: SealingKeys;
  readonly world: World;
}

export class Resealer {
  readonly #parts: ResealParts;
  readonly #dearmor = new Dearmor();
  readonly #sealed = new SealedParts();
  #work: { readonly body: OpenBody; readonly sealer: EncryptedMessage } | undefined;

  constructor(parts: ResealParts) {
    this.#parts = parts;
  }

  /** Takes the next bytes of the old armor. Resolves to bytes of the new one. */
  async update(armor: Buffer): Promise<Buffer[]> {
    return this.#take(this.#dearmor.update(armor));
  }

  /** Resolves to the rest of the new armor. Throws if the message cannot be trusted. */
  async final(): Promise<Buffer[]> {
    const out = await this.#take(this.#dearmor.final());
    this.#sealed.final();
    if (this.#work === undefined) throw new Error('it is cut off');
    const { body, sealer } = this.#work;
    for (const opened of body.final()) out.push(...sealer.update(opened));
    return [...out, ...sealer.final()];
  }

  async #take(packets: Buffer): Promise<Buffer[]> {
    const out: Buffer[] = [];
    for (const piece of this.#sealed.update(packets)) {
      const rest = this.#work === undefined ? piece.subarray(1) : piece;
      this.#work ??= {
        body: openBody(piece[0] ?? 0, await this.#sessionKey()),
        sealer: await newMessage(this.#parts),
      };
      const { body, sealer } = this.#work;
      for (const opened of body.update(rest)) out.push(...sealer.update(opened));
    }
    return out;
  }

  async #sessionKey(): Promise<BodyKey> {
    let failure = new NotOpenedError('there is no key');
    for (const opener of this.#parts.openers) {
      try {
        const { key, cipher } = await openSessionKey(this.#sealed.sessionKeys, opener);
        return { bytes: key, algorithm: cipher };
      } catch (error) {
        if (!(error instanceof NotOpenedError)) throw error;
        failure = error;
      }
    }
    throw failure;
  }
}

async function newMessage({ keys, world }: ResealParts): Promise<EncryptedMessage> {
  const sessionKey = world.random(keys.encryption.keyBytes);
  const packets = await sessionKeyPackets(keys, sessionKey, new Date(world.now()));
  const { encryption } = keys;
  return new EncryptedMessage({ encryption, sessionKey, sessionKeyPackets: packets }, (length) =>
    world.random(length),
  );
}
