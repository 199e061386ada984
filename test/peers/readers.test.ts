// Independent readers: gpg, sq, sqop, rnp, gosop, pgpainless-cli and `sealdir open` on what Sealdir stores
// for the common kinds of keys, with both versions of the encrypted packet.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as openpgp from 'openpgp';
import { openMessage } from '../../src/commands/open.ts';
import { FIXTURES, messageOfSize } from '../support/fixtures.ts';
import { BRAINPOOL_KINDS, GPG_KEY_KINDS, makeGpgKey } from '../support/gpgkey.ts';
import { needsKeyCollection, openKeyCollection } from '../support/keys.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { shortOf } from '../support/long.ts';
import { Matrix } from '../support/matrix.ts';
import {
  armorOf,
  gosopDecrypt,
  gpgDecrypt,
  pgpainlessDecrypt,
  rnpDecrypt,
  sqDecrypt,
  sqopDecrypt,
} from '../support/openpgp-programs.ts';
import { needs } from '../support/peers.ts';
import { startSealdir } from '../support/sealdir.ts';

type Decrypt = (secretKeyFile: string, sealed: Uint8Array) => Promise<Buffer>;

const ALICE = 'alice@example.com';
const READERS: Readonly<Record<string, Decrypt>> = {
  gpg: gpgDecrypt,
  sq: sqDecrypt,
  sqop: sqopDecrypt,
  rnp: rnpDecrypt,
  gosop: gosopDecrypt,
  'pgpainless-cli': pgpainlessDecrypt,
  'sealdir open': sealdirDecrypt,
};
const PROGRAMS = ['gpg', 'sq', 'sqop', 'rnp', 'gosop', 'pgpainless-cli'];
// A message with bytes of every value, one with several partial lengths, and one that is empty.
const MESSAGES = [
  FIXTURES.find(({ name }) => name.startsWith('every byte'))?.bytes ?? Buffer.alloc(0),
  messageOfSize(300_000),
  Buffer.from('\r\n'),
];

interface KeyPair {
  readonly certificate: Buffer | string;
  readonly secretKeyFile: string;
}

interface Case {
  readonly row: string;
  readonly seipd: 1 | 2;
  make(directory: string): Promise<KeyPair>;
}

/** Keys that gpg makes have version 1, and those that announce version 2 come from OpenPGP.js. */
const CASES: readonly Case[] = [
  ...[...GPG_KEY_KINDS, ...BRAINPOOL_KINDS].map((kind) => ({
    row: `${kind}, v4 key, SEIPD v1`,
    seipd: 1 as const,
    make: (directory: string) => makeGpgKey({ kind, address: ALICE, directory }),
  })),
  jsCase('X25519 (RFC 9580), v4 key, SEIPD v1', 1, { type: 'curve25519' }, 4),
  jsCase('X448 (RFC 9580), v4 key, SEIPD v1', 1, { type: 'curve448' }, 4),
  jsCase('cv25519, v4 key, SEIPD v2', 2, { type: 'ecc', curve: 'curve25519Legacy' }, 4),
  jsCase('rsa2048, v4 key, SEIPD v2', 2, { type: 'rsa', rsaBits: 2048 }, 4),
  jsCase('nistp256, v4 key, SEIPD v2', 2, { type: 'ecc', curve: 'nistP256' }, 4),
  jsCase('nistp384, v4 key, SEIPD v2', 2, { type: 'ecc', curve: 'nistP384' }, 4),
  jsCase('brainpoolP256r1, v4 key, SEIPD v2', 2, { type: 'ecc', curve: 'brainpoolP256r1' }, 4),
  jsCase('X25519 (RFC 9580), v6 key, SEIPD v2', 2, { type: 'curve25519' }, 6),
  jsCase('X448 (RFC 9580), v6 key, SEIPD v2', 2, { type: 'curve448' }, 6),
  jsCase('rsa2048, v6 key, SEIPD v2', 2, { type: 'rsa', rsaBits: 2048 }, 6),
  jsCase('nistp256, v6 key, SEIPD v2', 2, { type: 'ecc', curve: 'nistP256' }, 6),
];

const matrix = new Matrix('readers.test.ts', 'openpgp');

