// Header policies: nothing of what is hidden outside, everything in what is opened, and signatures that still
// verify. What mail clients show is in clients.test.ts.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openMessage } from '../../src/commands/open.ts';
import { dkimSign, dkimVerifies, makeDkimKey } from '../support/dkim.ts';
import { examples } from '../support/examples.ts';
import { type GnupgHome, openGnupgHome } from '../support/gnupghome.ts';
import { makeGpgKey } from '../support/gpgkey.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { armorOf, rnpDecrypt, sqDecrypt } from '../support/openpgp-programs.ts';
import { needs } from '../support/peers.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';

const BASELINE = 'alice@example.net';
const MINIMAL = 'alice@example.com';
/** What stands in the hidden fields of every message. */
const HIDDEN = /Quarterly|kwd-secret|topic-secret/;
const HEAD = `From: Bob <bob@example.org>\r
To: Alice <alice@example.com>, carol@example.org\r
Date: Thu, 01 Jan 2026 00:00:00 +0000\r
In-Reply-To: <first@example.org>\r
References: <first@example.org>\r
Keywords: kwd-secret\r
Thread-Topic: topic-secret\r
`;

interface Sent {
  readonly name: string;
  readonly bytes: Buffer;
}

describe('header policies', needs('gpg'), () => {
  let directory = '';
  let secretKeyFile = '';
  let home: GnupgHome;
  let server: TestServer;
  const dkimKey = makeDkimKey();
  const sent: Sent[] = [];
  const files: Record<string, Buffer[]> = { [BASELINE]: [], [MINIMAL]: [] };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    const key = await makeGpgKey({ kind: 'cv25519', address: BASELINE, directory });
    secretKeyFile = key.secretKeyFile;
    home = await openGnupgHome();
    await home.gpg(['--import', key.secretKeyFile]);
    await makeMessages();
    server = await startSealdir({
      keys: { [BASELINE]: key.certificate, [MINIMAL]: key.certificate },
      toml: { rest: examples().find((text) => text.startsWith('[headers]')) ?? '' }, // README's
    });
    for (const { bytes } of sent) {
      const [baseline, minimal] = await delivered(bytes);
      files[BASELINE]?.push(baseline);
      files[MINIMAL]?.push(minimal);
    }
  });
  after(async () => {
    await server.stop();
    await home.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** Resolves to the two files of a message to both. */
  async function delivered(message: Buffer): Promise<[baseline: Buffer, minimal: Buffer]> {
    const session = await openSession(server.socketPath);
    await deliver(session, { to: [BASELINE, MINIMAL], message });
    await session.vanish();
    const stored = (address: string) => {
      const { file } = server.outcomes().findLast(({ recipient }) => recipient === address) ?? {};
      return server.stored(address, file);
    };
    return [await stored(BASELINE), await stored(MINIMAL)];
  }

  async function makeMessages(): Promise<void> {
    const add = (name: string, rest: string) => {
      const id = `Message-ID: <${name}@example.org>\r\nSubject: Quarterly ${name}\r\n`;
      sent.push({ name, bytes: Buffer.from(`${HEAD}${id}${rest}`) });
    };
    add('plain', 'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ntext CANARY\r\n');
    add('folded', 'Content-Type:\r\n text/plain;\r\n\tcharset="utf-8"\r\n\r\ntext CANARY\r\n');
    add('typeless', '\r\ntext CANARY\r\n');
    add(
      'mixed',
      'Content-Type: multipart/mixed; boundary="m"\r\n\r\n--m\r\nContent-Type: text/x-log\r\n\r\nlog\r\n--m\r\n\r\nmixed CANARY\r\n--m--\r\n',
    );
    const part = 'Content-Type: text/plain\r\n\r\ntext CANARY\r\n';
    await writeFile(join(directory, 'part'), part);
    const signed = await home.gpg(['--armor', '--detach-sign', '--output', '-', join(directory, 'part')]);
    const signature = `Content-Type: application/pgp-signature\r\n\r\n${signed.toString().replaceAll('\n', '\r\n')}`;
    add(
      'signed',
      `Content-Type: multipart/signed; micalg=pgp-sha512;\r\n protocol="application/pgp-signature"; boundary=s\r\n\r\n--s\r\n${part}\r\n--s\r\n${signature}\r\n--s--\r\n`,
    );
  }

  const outsideOf = (file: Buffer) =>
    Buffer.from(file.toString('latin1').replace(armorOf(file).toString(), ''));
  const open = async (file: Buffer, wanted: 'held' | 'original') => {
    const message = (async function* () {
      yield file;
    })();
    return Buffer.concat(
      await openMessage({ message, keyFile: secretKeyFile, passphraseFile: undefined, wanted }),
    );
  };

  test('nothing that is hidden stands outside, and everything that was received comes out', async () => {
    for (const address of [BASELINE, MINIMAL])
      for (const [n, { name, bytes }] of sent.entries()) {
        const file = files[address]?.[n] ?? Buffer.alloc(0);
        const outside = outsideOf(file).toString('latin1');
        assert.doesNotMatch(outside, HIDDEN, name);
        assert.equal(outside.includes('carol@'), address === BASELINE);
        assert.match(outside, /^In-Reply-To: <first@example\.org>\nReferences: <first@example\.org>$/m);
        assert.match(outside, new RegExp(`^Message-ID: <${name}@example.org>$`, 'm'));
        assert.ok((await open(file, 'original')).equals(bytes), name);
      }
  });

  test('gpg, sq and rnp open it, and see the same', needs('sq', 'rnp'), async () => {
    const [file = Buffer.alloc(0)] = files[BASELINE] ?? [];
    const held = await open(file, 'held');
    assert.ok((await home.gpg(['--decrypt'], armorOf(file))).equals(held));
    assert.ok((await sqDecrypt(secretKeyFile, armorOf(file))).equals(held));
    assert.ok((await rnpDecrypt(secretKeyFile, armorOf(file))).equals(held));
  });

  test('gpg verifies what a sender signed, on the bytes that a client decrypts', async () => {
    const n = sent.findIndex(({ name }) => name === 'signed');
    for (const address of [BASELINE, MINIMAL]) {
      const held = (await open(files[address]?.[n] ?? Buffer.alloc(0), 'held')).toString('latin1');
      const [, part = '', signature = ''] =
        /\r\n--s\r\n(.*?)\r\n--s\r\nContent-Type: application\/pgp-signature\r\n\r\n(.*)\r\n--s--/s.exec(
          held,
        ) ?? [];
      await writeFile(join(directory, 'held'), part, 'latin1');
      await writeFile(join(directory, 'held.sig'), signature, 'latin1');
      await home.gpg(['--verify', join(directory, 'held.sig'), join(directory, 'held')]);
    }
  });

  test(
    'DKIM verifies on the original bytes, and not on those with our fields',
    needs('dkimverify'),
    async () => {
      const unsigned = sent.find(({ name }) => name === 'plain')?.bytes ?? Buffer.alloc(0);
      const message = await dkimSign(unsigned, dkimKey);
      assert.ok(await dkimVerifies(message, dkimKey));
      for (const file of await delivered(message)) {
        assert.doesNotMatch(outsideOf(file).toString('latin1'), /DKIM/i);
        assert.ok(await dkimVerifies(await open(file, 'original'), dkimKey));
        assert.ok(!(await dkimVerifies(await open(file, 'held'), dkimKey)), 'Content-Type is signed too');
      }
    },
  );
});
