/**
 * Opens a message by the library once somebody has told its session key: decrypts it, and verifies its
 * integrity to the end before anything comes out. Takes whatever the room `opening` does not know itself, and
 * is loaded when there is such a message.
 */
import type * as openpgp from 'openpgp';
import { library } from './library.ts';
import { mostDecompressed, NotOpenedError, type Opener, type SessionKey, TOO_LARGE } from './opening.ts';

type SealedMessage = openpgp.Message<openpgp.MaybeStream<Uint8Array>>;

/** A message that the library has opened. */
export interface Decrypted {
  /** What the message holds. */
  readonly content: Uint8Array;
  /** The name that its literal packet has for that; usually ''. */
  readonly literalName: string;
}

/**
 * Decrypts the packets of a message. Resolves once the end has come and its integrity is verified. Throws
 * NotOpenedError, or what `packets` or the opener throws. All is held: given a stream that is damaged, the
 * library may never answer (openpgp 6.3.2).
 */
export async function decryptPackets(packets: AsyncIterable<Uint8Array>, opener: Opener): Promise<Decrypted> {
  const pieces: Uint8Array[] = [];
  // copies: a piece may be gone when the next one is asked for
  for await (const piece of packets) pieces.push(Buffer.from(piece));
  const bytes = Buffer.concat(pieces);
  const message = await library
    .readMessage({ binaryMessage: bytes })
    .catch((error: unknown) => notOpened(error));
  const sessionKey = await opener.sessionKeyOf(sealedKeysOf(message));
  return plaintextOf(message, sessionKey, mostDecompressed(bytes.length)).catch((error: unknown) =>
    notOpened(error, sessionKey.cipher),
  );
}

/** Returns the bodies of the session-key packets that the library can read. */
function sealedKeysOf({ packets }: SealedMessage): Uint8Array[] {
  const { publicKeyEncryptedSessionKey, symEncryptedSessionKey } = library.enums.packet;
  const sealed = packets.filterByTag(publicKeyEncryptedSessionKey);
  if (sealed.length > 0) return sealed.map((packet) => (packet as { write(): Uint8Array }).write());
  const isForPassphrase = packets.filterByTag(symEncryptedSessionKey).length > 0;
  throw new NotOpenedError(
    isForPassphrase ? 'it is for a passphrase, not for a key' : 'it is for no key of a kind known here',
  );
}

async function plaintextOf(
  message: SealedMessage,
  { cipher, key }: SessionKey,
  maxDecompressedMessageSize: number,
): Promise<Decrypted> {
  const { enums } = library;
  const algorithm = cipher === undefined ? null : enums.read(enums.symmetric, cipher);
  // the library takes a missing algorithm too: SEIPD v2 names it itself (openpgp 6.3.2)
  const sessionKeys = { data: key, algorithm } as openpgp.SessionKey;
  const { data, filename } = await library.decrypt({
    message,
    sessionKeys,
    format: 'binary',
    config: { maxDecompressedMessageSize },
  });
  if (!(data instanceof Uint8Array)) throw new Error('there is no literal data in it');
  // the library has null where there is no name, whatever its types say (openpgp 6.3.2)
  return { content: data, literalName: filename ?? '' };
}

/** Ciphers of old mail that the library does not know; node:crypto knows the last three (§9.3). */
const OLD_CIPHER: Readonly<Record<number, string>> = {
  1: 'IDEA',
  11: 'Camellia-128',
  12: 'Camellia-192',
  13: 'Camellia-256',
};

/**
 * Puts the library's faults into words. With the right key there, only the message itself is left to blame.
 */
function notOpened(error: unknown, cipher = 0): never {
  throw new NotOpenedError(whyNot(error as Error, OLD_CIPHER[cipher]), { cause: error });
}

function whyNot({ name, message }: Error, oldCipher: string | undefined): string {
  if (/maximum decompressed (message )?size/i.test(message)) return TOO_LARGE;
  if (/not authenticated/i.test(message))
    return 'its encryption is of before 2003, and does not show whether it was changed';
  if (oldCipher !== undefined)
    return `it is encrypted with ${oldCipher}, and Sealdir cannot read it, or not what is in it`;
  const isUnknown = name === 'UnsupportedError' || /unsupported|not supported|unknown/i.test(message);
  return isUnknown
    ? `it has something in it that Sealdir cannot read (${message})`
    : 'it was changed on its way, or cut off';
}
