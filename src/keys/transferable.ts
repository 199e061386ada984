/**
 * A whole secret key (RFC 9580 §10.2, transferable), to be kept somewhere under a lock that is not OpenPGP's,
 * and to be given back under one that every program knows. Only commands that run where the secret key is may
 * import this file, and what opens keys for their owners. Nothing that the server imports may.
 */
import type * as openpgp from 'openpgp';
import { type Certificate, parseCertificates } from './certificates.ts';
import { type FoundKeys, findKeys } from './keypackets.ts';
import { SECRET_TAGS } from './keyscan.ts';
import { library } from './library.ts';
import { canOnlySign } from './oldkeys.ts';
import { ITERATED_S2K, unlock } from './secretkeys.ts';
import { armorOf } from './writing.ts';

/** A secret key without a passphrase of its own. */
export interface TransferableKey {
  /** Of the primary key, in upper-case hex. */
  readonly fingerprint: string;
  /** Its public part, armored. */
  readonly certificate: Buffer;
  /** All of it, in binary. Whoever asked for it fills it with zeros. */
  readonly secretKey: Buffer;
}

/**
 * Reads the one secret key of a file, and unlocks all that can be unlocked of it. `passphrase` is asked for
 * if a part is locked. Throws with a sentence, to follow the file's name. A primary key without its secret
 * part (`gpg --export-secret-subkeys`) is taken as it is.
 */
export async function readTransferableKey(
  bytes: Uint8Array,
  passphrase: () => Promise<string | undefined>,
): Promise<TransferableKey> {
  const found = findKeys(bytes, SECRET_TAGS);
  const key = await onlyKeyIn(bytes, found);
  const packets = key.getKeys().map(({ keyPacket }) => keyPacket as openpgp.SecretKeyPacket);
  if (packets.length !== found.packets.length)
    throw new Error('holds a part that Sealdir cannot read, which would be lost: use another key');
  if (packets.some((each) => each.isMissingSecretKeyMaterial() && !each.isDummy()))
    throw new Error(
      'has a part on a card, or locked in a way that Sealdir does not know: it cannot be wrapped',
    );
  const locked = packets.filter((each) => !each.isDummy() && !each.isDecrypted());
  const secret = locked.length === 0 ? undefined : await passphrase();
  if (locked.length > 0 && secret === undefined) throw new Error('is locked: give --passphrase-file');
  for (const each of locked)
    if (!(await unlock(each, secret ?? ''))) throw new Error('is not unlocked by this passphrase');
  if (!packets.some((each) => each.isDecrypted() && !canOnlySign(each)))
    throw new Error('has no secret part that opens mail');
  const [certificate, ...others] = await parseCertificates(key.toPublic().write() as Uint8Array);
  if (certificate === undefined || others.length > 0) throw new Error('holds no single key');
  const { buffer, byteOffset, length } = key.write() as Uint8Array;
  return {
    fingerprint: certificate.fingerprint,
    certificate: await armorOf([certificate]),
    secretKey: Buffer.from(buffer, byteOffset, length),
  };
}

/** Returns the public parts of the secret keys of a file, locked or not. Throws as above. */
export async function certificatesOfSecret(bytes: Uint8Array): Promise<Certificate[]> {
  const { parts } = findKeys(bytes, SECRET_TAGS);
  const armored = parts.filter(({ type }) => type === 'PRIVATE KEY BLOCK').flatMap(({ chunks }) => chunks);
  const binaryKeys = armored.length === 0 ? bytes : Buffer.concat(armored);
  const keys = await library.readPrivateKeys({ binaryKeys }).catch((cause: unknown) => {
    throw new Error('holds no secret key that can be read: export it again', { cause });
  });
  const all = await Promise.all(keys.map((key) => parseCertificates(key.toPublic().write() as Uint8Array)));
  return all.flat();
}

/** Returns a secret key as `readTransferableKey` gave it, armored, and locked if there is a passphrase. */
export async function armoredSecretKey(secretKey: Uint8Array, passphrase?: string): Promise<string> {
  const privateKey = await library.readPrivateKey({ binaryKey: secretKey });
  if (passphrase === undefined) return text(privateKey);
  return text(await library.encryptKey({ privateKey, passphrase, config: ITERATED_S2K }));
}

function text(key: openpgp.PrivateKey): string {
  return key.armor().replaceAll('\r\n', '\n');
}

async function onlyKeyIn(bytes: Uint8Array, { parts }: FoundKeys): Promise<openpgp.PrivateKey> {
  const [armor, another] = parts.filter(({ type }) => type === 'PRIVATE KEY BLOCK');
  if (another !== undefined) throw new Error('holds several keys: export the one alone');
  const binaryKeys = armor === undefined ? bytes : Buffer.concat(armor.chunks);
  const keys = await library.readPrivateKeys({ binaryKeys }).catch((cause: unknown) => {
    throw new Error('holds no secret key that can be read: export it again', { cause });
  });
  const [key, other] = keys;
  if (key === undefined) throw new Error('holds no secret key');
  if (other !== undefined) throw new Error('holds several keys: export the one alone');
  return key;
}
