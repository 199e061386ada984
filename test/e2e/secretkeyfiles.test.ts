// `sealdir open -k`: old mail opens with the secret key it is for, whatever has become of that key since, and
// however it is kept in its file. Where it does not, the file is told to be what it is.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import * as openpgp from 'openpgp';
import { CommandError, EXIT } from '../../src/commands/errors.ts';
import { openMessage } from '../../src/commands/open.ts';
import { CLI } from '../support/child.ts';
import { isLong } from '../support/long.ts';
import { type RunOptions, run } from '../support/process.ts';
import { makeKey, type TestKey } from '../support/testkeys.ts';

const MESSAGE = Buffer.from('Subject: old\r\n\r\nwritten long ago\r\n');
const PASSPHRASE = 'correct horse';
const YEAR = 365 * 24 * 3600;

const keyOf = ({ secretKey }: TestKey) => openpgp.readPrivateKey({ armoredKey: secretKey });

describe('sealdir open', () => {
  let directory = '';
  let bob: TestKey;
  let carol: TestKey;
  let forBob: Buffer;
  let forCarol: Buffer;
  const sealdir = (args: string[], options: RunOptions = {}) =>
    run(process.execPath, [CLI, ...args], { cwd: directory, ...options });
  const seal = async (certificate: string, stdin: Uint8Array) => {
    await writeFile(join(directory, 'certificate'), certificate);
    const sealed = await sealdir(['seal', '-k', 'certificate'], { stdin });
    assert.equal(sealed.code, 0, sealed.stderr);
    return sealed.stdout;
  };
  const open = async (stdin: Uint8Array, secretKey: string | Uint8Array, ...more: string[]) => {
    await writeFile(join(directory, 'secret'), secretKey);
    if (isLong) return sealdir(['open', '-k', 'secret', ...more], { stdin });
    return openedHere(stdin, more);
  };
  /** Does what the command does, in this process; e2e/open has the program. */
  const openedHere = async (sealed: Uint8Array, [, passphrase]: readonly string[]) => {
    const keyFile = join(directory, 'secret');
    const passphraseFile = passphrase && join(directory, passphrase);
    try {
      const pieces = await openMessage({ message: Readable.from([sealed]), keyFile, passphraseFile });
      return { code: 0, stdout: Buffer.concat(pieces), stderr: '' };
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      return { code: EXIT[error.kind], stdout: Buffer.alloc(0), stderr: error.everything.join('\n') };
    }
  };
  const opens = async (stdin: Uint8Array, secretKey: string | Uint8Array, ...more: string[]) => {
    const { code, stdout, stderr } = await open(stdin, secretKey, ...more);
    assert.equal(code, 0, stderr);
    assert.ok(stdout.equals(MESSAGE));
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    [bob, carol] = [await makeKey('bob@example.com'), await makeKey('carol@example.com')];
    [forBob, forCarol] = [await seal(bob.certificate, MESSAGE), await seal(carol.certificate, MESSAGE)];
    await writeFile(join(directory, 'passphrase'), `${PASSPHRASE}\n`);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  test('opens old mail with a key that is revoked', async () => {
    const { privateKey } = await openpgp.revokeKey({ key: await keyOf(bob), format: 'armored' });
    await opens(forBob, privateKey);
  });

  test('opens old mail with a key whose user IDs are revoked', async () => {
    const key = await keyOf(bob);
    type Revocable = { revoke(key: unknown, reason: object): Promise<openpgp.User> };
    const [user] = key.users as unknown as Revocable[];
    assert.ok(user);
    key.users = [await user.revoke(key.keyPacket, { flag: openpgp.enums.reasonForRevocation.userIDInvalid })];
    await opens(forBob, key.armor());
  });

  test('opens old mail with a key that is left without user IDs, or without any signature', async () => {
    const key = await keyOf(bob);
    key.users = [];
    await opens(forBob, key.write());
    key.subkeys.map((subkey) => Object.assign(subkey, { bindingSignatures: [] }));
    await opens(forBob, key.write());
  });

  test('opens old mail with a key that has expired', async () => {
    const date = new Date(Date.now() - 2 * YEAR * 1000);
    const dave = await makeKey('dave@example.com', { date, expiresAfter: YEAR });
    const message = await openpgp.createMessage({ binary: MESSAGE });
    const encryptionKeys = await openpgp.readKey({ armoredKey: dave.certificate });
    const sealed = await openpgp.encrypt({ message, encryptionKeys, date: new Date(date.getTime() + 1000) });
    await opens(Buffer.from(sealed), dave.secretKey);
  });

  test('opens what does not name its recipient with the key it is for', async () => {
    const message = await openpgp.createMessage({ binary: MESSAGE });
    const encryptionKeys = await openpgp.readKey({ armoredKey: carol.certificate });
    const sealed = await openpgp.encrypt({ message, encryptionKeys, wildcard: true });
    await opens(Buffer.from(sealed), `${bob.secretKey}\n${carol.secretKey}`);
  });

  test('finds every key of a file that is partly binary, partly armored, and partly text', async () => {
    const binary = (await keyOf(carol)).write();
    const text = 'A key, für später:\n';
    const files = [
      [binary, bob.secretKey],
      [bob.secretKey, binary],
      [text, binary, text, bob.secretKey, text],
      [bob.certificate, bob.secretKey, text, binary, text],
      ['ő', binary, bob.secretKey],
    ].map((parts) => Buffer.concat(parts.map((part) => Buffer.from(part))));
    for (const file of files) {
      await opens(forCarol, file);
      await opens(forBob, file);
    }
  });

  test('unlocks the one key that is needed, and asks for no passphrase unless that one is locked', async () => {
    const unlocked = await keyOf(bob);
    const locked = await openpgp.encryptKey({ privateKey: await keyOf(bob), passphrase: PASSPHRASE });
    const mixed = async (primary: openpgp.PrivateKey, sub: openpgp.PrivateKey) => {
      const key = await openpgp.readPrivateKey({ binaryKey: primary.write() });
      key.subkeys = sub.subkeys;
      return key.armor();
    };
    const partly = await mixed(unlocked, locked);
    await opens(forBob, partly, '--passphrase-file', 'passphrase');
    assert.match(
      (await open(forBob, partly)).stderr,
      /the secret key it needs is locked: give --passphrase-file/,
    );
    await opens(forBob, await mixed(locked, unlocked));
    await opens(forBob, locked.armor(), '--passphrase-file', 'passphrase');
  });

  test('says of a needed key that was left out of the file that it is not there', async () => {
    const key = await keyOf(bob);
    for (const { keyPacket } of key.subkeys) (keyPacket as openpgp.SecretSubkeyPacket).makeDummy();
    const { code, stderr } = await open(forBob, key.armor());
    assert.equal(code, 65);
    assert.match(stderr, /secret: the file names the key it needs, but its secret part is not in it/);
  });

  test('says why no key can be read: cut off, UTF-16, damaged, public, or nothing at all', async () => {
    const binary = (await keyOf(bob)).write();
    const damaged = bob.secretKey.replace(/\n\n[\s\S]*?\n(?=[=-])/, `\n\n${'A'.repeat(60)}\n`);
    const cases: [string | Uint8Array, RegExp][] = [
      [bob.secretKey.slice(0, 120), /secret ends in the middle of a key \(cut off\?\): copy all of it/],
      [bob.secretKey.slice(0, 20), /secret holds no secret key/],
      [binary.subarray(0, 60), /secret ends in the middle of a key \(cut off\?\)/],
      [Buffer.from(bob.secretKey, 'utf16le'), /secret is UTF-16 text: save it as plain text/],
      [Buffer.from(`\ufeff${bob.secretKey}`, 'utf16le').swap16(), /secret is UTF-16 text/],
      [damaged, /secret holds a secret key that is damaged/],
      [bob.certificate, /secret holds no secret key, but a public one/],
      ['hello\n', /secret holds no secret key/],
      ['', /secret is empty/],
    ];
    for (const [file, why] of cases) {
      const { code, stderr } = await open(forBob, file);
      assert.match(stderr, why);
      assert.equal(code, 65, stderr);
    }
  });

  test('says of a message that is UTF-16 text that it is', async () => {
    for (const message of [
      Buffer.from(forBob.toString(), 'utf16le'),
      Buffer.from(`\ufeff${forBob}`, 'utf16le').swap16(),
    ]) {
      const { code, stderr } = await open(message, bob.secretKey);
      assert.equal(code, 65);
      assert.match(stderr, /this message is UTF-16 text: save it as plain text/);
    }
  });

  test('opens with what is whole of a file that is cut off, and says so where the needed key is not', async () => {
    const binary = (await keyOf(bob)).write();
    const { code, stderr } = await open(forBob, binary.subarray(0, 200));
    assert.equal(code, 65);
    assert.match(stderr, /none of those keys is in it; the file ends in the middle of a key \(cut off\?\)/);
    await opens(forBob, binary.subarray(0, -20));
    await opens(forBob, bob.secretKey.slice(0, -100));
  });
});
