// Seals a message to given keys with Sealdir's own packets, without a store around it.

import { randomBytes } from 'node:crypto';
import { type SealingKeys, sessionKeyPackets } from '../../src/keys/sessionkeys.ts';
import { LiteralData } from '../../src/openpgp/literal.ts';
import { EncryptedMessage } from '../../src/openpgp/message.ts';

/** Resolves to the armored message. `now`: the time at which the keys are judged once more. */
export async function sealTo(keys: SealingKeys, plaintext: Buffer, now = new Date()): Promise<Buffer> {
  const sessionKey = randomBytes(keys.encryption.keyBytes);
  const packets = await sessionKeyPackets(keys, sessionKey, now);
  const message = new EncryptedMessage({ ...keys, sessionKey, sessionKeyPackets: packets }, randomBytes);
  const literal = new LiteralData();
  const out: Buffer[] = [];
  const emit = (piece: Buffer) => out.push(...message.update(piece));
  literal.update(plaintext, emit);
  literal.final(emit);
  return Buffer.concat([...out, ...message.final()]);
}