describe('independent readers', needs(...PROGRAMS), () => {
  let directory = '';
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  for (const { row, seipd, make } of shortOf(CASES, 2)) {
    test(`what is sealed is read, or is known not to be: ${row}`, { timeout: 480_000 }, async () => {
      const key = await make(directory);
      const sealed = await sealedTo(key.certificate);
      assert.equal(await seipdOf(sealed[0] ?? Buffer.alloc(0)), seipd);
      const older = seipd === 1 ? sealed[0] : await sealedByOpenpgpjs(key.certificate);
      for (const [name, decrypt] of Object.entries(READERS)) {
        const opened = await Promise.all(sealed.map((each) => opens(decrypt, key.secretKeyFile, each)));
        if (MESSAGES.every((message, n) => opened[n]?.equals(message))) {
          matrix.saw(row, name, 'opens');
          continue;
        }
        if (MESSAGES.every((message, n) => opened[n]?.equals(asText(message)))) {
          matrix.saw(row, name, 'opens as text');
          continue;
        }
        assert.ok(
          opened.every((bytes) => bytes === undefined),
          `${name} opens none or all, and to the same bytes`,
        );
        const reads = seipd === 2 && (await opens(decrypt, key.secretKeyFile, older ?? Buffer.alloc(0)));
        matrix.saw(row, name, reads ? 'not SEIPD v2' : 'not this key');
      }
    });
  }

  test('gpg opens every key of the collection that it made itself', {
    ...needsKeyCollection(),
    timeout: 480_000,
  }, async () => {
    const collection = await openKeyCollection();
    assert.ok(collection);
    const mine = collection.keys.filter(
      (key) => key.madeBy === 'gpg2.2' && key.expectation === 'encrypt' && key.secretKeyFile !== undefined,
    );
    assert.ok(mine.length > 20);
    for (const key of shortOf(mine, 2)) {
      const file = key.secretKeyFile ?? '';
      for (const [n, sealed] of (await sealedTo(key.certificate)).entries()) {
        const opened = await gpgDecrypt(file, sealed, { passphrase: key.passphrase });
        assert.ok(opened.equals(MESSAGES[n] ?? Buffer.alloc(0)), key.name);
      }
    }
    await collection.close();
  });

  test('the matrix has what was seen', () => {
    assert.deepEqual(matrix.missing(), []);
  });
});

type Algorithm = Pick<openpgp.KeyOptions, 'type' | 'rsaBits' | 'curve'>;

function jsCase(row: string, seipd: 1 | 2, algorithm: Algorithm, version: 4 | 6): Case {
  const config = { v6Keys: version === 6, aeadProtect: seipd === 2 };
  return {
    row,
    seipd,
    async make(directory) {
      const { privateKey, publicKey } = await openpgp.generateKey({
        ...algorithm,
        userIDs: [{ email: ALICE }],
        format: 'armored',
        config,
      });
      const secretKeyFile = join(directory, `${row.replaceAll(/\W+/g, '-')}.asc`);
      await writeFile(secretKeyFile, privateKey, { mode: 0o600 });
      return { certificate: publicKey, secretKeyFile };
    },
  };
}

/** Resolves to the messages as a real server stores them for the key. */
async function sealedTo(certificate: Buffer | string): Promise<Buffer[]> {
  const server = await startSealdir({ keys: { [ALICE]: certificate } });
  try {
    const session = await openSession(server.socketPath);
    const sealed: Buffer[] = [];
    for (const message of MESSAGES) {
      const { rcpt, final } = await deliver(session, { to: [ALICE], message });
      assert.match(final[0] ?? rcpt[0] ?? '', /^250 2\.0\.0 /);
      sealed.push(armorOf(await server.stored(ALICE, server.outcomes().at(-1)?.file)));
    }
    await session.vanish();
    return sealed;
  } finally {
    await server.stop();
  }
}

/** Resolves to a message with version 1, to the same key. */
async function sealedByOpenpgpjs(certificate: Buffer | string): Promise<Buffer> {
  const encryptionKeys = await openpgp.readKey({ armoredKey: certificate.toString() });
  const message = await openpgp.createMessage({ text: 'older' });
  const sessionKey = { data: randomBytes(32), algorithm: 'aes256' as const }; // no AEAD: version 1
  return Buffer.from(await openpgp.encrypt({ message, encryptionKeys, sessionKey }));
}

async function seipdOf(sealed: Buffer): Promise<number | undefined> {
  const { packets } = await openpgp.readMessage({ armoredMessage: sealed.toString() });
  const found = packets.find((packet) => packet instanceof openpgp.SymEncryptedIntegrityProtectedDataPacket);
  return found === undefined ? undefined : (found as { version?: number }).version;
}

/** Returns what a program gives out that takes all for UTF-8 text, with line ends of its own system. */
function asText(message: Buffer): Buffer {
  return Buffer.from(
    message
      .toString()
      .replaceAll('\r\n', '\n')
      .replaceAll(/\ufffd+/g, '\ufffd'),
  );
}

/** Resolves to the plaintext, or to nothing if the program says that it failed. */
function opens(decrypt: Decrypt, secretKeyFile: string, sealed: Buffer): Promise<Buffer | undefined> {
  return decrypt(secretKeyFile, sealed).catch(() => undefined);
}

async function sealdirDecrypt(keyFile: string, sealed: Uint8Array): Promise<Buffer> {
  const message = (async function* () {
    yield Buffer.from(sealed);
  })();
  return Buffer.concat(await openMessage({ message, keyFile, passphraseFile: undefined }));
}
