// `sealdir open`: which key it takes, what it says of a message that is not whole, and how much memory it
// needs.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import * as openpgp from 'openpgp';
import { CommandError } from '../../src/commands/errors.ts';
import { openMessage } from '../../src/commands/open.ts';
import { CLI } from '../support/child.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { isLong, shortOf, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { type RunOptions, run } from '../support/process.ts';
import { makeKey, type TestKey } from '../support/testkeys.ts';

const MESSAGE = messageOfSize(20_000);
const PASSPHRASE = 'correct horse';
const MIB = 1024 * 1024;

async function locked({ secretKey }: TestKey, passphrase: string): Promise<string> {
  const privateKey = await openpgp.readPrivateKey({ armoredKey: secretKey });
  return (await openpgp.encryptKey({ privateKey, passphrase })).armor();
}

describe('sealdir open', () => {
  let directory = '';
  let old: TestKey;
  let current: TestKey;
  let forOld: Buffer;
  let forCurrent: Buffer;
  const sealdir = (args: string[], options: RunOptions = {}) =>
    run(process.execPath, [CLI, ...args], { cwd: directory, ...options });
  const put = (name: string, bytes: string | Uint8Array) => writeFile(join(directory, name), bytes);
  const seal = async ({ certificate }: TestKey, stdin: Uint8Array) => {
    await put('certificate', certificate);
    const sealed = await sealdir(['seal', '-k', 'certificate'], { stdin });
    assert.equal(sealed.code, 0, sealed.stderr);
    return sealed.stdout;
  };
  const open = (stdin: Uint8Array, file: string, ...more: string[]) =>
    sealdir(['open', '-k', file, ...more], { stdin });

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    [old, current] = [await makeKey('alice@example.com'), await makeKey('alice@example.com')];
    [forOld, forCurrent] = [await seal(old, MESSAGE), await seal(current, MESSAGE)];
    await put('passphrase', `${PASSPHRASE}\n`);
    await put('wrong', 'battery staple\n');
  });
  after(() => rm(directory, { recursive: true, force: true }));

  test('reads every secret key of a file, and asks for the passphrase of the one it needs only', async () => {
    await put(
      'both.asc',
      `An old key:\n${old.secretKey}\nand a new one:\n${await locked(current, PASSPHRASE)}`,
    );
    const first = await open(forOld, 'both.asc');
    assert.equal(first.code, 0, first.stderr);
    assert.ok(first.stdout.equals(MESSAGE));
    const wrong = await open(forOld, 'both.asc', '--passphrase-file', 'wrong');
    assert.ok(wrong.stdout.equals(MESSAGE), 'a passphrase that is not needed is not looked at');
    const none = await open(forOld, 'both.asc', '--passphrase-file', 'none');
    assert.ok(none.stdout.equals(MESSAGE));
    const second = await open(forCurrent, 'both.asc', '--passphrase-file', 'passphrase');
    assert.equal(second.code, 0, second.stderr);
    assert.ok(second.stdout.equals(MESSAGE));
  });

  testLong('says what is missing where a locked key is needed', async () => {
    await put('both.asc', `${old.secretKey}\n${await locked(current, PASSPHRASE)}`);
    const without = await open(forCurrent, 'both.asc');
    assert.equal(without.code, 65);
    assert.match(without.stderr, /the secret key it needs is locked: give --passphrase-file/);
    const wrong = await open(forCurrent, 'both.asc', '--passphrase-file', 'wrong');
    assert.equal(wrong.code, 65);
    assert.match(wrong.stderr, /the passphrase does not unlock the secret key it needs/);
    assert.equal((await open(forCurrent, 'both.asc', '--passphrase-file', 'none')).code, 66);
  });

  testLong('takes the one of two locked keys that its passphrase unlocks', async () => {
    await put('two.asc', `${await locked(old, 'another')}\n${await locked(current, PASSPHRASE)}`);
    const { code, stdout, stderr } = await open(forCurrent, 'two.asc', '--passphrase-file', 'passphrase');
    assert.equal(code, 0, stderr);
    assert.ok(stdout.equals(MESSAGE));
  });

  testLong('reads binary keys one after the other, and leaves out what it cannot read', async () => {
    const blocks = [old, current].map(async ({ secretKey }) =>
      (await openpgp.readPrivateKey({ armoredKey: secretKey })).write(),
    );
    await put('both.pgp', Buffer.concat(await Promise.all(blocks)));
    assert.ok((await open(forCurrent, 'both.pgp')).stdout.equals(MESSAGE));
    const damaged = old.secretKey.replace(/\n\n.{20}/, '\n\nAAAAAAAAAAAAAAAAAAAA');
    await put('damaged.asc', `${damaged}\n${current.secretKey}`);
    assert.ok((await open(forCurrent, 'damaged.asc')).stdout.equals(MESSAGE));
    await put('public.asc', current.certificate);
    const { code, stderr } = await open(forCurrent, 'public.asc');
    assert.equal(code, 65);
    assert.match(stderr, /public\.asc holds no secret key/);
  });

  test('gives back what was received with --original, under every header policy', async () => {
    await put('current.asc', current.secretKey);
    await put('certificate', current.certificate);
    const cron = Buffer.from('Subject: x\r\n\r\nbody\r\n');
    const html = Buffer.from('Subject: a\r\nContent-Type: text/html; hp="clear"\r\n\r\nb\r\n');
    const cases = [
      ['visible', cron],
      ['baseline', MESSAGE],
      ['minimal', cron],
      ['minimal', html],
    ] as const;
    for (const [policy, message] of shortOf(cases, 2)) {
      await put('policy.toml', `[headers]\npolicy = "${policy}"\n`);
      const sealed = await sealdir(['seal', '-c', 'policy.toml', '-k', 'certificate'], { stdin: message });
      assert.equal(sealed.code, 0, sealed.stderr);
      const { code, stdout, stderr } = await open(sealed.stdout, 'current.asc', '--original');
      assert.equal(code, 0, stderr);
      assert.ok(stdout.equals(message), `${policy}: ${stdout}`);
      const held = (await open(sealed.stdout, 'current.asc')).stdout;
      assert.equal(held.includes('; hp="cipher"; protected-headers="v1"'), policy !== 'visible');
      if (policy === 'visible') assert.ok(held.equals(message));
    }
  });

  testLong('with --original says so if the places in the message are not by Sealdir', async () => {
    await put('current.asc', current.secretKey);
    const encrypted = await openpgp.encrypt({
      message: await openpgp.createMessage({ binary: Buffer.from('short'), filename: 'sealdir-added:0+99' }),
      encryptionKeys: await openpgp.readKey({ armoredKey: current.certificate }),
    });
    const { code, stdout, stderr } = await open(Buffer.from(encrypted), 'current.asc', '--original');
    assert.equal(code, 65);
    assert.equal(stdout.length, 0);
    assert.match(stderr, /not sealed by Sealdir/);
    assert.equal((await open(Buffer.from(encrypted), 'current.asc')).stdout.toString(), 'short');
  });

  testLong('names the keys a message is for, where the file has none of them', async () => {
    await put('old.asc', old.secretKey);
    const { code, stderr } = await open(forCurrent, 'old.asc');
    assert.equal(code, 65);
    assert.match(
      stderr,
      /cannot open this message with old\.asc: it is for [0-9A-F]{16}, and none of those keys is in it/,
    );
  });

  test('opens SEIPD v2 for a v6 key', async () => {
    const key = await makeKey('bob@example.com', { version: 6 });
    await put('v6.asc', key.secretKey);
    assert.ok((await open(await seal(key, MESSAGE), 'v6.asc')).stdout.equals(MESSAGE));
  });

  test('opens what reached it with CRLF, trailing blanks, armor headers, or text around it', async () => {
    await put('current.asc', current.secretKey);
    const armor = /-----BEGIN[\s\S]*-----END PGP MESSAGE-----/.exec(forCurrent.toString('latin1'))?.[0] ?? '';
    const spellings = [
      armor.replaceAll('\n', '\r\n'),
      armor.replaceAll('\n', ' \n'),
      armor.replace('\n\n', '\nVersion: 1\nComment:\n\n'),
      `${'x'.repeat(200_000)}\n${armor}\n${'y'.repeat(200_000)}`,
      armor.replace('\n\n', '\n'),
    ];
    for (const [index, text] of shortOf(spellings, 2).entries()) {
      const { stdout, stderr } = await open(Buffer.from(text), 'current.asc');
      assert.ok(stdout.equals(MESSAGE), `${index}: ${stderr}`);
    }
  });

  test('says of a message that ends too early that it is cut off, wherever that is', async () => {
    await put('current.asc', current.secretKey);
    const text = forCurrent.toString('latin1');
    const armor = text.indexOf('-----BEGIN PGP');
    const places = [
      armor - 20,
      armor + 10,
      armor + 30,
      armor + 400,
      (armor + text.length) >> 1,
      text.indexOf('-----END PGP') - 1,
    ];
    for (const at of shortOf(places, 2)) {
      const { code, stdout, stderr } = await open(Buffer.from(text.slice(0, at), 'latin1'), 'current.asc');
      assert.equal(code, 65, `${at}`);
      assert.match(stderr, /this message is cut off/, `${at}`);
      assert.equal(stdout.length, 0);
    }
  });

  test('says of a message whose middle is missing or changed that it was changed, and prints nothing', async () => {
    await put('current.asc', current.secretKey);
    const lines = forCurrent.toString('latin1').split('\n');
    const middle = lines.length >> 1;
    for (const changed of [
      lines.toSpliced(middle, 3),
      lines.toSpliced(middle, 1, `${lines[middle]?.startsWith('A') ? 'B' : 'A'}${lines[middle]?.slice(1)}`),
    ]) {
      const { code, stdout, stderr } = await open(Buffer.from(changed.join('\n'), 'latin1'), 'current.asc');
      assert.equal(code, 65);
      assert.match(stderr, /it was changed on its way, or cut off/);
      assert.equal(stdout.length, 0);
    }
  });

  test('prints nothing of a message in which any byte was changed', async () => {
    await put('current.asc', current.secretKey);
    const text = forCurrent.toString('latin1');
    const [from, to] = [text.indexOf('\n\n', text.indexOf('BEGIN PGP')) + 2, text.indexOf('\n-----END PGP')];
    for (let n = 0; n < 200; n += isLong ? 1 : 10) {
      const at = from + Math.floor(((to - from) * n) / 200);
      if (!/[A-Za-z0-9+/]/.test(text[at] ?? '')) continue;
      const changed = `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
      const message = Readable.from([Buffer.from(changed, 'latin1')]);
      const keyFile = join(directory, 'current.asc');
      await assert.rejects(
        openMessage({ message, keyFile, passphraseFile: undefined }),
        CommandError,
        `${at}`,
      );
    }
  });

  testLong('says why a file cannot be read', async () => {
    await put('current.asc', current.secretKey);
    for (const file of shortOf(['none.eml', '.'], 1)) {
      const { code, stderr } = await sealdir(['open', '-k', 'current.asc', file]);
      assert.equal(code, 66);
      assert.match(stderr, /cannot be read: no such file|is a directory, not a message/);
    }
  });

  testLong(
    'takes no more than three times the message in memory',
    {
      ...needs('time'),
      timeout: 480_000,
    },
    async () => {
      const size = 64 * MIB;
      const message = Buffer.concat([
        Buffer.from('Subject: large\r\n\r\n'),
        Buffer.from(
          randomBytes(size / 2)
            .toString('hex')
            .replaceAll(/.{72}/g, '$&\r\n'),
        ),
      ]);
      await put('large.eml', await seal(current, message));
      await put('current.asc', current.secretKey);
      const args = ['-f', '%M', process.execPath, CLI, 'open', '-k', 'current.asc', 'large.eml'];
      const { stdout, stderr } = await run('time', args, { cwd: directory, timeoutMs: 400_000 });
      const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
      assert.equal(hash(stdout), hash(message));
      assert.ok(Number(stderr) * 1024 < 3 * size, `${Number(stderr) >> 10} MiB`);
    },
  );
});
