/**
 * Packets of an encrypted message as they come -> the packets that are encrypted in it. What is returned is
 * verified only when `final` has returned. Throws UnsupportedError for a message of a form that is not known
 * here, which the library may open, and ChangedError for one that nobody can open.
 */
import type { SessionKey } from '../keys/opening.ts';
import { UnsupportedError } from '../openpgp/faults.ts';
import { PKESK } from '../openpgp/framer.ts';
import { readPackets, TAG } from '../openpgp/packets.ts';
import { SealedParts } from '../openpgp/sealedparts.ts';
import { type OpenBody, openBody } from '../openpgp/seipdbody.ts';
import { sessionKeyOf } from '../openpgp/sessionkeypackets.ts';

/** Finds the session key in the bodies of session-key packets. */
export type FindSessionKey = (sealed: readonly Uint8Array[]) => Promise<SessionKey>;

/** In more pieces than this, a few bytes each, decryption would cost more than joining them. */
const MOST_PIECES = 4;

export class Decryption {
  readonly #findKey: FindSessionKey;
  readonly #parts = new SealedParts();
  #body: OpenBody | undefined;

  constructor(findKey: FindSessionKey) {
    this.#findKey = findKey;
  }

  /** Takes the next bytes of the message, and does not keep them. */
  async update(packets: Buffer): Promise<Buffer[]> {
    const found = this.#parts.update(packets);
    const pieces = found.length > MOST_PIECES ? [Buffer.concat(found)] : found;
    const [first] = pieces;
    if (first === undefined) return [];
    if (this.#body === undefined) {
      const version = first[0] ?? 0;
      const { key: bytes, cipher: algorithm } = await this.#findKey(
        sealedKeysIn(this.#parts.sessionKeys, version),
      );
      this.#body = openBody(version, { bytes, algorithm });
      pieces[0] = first.subarray(1);
    }
    const body = this.#body;
    return pieces.flatMap((piece) => body.update(piece));
  }

  /** Returns the rest. Throws if the message was changed, or is not whole. */
  final(): Buffer[] {
    this.#parts.final();
    if (this.#body === undefined) throw new UnsupportedError('it is empty');
    return this.#body.final();
  }
}

/** Returns the bodies of all session-key packets for keys. Those for passphrases are left out. */
function sealedKeysIn(bytes: Buffer, version: number): Uint8Array[] {
  const { packets, stoppedAt } = readPackets(bytes);
  const bodies = packets.flatMap(({ tag, body, isOpenEnded }) => {
    if (tag === TAG.marker || tag === TAG.padding) return [];
    const found = sessionKeyOf(tag, body);
    if (found?.seipd !== version || isOpenEnded)
      throw new UnsupportedError('it has a packet of another kind');
    return tag === PKESK ? [body] : [];
  });
  if (stoppedAt !== undefined || bodies.length === 0)
    throw new UnsupportedError('it is for no key of a kind known here');
  return bodies;
}
