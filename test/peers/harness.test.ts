// Tests the harness itself: real programs, with stand-ins in the place of Sealdir.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startDovecotImap } from '../support/dovecot.ts';
import { openGnupgHome } from '../support/gnupghome.ts';
import { GPG_KEY_KINDS, makeGpgKey } from '../support/gpgkey.ts';
import { connectImap, fetchMessage } from '../support/imapclient.ts';
import { needsKeyCollection, openKeyCollection } from '../support/keys.ts';
import { testLong } from '../support/long.ts';
import { armorOf, gpgDecrypt, rnpDecrypt, sqDecrypt, sqopDecrypt } from '../support/openpgp-programs.ts';
import { needs } from '../support/peers.ts';
import { accepts, freePort } from '../support/port.ts';
import { startPostfix } from '../support/postfix.ts';
import { type Running, run, start } from '../support/process.ts';
import { submit } from '../support/submit.ts';
import { until } from '../support/until.ts';
import { toWireForm } from '../support/wireform.ts';

const MESSAGE = Buffer.from('Subject: harness\r\n\r\nhello 8-bit \xff\r\n.dot\r\n', 'latin1');

let dir = '';
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sealdir-'));
});
after(() => rm(dir, { recursive: true, force: true }));

describe('Postfix', needs('root', 'postfix', 'smtp-sink'), () => {
  for (const kind of ['unix', 'inet'] as const) {
    test(`delivers over an ${kind} socket, and again after a failure`, async () => {
      const home = await mkdtemp(join(dir, 'postfix-'));
      const where = kind === 'unix' ? join(home, 'sink') : await freePort();
      const transport = kind === 'unix' ? `lmtp:unix:${where}` : `lmtp:inet:127.0.0.1:${where}`;
      const postfix = await startPostfix({ dir: home, transport, domains: ['example.com', 'example.net'] });
      let sink: Running | undefined;
      try {
        await submit(postfix.port, { from: 'a@example.org', to: ['b@example.com'], message: MESSAGE });
        await until(
          'the message is deferred',
          async () => (await postfix.queue())[0]?.includes(' deferred ') ?? false,
        );
        sink = await startSink(home, where);
        await submit(postfix.port, { from: '', to: ['b@example.com', 'c@example.net'], message: MESSAGE });
        await postfix.flush();
        await until('the queue is empty', async () => (await postfix.queue()).length === 0);
      } finally {
        await postfix.stop();
        await sink?.stop();
      }
      const received = await Promise.all(
        (await readdir(join(home, 'mail'))).map((name) => readFile(join(home, 'mail', name))),
      );
      assert.equal(received.length, 2);
      assert.ok(received.every((message) => message.includes('hello 8-bit \xff', 0, 'latin1')));
      assert.match(postfix.log(), /to=<c@example\.net>.*status=sent/);
      assert.equal(await accepts(postfix.port), false);
    });
  }
});

