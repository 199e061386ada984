/**
 * All that Sealdir can do with a private key: read one, open a message with it, make a new pair. Only
 * commands that run where the secret key is may import this file (`open`, `demo`, `key`), and later the
 * gateway. Nothing that the server imports may, since the server never has a private key.
 */
import * as openpgp from 'openpgp';

/** Returns the secret keys of a file, unlocked. Throws with a sentence for the terminal. */
export async function readSecretKeys(
  bytes: Uint8Array,
  passphrase: string | undefined,
): Promise<openpgp.PrivateKey[]> {
  const isBinary = ((bytes[0] ?? 0) & 0x80) !== 0;
  const keys = isBinary
    ? await openpgp.readPrivateKeys({ binaryKeys: bytes })
    : await openpgp.readPrivateKeys({ armoredKeys: Buffer.from(bytes).toString('latin1') });
  return Promise.all(
    keys.map((privateKey) => {
      if (privateKey.isDecrypted()) return privateKey;
      if (passphrase === undefined) throw new Error('the secret key is locked: give --passphrase-file');
      return openpgp.decryptKey({ privateKey, passphrase });
    }),
  );
}

/** Decrypts an armored message. Returns nothing before its integrity is verified. */
export async function decryptArmored(
  armored: string,
  decryptionKeys: openpgp.PrivateKey[],
): Promise<Uint8Array> {
  const message = await openpgp.readMessage({ armoredMessage: armored });
  const { data } = await openpgp.decrypt({ message, decryptionKeys, format: 'binary' });
  return data as Uint8Array;
}

/** Makes a key pair for `email`, armored: Ed25519 and X25519 in the form that every client reads (v4). */
export async function generateKeyPair(email: string): Promise<{ certificate: string; secretKey: string }> {
  const pair = await openpgp.generateKey({ type: 'ecc', userIDs: [{ email }], format: 'armored' });
  return { certificate: pair.publicKey, secretKey: pair.privateKey };
}
