/**
 * Opens a message once somebody has told its session key: decrypts it, and verifies its integrity to the end
 * before anything comes out.
 */
import { ReadableStream } from 'node:stream/web';
import type * as openpgp from 'openpgp';
import { library } from './library.ts';

/** Says why a message cannot be opened, in the end of a sentence for the terminal. */
export class NotOpenedError extends Error {}

type SealedMessage = openpgp.Message<openpgp.MaybeStream<Uint8Array>>;

/** What a session-key packet of the library has besides what its types tell (openpgp 6.3.2). */
export interface SessionKeyPacket {
  readonly publicKeyID: openpgp.KeyID;
  readonly publicKeyAlgorithm: openpgp.enums.publicKey;
  readonly sessionKey: Uint8Array;
  readonly sessionKeyAlgorithm: openpgp.enums.symmetric | null;
  decrypt(key: unknown): Promise<void>;
  /** Returns the body of the packet. */
  write(): Uint8Array;
}

export interface SessionKey {
  /** Symmetric algorithm ID; none where the encrypted data names it. */
  readonly cipher: number | undefined;
  readonly key: Uint8Array;
}

/** Whoever finds out session keys. */
export interface Opener {
  /** Resolves to the session key that one of the packets has. Throws NotOpenedError. */
  sessionKeyOf(sealed: readonly SessionKeyPacket[]): Promise<SessionKey>;
}

/** What opens messages, and its name in a sentence. */
export interface NamedOpener extends Opener {
  readonly name: string;
  /** Ends what it has open, such as a connection. */
  close(): void;
}

export interface Opened {
  /** What the message holds, in pieces. */
  readonly pieces: readonly Uint8Array[];
  /** The name that its literal packet has for that; usually ''. */
  readonly literalName: string;
}

/**
 * Decrypts the packets of a message. Resolves once the end has come and its integrity is verified. Throws
 * NotOpenedError, or what `packets` or the opener throws.
 */
export async function decryptPackets(packets: AsyncIterable<Uint8Array>, opener: Opener): Promise<Opened> {
  const message = await library
    .readMessage({ binaryMessage: ReadableStream.from(packets) })
    .catch((error: unknown) => notOpened(error));
  const sessionKey = await opener.sessionKeyOf(sessionKeyPacketsOf(message));
  return plaintextOf(message, sessionKey).catch((error: unknown) => notOpened(error));
}

/** Opens the session key of a message whose session-key packets are all in `packets`, without the rest. */
export async function openSessionKey(packets: Uint8Array, opener: Opener): Promise<SessionKey> {
  const { PacketList, PublicKeyEncryptedSessionKeyPacket, SymEncryptedSessionKeyPacket, enums } = library;
  const { publicKeyEncryptedSessionKey: forKey, symEncryptedSessionKey: forPassphrase } = enums.packet;
  const allowed = {
    [forKey]: PublicKeyEncryptedSessionKeyPacket,
    [forPassphrase]: SymEncryptedSessionKeyPacket,
  };
  const list = await PacketList.fromBinary(packets, allowed as never, library.config).catch(notOpened);
  return opener.sessionKeyOf(sessionKeyPacketsOf({ packets: list as unknown as SealedMessage['packets'] }));
}

function sessionKeyPacketsOf({ packets }: Pick<SealedMessage, 'packets'>): SessionKeyPacket[] {
  const { publicKeyEncryptedSessionKey, symEncryptedSessionKey } = library.enums.packet;
  const sealed = packets.filterByTag(publicKeyEncryptedSessionKey) as unknown as SessionKeyPacket[];
  if (sealed.length > 0) return sealed;
  const isForPassphrase = packets.filterByTag(symEncryptedSessionKey).length > 0;
  throw new NotOpenedError(
    isForPassphrase ? 'it is for a passphrase, not for a key' : 'it is for no key of a kind known here',
  );
}

async function plaintextOf(message: SealedMessage, { cipher, key }: SessionKey): Promise<Opened> {
  const { enums } = library;
  const algorithm = cipher === undefined ? null : enums.read(enums.symmetric, cipher);
  // the library takes a missing algorithm too: SEIPD v2 names it itself (openpgp 6.3.2)
  const sessionKeys = { data: key, algorithm } as openpgp.SessionKey;
  // Unauthenticated means that pieces come before the end. They are kept here until it has been verified.
  const config = { allowUnauthenticatedStream: true };
  const { data, filename } = await library.decrypt({ message, sessionKeys, format: 'binary', config });
  const pieces: Uint8Array[] = [];
  for await (const piece of data as AsyncIterable<Uint8Array>) pieces.push(piece);
  // the library has null where there is no name, whatever its types say (openpgp 6.3.2)
  return { pieces, literalName: filename ?? '' };
}

/**
 * Puts the library's faults into words. With the right key there, only the message itself is left to blame.
 */
function notOpened(error: unknown): never {
  const { name, message } = error as Error;
  const isUnknown = name === 'UnsupportedError' || /unsupported|not supported|unknown/i.test(message);
  const why = isUnknown
    ? `it has something in it that Sealdir cannot read (${message})`
    : 'it was changed on its way, or cut off';
  throw new NotOpenedError(why, { cause: error });
}

/** Tells whether a packet does not say for whom it is (RFC 9580 §5.1.1). */
export function isAnybody(id: openpgp.KeyID): boolean {
  return /^0+$/.test(id.toHex());
}

/** Lists whom a message is for. */
export function listOf(sealed: readonly SessionKeyPacket[]): string {
  const ids = sealed.map(({ publicKeyID: id }) =>
    isAnybody(id) ? 'somebody it does not name' : id.toHex().toUpperCase(),
  );
  return [...new Set(ids)].join(', ');
}
