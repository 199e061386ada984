// Ways to encrypt one stream in this process: our own, openpgp.js, and the bare ciphers of node:crypto as the
// limit.
//
// All get the message in pieces of 64 KiB, as it comes from a socket, and give out armor that nobody keeps.
// The certificate is read beforehand, since a server has it from an earlier message.

import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import * as openpgp from 'openpgp';
import { releaseMemory } from '../src/core/releasememory.ts';
import { parseCertificates } from '../src/keys/certificates.ts';
import { judgeCertificate } from '../src/keys/judgement.ts';
import { type SealingKeys, sealingKeysOf, sessionKeyPackets } from '../src/keys/sessionkeys.ts';
import { LiteralData } from '../src/openpgp/literal.ts';
import { EncryptedMessage } from '../src/openpgp/message.ts';

/** Resolves to the number of bytes given out. */
type Encryptor = (pieces: readonly Buffer[]) => Promise<number>;
type Prepare = (certificate: string) => Promise<Encryptor>;

const CHUNK_TAG_BYTES = 16;
const PIECES_PER_CHUNK = 4;

export const ENCRYPTORS = {
  sealdir,
  'openpgp.js': openpgpjs,
  'cfb+sha1': bare((output) => output.length, cfb),
  'cfb+sha1+base64': bare(base64, cfb),
  'gcm+base64': bare(base64, aead('aes-256-gcm', 12)),
  'ocb+base64': bare(base64, aead('aes-256-ocb', 15)),
} as const satisfies Record<string, Prepare>;

export type EncryptorName = keyof typeof ENCRYPTORS;

/** Encrypts with Sealdir's code, with the SEIPD version and the algorithm that the certificate asks for. */
async function sealdir(certificate: string): Promise<Encryptor> {
  const [parsed] = await parseCertificates(Buffer.from(certificate));
  if (parsed === undefined) throw new Error('no certificate');
  const usable = await judgeCertificate(parsed, new Date(), { subkeys: 'all' });
  if ('reason' in usable) throw new Error(usable.reason);
  const keys = sealingKeysOf([usable]);
  return (pieces) => seal(pieces, keys);
}

async function seal(pieces: readonly Buffer[], keys: SealingKeys): Promise<number> {
  const sessionKey = randomBytes(keys.encryption.keyBytes);
  const packets = await sessionKeyPackets(keys, sessionKey, new Date());
  const { encryption } = keys;
  const message = new EncryptedMessage({ encryption, sessionKey, sessionKeyPackets: packets }, randomBytes);
  const literal = new LiteralData();
  let bytes = 0;
  const take = (out: readonly Buffer[]) => {
    for (const each of out) {
      bytes += each.length;
      releaseMemory(each); // as the store does after its write
    }
  };
  const emit = (packet: Buffer) => take(message.update(packet));
  for (const piece of pieces) literal.update(piece, emit);
  literal.final(emit);
  take(message.final());
  return bytes;
}

async function openpgpjs(certificate: string): Promise<Encryptor> {
  const key = await openpgp.readKey({ armoredKey: certificate });
  return (pieces) => encryptByOpenpgpjs(pieces, key);
}

async function encryptByOpenpgpjs(pieces: readonly Buffer[], key: openpgp.Key): Promise<number> {
  const source = pieces[Symbol.iterator]();
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const { done, value } = source.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
  const sealed = await openpgp.encrypt({
    message: await openpgp.createMessage({ binary: stream }),
    encryptionKeys: key,
    format: 'armored',
  });
  let bytes = 0;
  for await (const text of sealed as unknown as AsyncIterable<string>) bytes += text.length;
  return bytes;
}

type Count = (output: Buffer) => number;
type Cipher = (piece: Buffer) => Buffer;

function bare(count: Count, makeCipher: () => Cipher): Prepare {
  return async () => async (pieces) => {
    const cipher = makeCipher();
    let bytes = 0;
    for (const piece of pieces) bytes += count(cipher(piece));
    return bytes;
  };
}

function base64(output: Buffer): number {
  return output.toString('base64').length;
}

/** Makes the cipher of SEIPD v1, which hashes what it encrypts. */
function cfb(): Cipher {
  const cipher = createCipheriv('aes-256-cfb', randomBytes(32), randomBytes(16));
  const hash = createHash('sha1');
  return (piece) => {
    hash.update(piece);
    return cipher.update(piece);
  };
}

/** Makes the ciphers of SEIPD v2, a new one for each chunk of 256 KiB. */
function aead(name: 'aes-256-gcm' | 'aes-256-ocb', nonceBytes: number): () => Cipher {
  return () => {
    const key = randomBytes(32);
    const options = { authTagLength: CHUNK_TAG_BYTES };
    const newChunk = () => createCipheriv(name as 'aes-256-gcm', key, randomBytes(nonceBytes), options);
    let chunk = newChunk();
    let inChunk = 0;
    return (piece) => {
      const output = chunk.update(piece);
      if (++inChunk < PIECES_PER_CHUNK) return output;
      chunk.final();
      chunk.getAuthTag();
      chunk = newChunk();
      inChunk = 0;
      return output;
    };
  };
}
