// Messages that are sealed packet by packet, and opened natively or by the library alone.

import { randomBytes } from 'node:crypto';
import { decryptPackets } from '../../src/keys/libraryopening.ts';
import { recipientKeyOf } from '../../src/keys/material.ts';
import type { Opener } from '../../src/keys/opening.ts';
import { readSecretKeys } from '../../src/keys/secretfile.ts';
import { unlock } from '../../src/keys/secretkeys.ts';
import { Reading } from '../../src/opening/reading.ts';
import { SecretOpener } from '../../src/opening/secretopener.ts';
import { AES_ID } from '../../src/openpgp/algorithms.ts';
import { LiteralData } from '../../src/openpgp/literal.ts';
import { EncryptedMessage, type Encryption } from '../../src/openpgp/message.ts';
import { type RecipientKey, sessionKeyEncryptor } from '../../src/openpgp/pkesk.ts';
import { type Cut, cut, WHOLE } from './chunks.ts';
import { dearmor } from './packets.ts';

export interface Holder {
  readonly opener: SecretOpener;
  /** The keys that messages can be sealed to by our own code, the last one first. */
  readonly recipients: readonly RecipientKey[];
}

/** Reads a file of secret keys, and unlocks them. */
export async function holderOf(secretKeys: Uint8Array | string, passphrase = ''): Promise<Holder> {
  const keys = await readSecretKeys(Buffer.from(secretKeys));
  for (const key of keys.packets) if (!key.isDecrypted()) await unlock(key, passphrase);
  const recipients = keys.packets.flatMap((packet) => recipientKeyOf(packet) ?? []).reverse();
  return { opener: new SecretOpener(keys, async () => undefined), recipients };
}

export function literalOf(content: Uint8Array, name = ''): Buffer {
  const literal = new LiteralData(name);
  const out: Buffer[] = [];
  const emit = (piece: Buffer) => out.push(Buffer.from(piece));
  literal.update(content, emit);
  literal.final(emit);
  return Buffer.concat(out);
}

/** Seals packets of any kind. Returns binary packets. */
export function sealPackets(
  inner: Uint8Array,
  recipients: readonly RecipientKey[],
  encryption: Encryption,
): Buffer {
  const sessionKey = randomBytes(encryption.keyBytes);
  const session = {
    packetVersion: encryption.version === 1 ? 3 : 6,
    cipher: AES_ID[encryption.keyBytes],
    key: sessionKey,
  } as const;
  const sessionKeyPackets = Buffer.concat(recipients.map((key) => sessionKeyEncryptor(key)(session)));
  const message = new EncryptedMessage({ encryption, sessionKey, sessionKeyPackets }, randomBytes);
  return dearmor(Buffer.concat([...message.update(inner), ...message.final()]));
}

/** Yields bytes in pieces. */
export function sourceOf(packets: Buffer, lengths: Cut = WHOLE): () => AsyncGenerator<Buffer> {
  return async function* () {
    yield* cut(packets, lengths);
  };
}

/** Opens packets without the library. Rejects with UnsupportedError what is not known natively. */
export async function openedNatively(packets: Buffer, opener: Opener, lengths?: Cut): Promise<Buffer> {
  const reading = new Reading(sourceOf(packets, lengths), (sealed) => opener.sessionKeyOf(sealed));
  return joined(reading.content());
}

/** Opens packets by openpgp.js, but for the session key. */
export async function openedByLibrary(packets: Buffer, opener: Opener): Promise<Buffer> {
  return Buffer.from((await decryptPackets(sourceOf(packets)(), opener)).content);
}

export async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}