describe('OpenPGP programs', needs('gpg', 'sq', 'sqop', 'rnp'), () => {
  for (const kind of GPG_KEY_KINDS) {
    test(`gpg, sq, sqop and rnp open what gpg sealed to a ${kind} key`, async () => {
      const key = await makeGpgKey({ kind, address: 'demo@example.com', directory: dir });
      const sealed = await gpgSeal(key.certificateFile, MESSAGE);
      for (const decrypt of [gpgDecrypt, sqDecrypt, sqopDecrypt, rnpDecrypt]) {
        assert.deepEqual(await decrypt(key.secretKeyFile, sealed), MESSAGE, decrypt.name);
      }
    });
  }

  test('gpg, sqop and rnp open a protected key with its passphrase, and not without', async () => {
    const passphrase = 'correct horse';
    const key = await makeGpgKey({
      kind: 'cv25519',
      address: 'locked@example.com',
      directory: dir,
      passphrase,
    });
    const sealed = await gpgSeal(key.certificateFile, MESSAGE);
    for (const decrypt of [gpgDecrypt, sqopDecrypt, rnpDecrypt]) {
      assert.deepEqual(await decrypt(key.secretKeyFile, sealed, { passphrase }), MESSAGE, decrypt.name);
      await assert.rejects(decrypt(key.secretKeyFile, sealed, { passphrase: 'wrong' }), decrypt.name);
    }
  });

  testLong('every program refuses a message that was cut off', async () => {
    const key = await makeGpgKey({ kind: 'cv25519', address: 'cut@example.com', directory: dir });
    const sealed = (await gpgSeal(key.certificateFile, randomBytes(10_000))).subarray(0, 8_000);
    for (const decrypt of [gpgDecrypt, sqDecrypt, sqopDecrypt, rnpDecrypt]) {
      await assert.rejects(decrypt(key.secretKeyFile, sealed), decrypt.name);
    }
  });

  testLong('the key collection opens what gpg seals to it', needsKeyCollection(), async () => {
    const collection = await openKeyCollection();
    try {
      const key = collection?.key('gpg-pass');
      assert.ok(key?.secretKeyFile);
      const sealed = await gpgSeal(key.certificateFile, MESSAGE);
      assert.deepEqual(await gpgDecrypt(key.secretKeyFile, sealed, { passphrase: key.passphrase }), MESSAGE);
    } finally {
      await collection?.close();
    }
  });

  test('the armor is cut out of a PGP/MIME message to the byte', () => {
    const armor = '-----BEGIN PGP MESSAGE-----\n\nabcd\n-----END PGP MESSAGE-----\n';
    const stored = Buffer.from(`Subject: x\n\n--b\n\nVersion: 1\n--b\n\n${armor}\n--b--\n`);
    assert.equal(armorOf(stored).toString(), armor);
    assert.throws(() => armorOf(Buffer.from('Subject: x\n\nplain\n')));
  });
});

test('Dovecot lists a Maildir message and hands it out byte for byte', needs('dovecot'), async () => {
  const home = await mkdtemp(join(dir, 'dovecot-'));
  const mailbox = join(home, 'mail/example.com/alice');
  for (const part of ['tmp', 'new', 'cur']) await mkdir(join(mailbox, part), { recursive: true });
  const stored = Buffer.from('Subject: {3}\n\n8-bit \xff, a literal look-alike {5}\n)\n', 'latin1');
  const expected = toWireForm(stored);
  const name = `1.M1P1Q1R1.host,S=${stored.length},W=${expected.length}`;
  await writeFile(join(mailbox, 'new', name), stored, { mode: 0o600 });
  const dovecot = await startDovecotImap({ dir: home });
  try {
    await dovecot.adopt(join(home, 'mail'));
    const imap = await connectImap(dovecot.port, 'alice@example.com');
    assert.equal((await imap.mailboxOpen('INBOX')).exists, 1);
    assert.deepEqual(await fetchMessage(imap, 1), { size: expected.length, bytes: expected });
    await assert.rejects(imap.mailboxOpen('absent'), { mailboxMissing: true });
    await imap.logout();
  } finally {
    await dovecot.stop();
  }
  assert.doesNotMatch(dovecot.log(), /Error|Fatal/);
});

async function gpgSeal(certificateFile: string, plaintext: Buffer): Promise<Buffer> {
  const home = await openGnupgHome();
  try {
    return await home.gpg(['--armor', '--recipient-file', certificateFile, '--encrypt'], plaintext);
  } finally {
    await home.close();
  }
}

/** Starts Postfix's own LMTP sink, which writes each message to a file below `<home>/mail`. */
async function startSink(home: string, where: string | number): Promise<Running> {
  const mail = join(home, 'mail');
  await mkdir(mail);
  await chown(mail, Number((await run('id', ['-u', 'postfix'])).stdout.toString()), 0);
  const address = typeof where === 'string' ? `unix:${where}` : `inet:127.0.0.1:${where}`;
  const sink = await start('smtp-sink', ['-L', '-u', 'postfix', '-d', join(mail, '%s.'), address, '10'], {
    ready: () => accepts(where),
  });
  if (typeof where === 'string') await chmod(where, 0o666);
  return sink;
}
