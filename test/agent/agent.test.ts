// `sealdir open --agent` with a real gpg-agent: every kind of key, with and without a passphrase; what is
// asked, by whom and how often; what it says where nothing is decrypted.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as openpgp from 'openpgp';
import { readAgentKeys } from '../../src/agent/opener.ts';
import { packetHeader } from '../../src/openpgp/framer.ts';
import { type AgentHome, CURVE25519, openAgentHome, PASSPHRASE, RSA2048 } from '../support/agenthome.ts';
import { CLI } from '../support/child.ts';
import { isLong, shortOf, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { run, start } from '../support/process.ts';
import { repositoryRoot } from '../support/shared.ts';
import { makeKey as makeTestKey } from '../support/testkeys.ts';

const MESSAGE = 'From: a@example.com\r\nSubject: x\r\n\r\nhello\r\n';
const onCurve = (curve: string) => [
  'Key-Type: ECDSA',
  `Key-Curve: ${curve}`,
  'Subkey-Type: ECDH',
  `Subkey-Curve: ${curve}`,
];
/** All that gpg 2.2 makes; those of the second list get no mail from Sealdir, but from others. */
const KINDS = {
  rsa2048: RSA2048,
  cv25519: CURVE25519,
  nistp256: onCurve('nistp256'),
  nistp384: onCurve('nistp384'),
  nistp521: onCurve('nistp521'),
  brainpoolP256r1: onCurve('brainpoolP256r1'),
  brainpoolP384r1: onCurve('brainpoolP384r1'),
  brainpoolP512r1: onCurve('brainpoolP512r1'),
};
const WEAK_KINDS = {
  secp256k1: onCurve('secp256k1'),
  elgamal: ['Key-Type: DSA', 'Key-Length: 2048', 'Subkey-Type: ELG-E', 'Subkey-Length: 2048'],
};
const MANY = isLong ? 2_000 : 50;

describe('sealdir open --agent', needs('gpg', 'gpgconf'), () => {
  let directory = '';
  let home: AgentHome;
  const at = (...names: string[]) => join(directory, ...names);
  const sealdir = (args: readonly string[], stdin: Uint8Array | string = '', env = {}) =>
    run(process.execPath, [CLI, ...args], { cwd: directory, stdin, env: { ...home.env, ...env } });
  const open = (message: Uint8Array | string, ...more: string[]) =>
    sealdir(['open', '--agent', ...more], message);
  const seal = async (address: string, message: string | Uint8Array = MESSAGE) => {
    const sealed = await sealdir(['seal', '-k', `${address}.asc`], message);
    assert.equal(sealed.code, 0, sealed.stderr);
    return sealed.stdout;
  };
  const encrypt = (...args: string[]) => home.gpg(['--armor', '--encrypt', ...args], MESSAGE);
  const makeKey = async (address: string, algorithms: readonly string[], passphrase?: string) =>
    writeFile(at(`${address}.asc`), await home.makeKey(address, algorithms, passphrase));

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    home = await openAgentHome();
    await makeKey('locked@example.com', CURVE25519, PASSPHRASE);
    await makeKey('rsa@example.com', RSA2048, PASSPHRASE);
    await makeKey('open@example.com', CURVE25519);
  });
  after(async () => {
    await home?.close();
    await rm(directory, { recursive: true, force: true });
  });

  for (const [kind, algorithms] of shortOf(Object.entries({ ...KINDS, ...WEAK_KINDS }), 2))
    test(`opens mail to a key of ${kind}, named or hidden, by a file or by the key ring of gpg`, async () => {
      const address = `${kind}@example.com`;
      await makeKey(address, algorithms);
      const named = kind in WEAK_KINDS ? await encrypt('-r', address) : await seal(address);
      const hidden = await encrypt('--hidden-recipient', address);
      for (const [sealed, ...args] of [[named, '-k', `${address}.asc`], [hidden]] as const) {
        const { code, stdout, stderr } = await open(sealed, ...args);
        assert.equal(code, 0, stderr);
        assert.equal(stdout.toString(), MESSAGE);
      }
    });

  test('the agent asks for the passphrase, at the terminal of its user, and remembers it', async () => {
    const sealed = await seal('locked@example.com');
    await home.forget();
    await home.asked();
    await home.answers({ passphrase: PASSPHRASE });
    const env = { GPG_TTY: '/dev/some-tty', TERM: 'some-term', DISPLAY: ':7', LC_ALL: 'C.UTF-8' };
    const first = await sealdir(['open', '--agent'], sealed, env);
    assert.equal(first.code, 0, first.stderr);
    assert.equal(first.stdout.toString(), MESSAGE);
    const asked = await home.asked();
    assert.match(asked, /^OPTION ttyname=\/dev\/some-tty$/m);
    assert.match(asked, /^OPTION ttytype=some-term$/m);
    assert.match(asked, /^OPTION lc-ctype=C\.UTF-8$/m);
    assert.match(asked, /^SETDESC Sealdir%20opens%20mail%20with%20the%20OpenPGP%20key%0A[0-9A-F]{16}\./m);
    assert.equal((await open(sealed)).stdout.toString(), MESSAGE);
    assert.equal(await home.asked(), '', 'it is not asked again');
  });

  test('--passphrase-file takes the place of the pinentry', async () => {
    const sealed = await seal('locked@example.com');
    await writeFile(at('passphrase'), `${PASSPHRASE}\n`);
    await writeFile(at('wrong'), 'wrong\n');
    await home.forget();
    await home.asked();
    const wrong = await open(sealed, '--passphrase-file', 'wrong');
    assert.deepEqual([wrong.code, wrong.stdout.length], [65, 0]);
    assert.match(wrong.stderr, /with gpg-agent: the passphrase does not unlock the secret key it needs/);
    assert.equal((await open(sealed, '--passphrase-file', 'none')).code, 66);
    await makeMaildir('untold', 2, sealed);
    const untold = await open('', '--passphrase-file', 'none', '--into', 'untold-out', 'untold');
    assert.equal(untold.code, 65);
    assert.equal(
      [...untold.stderr.matchAll(/: none cannot be read: no such file/g)].length,
      2,
      untold.stderr,
    );
    const { code, stdout, stderr } = await open(sealed, '--passphrase-file', 'passphrase');
    assert.equal(code, 0, stderr);
    assert.equal(stdout.toString(), MESSAGE);
    assert.equal(await home.asked(), '');
  });

  test('opens many messages with one connection and one question', async () => {
    const sealed: Buffer[] = [];
    for (const address of ['rsa@example.com', 'locked@example.com'])
      sealed.push(await seal(address, Buffer.concat([Buffer.from(MESSAGE), Buffer.from(address)])));
    const [rsa] = sealed;
    assert.ok(rsa);
    await makeMaildir('Maildir', MANY, rsa);
    await home.forget();
    await home.asked();
    await home.connections();
    await home.answers({ passphrase: PASSPHRASE });
    const { code, stdout, stderr } = await open('', '-k', 'rsa@example.com.asc', '--into', 'out', 'Maildir');
    assert.equal(code, 0, stderr);
    assert.match(stdout.toString(), new RegExp(`^opened ${MANY}, copied as they are 0, there already 0, f`));
    const names = await readdir(at('out/cur'));
    assert.equal(names.length, MANY);
    for (const name of names)
      assert.equal(await readFile(at('out/cur', name), 'utf8'), `${MESSAGE}rsa@example.com`);
    assert.equal([...(await home.asked()).matchAll(/^GETPIN/gm)].length, 1);
    assert.equal(await home.connections(), 1);
  });

  testLong('gives back what was received with --original', async () => {
    await writeFile(at('policy.toml'), '[headers]\npolicy = "baseline"\n');
    const args = ['seal', '-c', 'policy.toml', '-k', 'open@example.com.asc'];
    const sealed = (await sealdir(args, MESSAGE)).stdout;
    assert.notEqual((await open(sealed)).stdout.toString(), MESSAGE);
    assert.equal((await open(sealed, '--original')).stdout.toString(), MESSAGE);
  });

  test('nobody is asked again for a key whose question was cancelled', async () => {
    await makeMaildir('cancelled', 5, await seal('locked@example.com'));
    await writeFile(at('cancelled/cur/6'), await seal('open@example.com'));
    await home.forget();
    await home.asked();
    await home.answers('cancel');
    const { code, stdout, stderr } = await open('', '--into', 'cancelled-out', 'cancelled');
    assert.equal(code, 65);
    assert.match(stdout.toString(), /^opened 1, copied as they are 0, there already 0, failed 5, not/);
    assert.match(stderr, /0: cannot open this message with gpg-agent: the passphrase .* was not entered\n/);
    assert.equal([...(await home.asked()).matchAll(/^GETPIN/gm)].length, 1);
  });

  testLong('says that the passphrase is wrong, after the three times that gpg-agent asks', async () => {
    const sealed = await seal('rsa@example.com');
    await home.forget();
    await home.asked();
    await home.answers({ passphrase: 'wrong' });
    const { code, stdout, stderr } = await open(sealed);
    assert.deepEqual([code, stdout.length], [65, 0]);
    assert.match(stderr, /: the passphrase does not unlock the secret key it needs\n$/);
    assert.equal([...(await home.asked()).matchAll(/^GETPIN/gm)].length, 3);
  });

  testLong('asks for no passphrase where a key without one opens the message', async () => {
    await home.forget();
    await home.asked();
    await home.answers('cancel');
    for (const how of ['--recipient', '--hidden-recipient']) {
      const both = await encrypt(how, 'locked@example.com', how, 'open@example.com');
      const { code, stdout, stderr } = await open(both);
      assert.equal(code, 0, stderr);
      assert.equal(stdout.toString(), MESSAGE);
    }
    assert.equal(await home.asked(), '');
  });

  testLong('says which key is missing: from the file, or from the agent', async () => {
    const sealed = await seal('locked@example.com');
    const other = await open(sealed, '-k', 'open@example.com.asc');
    assert.equal(other.code, 65);
    assert.match(
      other.stderr,
      /it is for [0-9A-F]{16}, and none of those keys is in open@example\.com\.asc\n/,
    );
    const file = join(home.path, 'private-keys-v1.d', `${await home.keygrip('locked@example.com')}.key`);
    await rename(file, `${file}.away`);
    try {
      const { code, stderr } = await open(sealed, '-k', 'locked@example.com.asc');
      assert.equal(code, 65);
      assert.match(stderr, /gpg-agent does not have the secret key of [0-9A-F]{16}\n$/);
    } finally {
      await rename(`${file}.away`, file);
    }
  });

  testLong('takes the public part of an exported secret key, and says what is no key', async () => {
    await writeFile(at('secret'), await home.gpg(['--export-secret-keys', 'open@example.com']));
    const sealed = await seal('open@example.com');
    assert.equal((await open(sealed, '-k', 'secret')).stdout.toString(), MESSAGE);
    await writeFile(at('none'), 'no key\n');
    const none = await open(sealed, '-k', 'none');
    assert.equal(none.code, 65);
    assert.match(none.stderr, /^sealdir: none holds no key\n$/);
    const signing = ['--quick-generate-key', 'signing@example.com', 'ed25519', 'sign', 'never'];
    await home.gpg(signing);
    await writeFile(at('signing'), await home.gpg(['--export', 'signing@example.com']));
    assert.match((await open(sealed, '-k', 'signing')).stderr, /signing holds no key of a kind that/);
  });

  test('opens mail that is also for a key of a kind that GnuPG does not have', async () => {
    const certificates = [
      await makeTestKey('bob@example.com', { version: 6 }).then(({ certificate }) => certificate),
      await readFile(at('open@example.com.asc'), 'utf8'),
    ];
    const sealed = await openpgp.encrypt({
      message: await openpgp.createMessage({ text: MESSAGE }),
      encryptionKeys: await Promise.all(certificates.map((armoredKey) => openpgp.readKey({ armoredKey }))),
    });
    const { code, stdout, stderr } = await open(sealed);
    assert.equal(code, 0, stderr);
    assert.equal(stdout.toString(), MESSAGE);
  });

  testLong('an agent that is forwarded says less, and decrypts all the same', async () => {
    const away = await mkdtemp(join(tmpdir(), 'gpg-'));
    const socketOf = async (path: string, name: string) =>
      (await run('gpgconf', ['--homedir', path, '--list-dirs', name])).stdout.toString().trimEnd();
    try {
      await run('gpgconf', ['--homedir', home.path, '--launch', 'gpg-agent']);
      await run('gpgconf', ['--homedir', away, '--create-socketdir']);
      await symlink(await socketOf(home.path, 'agent-extra-socket'), await socketOf(away, 'agent-socket'));
      await home.forget();
      await home.asked();
      await home.answers({ passphrase: PASSPHRASE });
      const sealed = await seal('rsa@example.com');
      const env = { GNUPGHOME: away };
      const { code, stdout, stderr } = await sealdir(
        ['open', '--agent', '-k', 'rsa@example.com.asc'],
        sealed,
        env,
      );
      assert.equal(code, 0, stderr);
      assert.equal(stdout.toString(), MESSAGE);
      assert.match(await home.asked(), /^GETPIN/m);
    } finally {
      await run('gpgconf', ['--homedir', away, '--remove-socketdir']);
      await rm(away, { recursive: true, force: true });
    }
  });

  test('says so where GnuPG is not installed', async () => {
    const { code, stderr } = await sealdir(['open', '--agent'], '', { PATH: '/nowhere' });
    assert.equal(code, 75);
    assert.match(stderr, /^sealdir: gpg is not installed\n$/);
    const other = await sealdir(['open', '--agent', '-k', 'rsa@example.com.asc'], '', { PATH: '/nowhere' });
    assert.match(other.stderr, /^sealdir: gpgconf is not installed\n$/);
  });

  testLong('the commands of README open what they say', async () => {
    const readme = await readFile(join(repositoryRoot(), 'README.md'), 'utf8');
    const commands = [...readme.matchAll(/^sealdir (open --agent [^#\n]*?) *(?:#.*)?$/gm)];
    assert.equal(commands.length, 4);
    await makeMaildir('example/Maildir', 2, await seal('open@example.com'));
    await writeFile(at('example/FILE'), await seal('open@example.com'));
    await writeFile(at('example/my-public-key.asc'), await readFile(at('open@example.com.asc')));
    for (const [, command = ''] of commands) {
      const options = { cwd: at('example'), env: home.env };
      const { code, stdout, stderr } = await run(process.execPath, [CLI, ...command.split(' ')], options);
      assert.equal(code, 0, stderr);
      const expected = command.includes('--into') ? /^opened 2, .* failed 0/ : /\r\n\r\nhello\r\n$/;
      assert.match(stdout.toString(), expected, command);
    }
  });

  test('messages that were made to be wrong fail, and no other does', async () => {
    await makeMaildir('changed', 3, await seal('open@example.com'));
    const [rsa] = readAgentKeys(await readFile(at('rsa@example.com.asc')));
    const [curve] = readAgentKeys(await readFile(at('open@example.com.asc')));
    assert.ok(rsa?.numbers.kind === 'rsa' && curve?.numbers.kind === 'ecdh');
    const wrong = {
      // they decrypt to nothing, to almost nothing, and to a number without padding
      modulus: packet(rsa.keyId, 1, mpi(rsa.numbers.n)),
      one: packet(rsa.keyId, 1, mpi(Buffer.of(1))),
      large: packet(rsa.keyId, 1, mpi(Buffer.alloc(300, 0xff))),
      // points that are of a small order, of another curve, and not on this one
      zero: packet(curve.keyId, 18, mpi(Buffer.concat([Buffer.of(0x40), Buffer.alloc(32)])), WRAPPED),
      other: packet(curve.keyId, 18, mpi(Buffer.alloc(65, 4)), WRAPPED),
      odd: packet(curve.keyId, 18, mpi(Buffer.concat([Buffer.of(0x40), Buffer.alloc(32, 0xff)])), WRAPPED),
    };
    const data = Buffer.concat([packetHeader(18, 60), Buffer.of(1), Buffer.alloc(59, 7)]);
    for (const [name, sessionKey] of Object.entries(wrong)) {
      const armored = await openpgp.armor(openpgp.enums.armor.message, Buffer.concat([sessionKey, data]));
      await writeFile(at('changed/cur', `0${name}`), armored);
    }
    await home.forget();
    await home.asked();
    await home.answers({ passphrase: PASSPHRASE });
    const { code, stdout, stderr } = await open('', '--into', 'changed-out', 'changed');
    assert.equal(code, 65);
    assert.match(stdout.toString(), /^opened 3, .* failed 6, not reached 0/, stderr);
    const reasons =
      /(the key does not open it|its session key was changed on its way|none of those keys .*)\n/g;
    assert.equal([...stderr.matchAll(reasons)].length, 6, stderr);
    assert.equal([...(await home.asked()).matchAll(/^GETPIN/gm)].length, 1);
  });

  testLong('starts the agent where none runs', async () => {
    const sealed = await seal('open@example.com');
    await run('gpgconf', ['--homedir', home.path, '--kill', 'gpg-agent']);
    const { code, stdout, stderr } = await open(sealed, '-k', 'open@example.com.asc');
    assert.equal(code, 0, stderr);
    assert.equal(stdout.toString(), MESSAGE);
  });

  testLong('ends when the agent is killed in the middle, and goes on when it is run again', async () => {
    await makeMaildir('killed', 3, await seal('open@example.com'));
    await writeFile(at('killed/cur/1'), await seal('locked@example.com'));
    await home.forget();
    await home.answers('kill');
    const first = await open('', '--into', 'killed-out', 'killed');
    assert.equal(first.code, 75);
    assert.match(first.stdout.toString(), /^opened 1, .* failed 0, not reached 2/);
    assert.match(first.stderr, /^sealdir: gpg-agent has closed the connection\n$/);
    await home.answers({ passphrase: PASSPHRASE });
    const second = await open('', '--into', 'killed-out', 'killed');
    assert.equal(second.code, 0, second.stderr);
    assert.match(second.stdout.toString(), /^opened 2, copied as they are 0, there already 1/);
  });

  testLong('Ctrl-C ends the wait for a pinentry that is not at this terminal', async () => {
    await writeFile(at('waiting'), await seal('locked@example.com'));
    await home.forget();
    await home.asked();
    await home.answers('wait');
    const env = { ...home.env, DISPLAY: ':7' };
    const ready = async () =>
      /^GETPIN/m.test(await readFile(join(home.path, 'asked'), 'utf8').catch(() => ''));
    const opening = await start(process.execPath, [CLI, 'open', '--agent', 'waiting'], {
      cwd: directory,
      env,
      ready,
    });
    try {
      opening.signal('SIGINT');
      assert.equal(await opening.ended, 130);
      assert.match(opening.output(), /^sealdir: interrupted\n$/);
    } finally {
      await opening.stop();
      await run('gpgconf', ['--homedir', home.path, '--kill', 'gpg-agent']);
    }
  });

  async function makeMaildir(name: string, count: number, message: Uint8Array): Promise<void> {
    for (const folder of ['cur', 'new', 'tmp']) await mkdir(at(name, folder), { recursive: true });
    for (let n = 0; n < count; n++) await writeFile(at(name, 'cur', String(n)), message);
  }
});

/** 40 bytes that nobody has wrapped. */
const WRAPPED = Buffer.concat([Buffer.of(40), Buffer.alloc(40, 9)]);

/** Returns a session-key packet (RFC 9580 §5.1.1). */
function packet(keyId: string, algorithm: number, ...material: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat([Buffer.of(3), Buffer.from(keyId, 'hex'), Buffer.of(algorithm), ...material]);
  return Buffer.concat([packetHeader(1, body.length), body]);
}

function mpi(bytes: Uint8Array): Buffer {
  const bits = bytes.length * 8 - Math.clz32(bytes[0] ?? 0) + 24;
  return Buffer.concat([Buffer.of(bits >> 8, bits & 0xff), bytes]);
}
