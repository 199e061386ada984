// `sealdir key` as a shell sees it: what it refuses, what it changes, and that nothing is lost.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, lstat, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, before, beforeEach, describe, test } from 'node:test';
import * as openpgp from 'openpgp';
import { CLI } from '../support/child.ts';
import { type FreshKey, freshKey, revoked } from '../support/freshkey.ts';
import { FLAGS, madeCertificate, newSubkey, REASON } from '../support/handmade.ts';
import { isLong, shortOf, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
const FINGERPRINT = /[0-9A-F]{40}/g;

describe('sealdir key', () => {
  let alice: FreshKey;
  let other: FreshKey;
  let bob: FreshKey;
  let directory = '';
  const at = (...parts: string[]) => join(directory, ...parts);
  const keyFile = (address = ALICE) => at('keys', `${address}.asc`);
  const key = async (subcommand: string, args: readonly string[] = [], stdin: string | Uint8Array = '') => {
    const all = [
      CLI,
      'key',
      subcommand,
      ...(subcommand === 'generate' ? [] : ['-c', 'sealdir.toml']),
      ...args,
    ];
    const { code, stdout, stderr } = await run(process.execPath, all, { cwd: directory, stdin });
    return { code, stdout: stdout.toString(), stderr };
  };
  const put = async (name: string, ...contents: readonly (Uint8Array | string)[]) => {
    await writeFile(at(name), Buffer.concat(contents.map((each) => Buffer.from(each as Uint8Array))));
    return name;
  };
  const former = () =>
    readdir(at('keystate/former')).then((names) => names.filter((name) => name !== '.lock'));
  /** Fingerprints that `key list` has for an address. */
  const listed = async (address: string) =>
    (
      JSON.parse((await key('list', ['--json', address])).stdout) as { fingerprint: string; state: string }[]
    ).map(({ fingerprint }) => fingerprint);
  const fingerprintOf = ({ secret }: FreshKey) => secret.getFingerprint().toUpperCase();

  before(async () => {
    [alice, other, bob] = await Promise.all([freshKey(ALICE), freshKey(ALICE), freshKey(BOB)]);
  });
  beforeEach(async () => {
    directory = await makeSite({ [ALICE]: alice.certificate });
    await mkdir(at('keystate'), { mode: 0o700 });
    await writeFile(at('sealdir.toml'), tomlFor(directory));
    await put('alice.asc', alice.certificate);
    await put('other.asc', other.certificate);
    await put('bob.asc', bob.certificate);
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  test('the first key of an address needs --as, and is readable by all, and has the owner of the directory', async () => {
    const unknown = await key('add', ['bob.asc']);
    assert.equal(unknown.code, 67);
    assert.match(
      unknown.stderr,
      /is for bob@example\.com, who is no recipient: say whose key it is with --as bob@/,
    );
    const isRoot = process.getuid?.() === 0;
    if (isRoot) await chown(at('keys'), 12345, 12346);
    const added = await key('add', ['--as', 'BOB@Example.com', 'bob.asc']);
    assert.equal(added.code, 0, added.stderr);
    assert.deepEqual(await listed(BOB), [fingerprintOf(bob)]);
    const stats = await stat(keyFile(BOB));
    assert.equal(stats.mode & 0o777, 0o644);
    if (isRoot) assert.deepEqual([stats.uid, stats.gid], [12345, 12346]);
    assert.deepEqual((await readdir(at('keys'))).sort(), [`${ALICE}.asc`, `${BOB}.asc`]);
    assert.deepEqual(await former(), []);
  });

  testLong('the first key of an empty directory can be added', async () => {
    await rm(keyFile());
    const added = await key('add', ['--as', ALICE, '-'], alice.certificate);
    assert.equal(added.code, 0, added.stderr);
    assert.deepEqual(await listed(ALICE), [fingerprintOf(alice)]);
  });

  test('another key is put in place with --yes alone, and the one of before is kept byte for byte', async () => {
    const asked = await key('add', ['other.asc']);
    assert.equal(asked.code, 65);
    assert.deepEqual(new Set(asked.stderr.match(FINGERPRINT)), new Set([alice, other].map(fingerprintOf)));
    assert.match(asked.stderr, /say --yes if that is meant; nothing was changed/);
    assert.deepEqual(await readFile(keyFile()), alice.certificate);
    const done = await key('add', ['--yes', 'other.asc']);
    assert.equal(done.code, 0, done.stderr);
    assert.deepEqual(await listed(ALICE), [fingerprintOf(other)]);
    const [kept = '', ...more] = await former();
    assert.match(kept, /^alice@example\.com\.\d{8}T\d{6}Z\.asc$/);
    assert.deepEqual(more, []);
    assert.deepEqual(await readFile(at('keystate/former', kept)), alice.certificate);
    assert.match((await key('add', ['other.asc'])).stdout, /has this key already/);
    assert.equal((await former()).length, 1);
  });

  testLong('several keys are given at once for one address, or for those whom they name', async () => {
    await put('keys/bob@example.com.pgp', (await freshKey(BOB)).certificate);
    const done = await key('add', [
      '--yes',
      await put('ring.asc', alice.certificate, '\n', bob.certificate, '\n', other.certificate),
    ]);
    assert.equal(done.code, 0, done.stderr);
    assert.deepEqual(new Set(await listed(ALICE)), new Set([alice, other].map(fingerprintOf)));
    assert.deepEqual(await listed(BOB), [fingerprintOf(bob)]);
    // a file stays the one that it is
    assert.ok((await readdir(at('keys'))).includes('bob@example.com.pgp'));
    assert.equal((await key('add', ['--yes', '--as', ALICE, 'alice.asc', 'bob.asc'])).code, 0);
    assert.deepEqual(new Set(await listed(ALICE)), new Set([alice, bob].map(fingerprintOf)));
  });

  testLong('a key that names several recipients is asked about, until all of them have it', async () => {
    await put('keys/bob@example.com.asc', bob.certificate);
    const { reformatKey } = openpgp;
    const both = [{ email: ALICE }, { email: BOB }];
    const { publicKey } = await reformatKey({ privateKey: alice.secret, userIDs: both, format: 'object' });
    const file = await put('both.asc', publicKey.armor());
    const asked = await key('add', [file]);
    assert.equal(asked.code, 65);
    assert.match(
      asked.stderr,
      /[0-9A-F]{40} is for several recipients: alice@example\.com, bob@example\.com\n/,
    );
    assert.deepEqual(await listed(BOB), [fingerprintOf(bob)]);
    assert.equal((await key('add', ['--as', ALICE, file])).code, 0);
    assert.equal((await key('add', ['--yes', file])).code, 0);
    assert.deepEqual(await listed(BOB), [fingerprintOf(alice)]);
    const newer = await reformatKey({
      privateKey: alice.secret,
      userIDs: [...both, { name: 'Alice' }],
      format: 'object',
    });
    const again = await key('add', [await put('newer.asc', newer.publicKey.armor())]);
    assert.equal(again.code, 0, again.stderr);
  });

  testLong('a newer copy of the same key needs no word; one that loses a revocation is refused', async () => {
    const { reformatKey } = openpgp;
    const { publicKey } = await reformatKey({
      privateKey: alice.secret,
      userIDs: [{ email: ALICE }],
      keyExpirationTime: 100 * 24 * 3600,
      format: 'object',
    });
    const extended = await key('add', [await put('extended.asc', publicKey.armor())]);
    assert.equal(extended.code, 0, extended.stderr);
    assert.match(extended.stdout, /is updated; the copy of before is in/);
    const dead = await revoked(alice);
    await writeFile(keyFile(), dead);
    const revived = await key('add', ['--yes', 'alice.asc']);
    assert.equal(revived.code, 65);
    assert.match(revived.stderr, /the key itself is revoked, and the new one does not: ask its owner/);
    assert.deepEqual(await readFile(keyFile()), dead);
    assert.match((await key('list')).stdout, / revoked /);
  });

  testLong(
    'the revocation of a subkey or of a user ID is not lost either; a lost subkey is asked about',
    async () => {
      const time = Math.trunc(Date.now() / 1000) - 1000;
      const { owner, certificate } = madeCertificate(time, `<${ALICE}>`);
      const [first, second] = [newSubkey(time), newSubkey(time)];
      const bound = [first, second].map((each) =>
        Buffer.concat([each.packet, owner.bind(each, { at: time, flags: FLAGS.communication })]),
      );
      const revocation = owner.revokeSubkey(first, { at: time + 10, reason: REASON.retired });
      const both = Buffer.concat([certificate, ...bound]);
      await writeFile(
        keyFile(),
        Buffer.concat([certificate, bound[0] ?? both, revocation, bound[1] ?? both]),
      );
      const revived = await key('add', ['--yes', await put('both.pgp', both)]);
      assert.equal(revived.code, 65);
      assert.match(revived.stderr, /says that a subkey is revoked, and the new one does not/);
      const name = Buffer.from('<alice@old.example.com>');
      const old = [Buffer.of(0xc0 | 13, name.length), name, owner.certify(name, { at: time, flags: 0x03 })];
      const revokedName = [...old, owner.revokeUserId(name, { at: time + 10 })];
      await writeFile(keyFile(), Buffer.concat([certificate, ...revokedName]));
      const renamed = await key('add', [
        '--yes',
        await put('named.pgp', Buffer.concat([certificate, ...old])),
      ]);
      assert.equal(renamed.code, 65);
      assert.match(renamed.stderr, /says that the user ID <alice@old\.example\.com> is revoked/);
      const again = owner.certify(name, { at: time + 20, flags: 0x03 });
      const certifiedAnew = await put('anew.pgp', Buffer.concat([certificate, ...old.slice(0, 2), again]));
      assert.equal((await key('add', [certifiedAnew])).code, 0);
      await writeFile(keyFile(), both);
      const fewer = await key('add', [await put('fewer.pgp', certificate)]);
      assert.equal(fewer.code, 65);
      assert.match(
        fewer.stderr,
        new RegExp(`mail is sealed to (${first.keyId}|${second.keyId}), \\w{16} no longer`),
      );
      assert.equal((await key('add', ['--yes', 'fewer.pgp'])).code, 0);
    },
  );

  testLong('what is not fit is refused with its reason, and nothing is changed', async () => {
    const expired = await freshKey(ALICE, { lifetimeSeconds: 1800 });
    const cases: [string, RegExp][] = [
      [await put('secret.asc', other.secretKey), /secret\.asc holds a SECRET key: remove it/],
      [await put('mixed.asc', other.certificate, '\n', other.secretKey), /holds a SECRET key/],
      [
        await put('expired.asc', expired.certificate),
        /[0-9A-F]{40} expired on .*: its owner has to extend it/,
      ],
      [await put('revoked.asc', await revoked(other)), /is revoked: ask its owner for a new key/],
      [await put('text.asc', 'hello\n'), /text\.asc holds no OpenPGP public key: put the exported/],
      [await put('cut.asc', other.certificate.subarray(0, 300)), /ends in the middle of an armored key/],
      [await put('empty.asc'), /empty\.asc is empty/],
    ];
    for (const [file, words] of shortOf(cases, 3)) {
      // a fit one beside it does not go in alone
      const { code, stderr, stdout } = await key('add', ['--yes', '--as', ALICE, 'bob.asc', file]);
      assert.equal(code, 65, `${file}: ${stderr}`);
      assert.match(stderr, words);
      assert.equal(stdout, '');
      assert.deepEqual(await readFile(keyFile()), alice.certificate);
    }
    const inUse = await key('add', ['--yes', await put('r.asc', await revoked(alice))]);
    assert.match(
      inUse.stderr,
      /mail is still sealed to the present copy: sealdir key remove alice@example\.com/,
    );
    await assert.rejects(former());
  });

  test('a user ID that the owner of the key has not certified matches nobody', async () => {
    const { certificate } = madeCertificate(Math.trunc(Date.now() / 1000) - 1000, '<mallory@example.com>');
    const name = Buffer.from(`<${ALICE}>`);
    const appended = Buffer.concat([certificate, Buffer.of(0xc0 | 13, name.length), name]);
    const { code, stderr } = await key('add', ['--yes', await put('mallory.pgp', appended)]);
    assert.equal(code, 67);
    assert.match(stderr, /is for mallory@example\.com, who is no recipient/);
  });

  testLong('whoever has mail because nobody else takes it is not matched', async () => {
    await writeFile(at('keys/@example.com.asc'), other.certificate);
    const { code } = await key('add', ['--yes', 'bob.asc']);
    assert.equal(code, 67);
    assert.equal((await key('add', ['--yes', '--as', '@example.com', 'bob.asc'])).code, 0);
    assert.deepEqual(await listed('@example.com'), [fingerprintOf(bob)]);
  });

  testLong('a link is not replaced, and several files of one address become one', async () => {
    await rm(keyFile());
    await symlink(at('alice.asc'), keyFile());
    const linked = await key('add', ['--yes', 'other.asc']);
    assert.equal(linked.code, 65);
    assert.match(linked.stderr, /is a link: change what it leads to, or remove it first/);
    assert.ok((await lstat(keyFile())).isSymbolicLink());
    await rm(keyFile());
    await writeFile(at('keys/Alice@Example.com.asc'), alice.certificate);
    await writeFile(at('keys/ALICE@example.com.pgp'), bob.certificate);
    assert.equal((await key('add', ['--yes', 'other.asc'])).code, 0);
    assert.deepEqual(await readdir(at('keys')), [`${ALICE}.asc`]);
    assert.equal((await former()).length, 2);
  });

  test('remove asks, keeps what was there, and knows who has none', async () => {
    assert.equal((await key('remove', [ALICE])).code, 65);
    assert.deepEqual(await readFile(keyFile()), alice.certificate);
    assert.equal((await key('remove', ['--yes', ALICE])).code, 0);
    assert.deepEqual(await readdir(at('keys')), []);
    const [kept = ''] = await former();
    assert.deepEqual(await readFile(at('keystate/former', kept)), alice.certificate);
    assert.equal((await key('remove', ['--yes', ALICE])).code, 67);
    // the same second: both are kept
    for (let n = 0; n < 3; n++) {
      await writeFile(keyFile(), other.certificate);
      assert.equal((await key('remove', ['--yes', ALICE])).code, 0);
    }
    assert.equal((await former()).length, 4);
  });

  testLong('where old keys cannot be kept, none is replaced', async () => {
    await rm(at('keystate'), { recursive: true });
    await writeFile(at('keystate'), 'a file');
    const { code, stderr } = await key('add', ['--yes', 'other.asc']);
    assert.equal(code, 78, stderr);
    assert.match(stderr, /^sealdir: keys\.state: \S+keystate is no directory; nothing was changed/);
    assert.deepEqual(await readFile(keyFile()), alice.certificate);
  });

  testLong('a missing keys.state is not made, since whose it is to be is not known', async () => {
    await rm(at('keystate'), { recursive: true });
    const { code, stderr } = await key('add', ['--yes', 'other.asc']);
    assert.equal(code, 78, stderr);
    assert.match(
      stderr,
      /^sealdir: keys\.state: \S+keystate does not exist: start the server once, or make it/,
    );
    assert.equal((await readdir(directory)).includes('keystate'), false);
    assert.deepEqual(await readFile(keyFile()), alice.certificate);
  });

  testLong(
    'a full disk below keys.state is an error for now (75), with nothing changed',
    {
      ...needs('root', 'mount', 'umount'),
    },
    async (t) => {
      const options = ['-t', 'tmpfs', '-o', 'size=512k,mode=700', 'sealdir-test', at('keystate')];
      const mounted = await run('mount', options);
      if (mounted.code !== 0) return t.skip(`mount is not permitted here (${mounted.stderr.trim()})`);
      try {
        await assert.rejects(writeFile(at('keystate/filler'), Buffer.alloc(1_000_000)), /ENOSPC/);
        const { code, stderr } = await key('add', ['--yes', 'other.asc']);
        assert.equal(code, 75, stderr);
        assert.match(stderr, /^sealdir: \S+ keys\.state: ENOSPC[^\n]*; nothing was changed\n$/);
        assert.deepEqual(await readFile(keyFile()), alice.certificate);
        await rm(at('keystate/filler'));
        assert.equal((await key('add', ['--yes', 'other.asc'])).code, 0);
      } finally {
        await run('umount', [at('keystate')]);
      }
    },
  );

  testLong(
    'what root makes in keys.state belongs to whom the directory belongs to',
    needs('root'),
    async () => {
      await chown(at('keystate'), 12345, 12346);
      assert.equal((await key('add', ['--yes', 'other.asc'])).code, 0);
      const names = await readdir(at('keystate'), { recursive: true });
      assert.ok(names.includes('former/.lock') && names.includes('key.log'));
      for (const name of names) {
        const { uid, gid } = await stat(at('keystate', name));
        assert.deepEqual([uid, gid], [12345, 12346], name);
      }
    },
  );

  testLong('show tells which user IDs match, which subkeys are used, and why others are not', async () => {
    const time = Math.trunc(Date.now() / 1000) - 1000;
    const { owner, certificate } = madeCertificate(time, `Alice <${ALICE}>`);
    const lapsed = newSubkey(time);
    const binding = owner.bind(lapsed, { at: time, flags: FLAGS.communication, keyLasts: 500 });
    await writeFile(keyFile(), Buffer.concat([certificate, lapsed.packet, binding]));
    const { stdout } = await key('show', [ALICE]);
    assert.match(
      stdout,
      /^recipient +alice@example\.com\nfile +\S+\/keys\/alice@example\.com\.asc\nsealed +as SEIPD v1\n/,
    );
    assert.match(stdout, /user ID +Alice <alice@example\.com> \(names the recipient\)/);
    assert.match(stdout, /for encryption\n +mail is sealed to it/);
    assert.match(stdout, new RegExp(`${lapsed.keyId} cv25519.*\\n +not sealed to: it expired on \\d{4}-`));
    assert.match((await key('show', ['./other.asc'])).stdout, new RegExp(fingerprintOf(other)));
    assert.equal((await key('show', ['nobody@example.com'])).code, 67);
    assert.equal((await key('show', ['./none.asc'])).code, 66);
  });

  test('list has a row for every file, 80 columns where they fit, and an error for who has none', async () => {
    await writeFile(at('keys/bob@example.com.gpg'), bob.certificate);
    await writeFile(at('keys/Alice@example.com.asc'), other.certificate);
    await mkdir(at('keys/folder'));
    const { stdout } = await key('list');
    for (const line of stdout.trimEnd().split('\n')) assert.ok(line.length <= 80, line);
    assert.match(
      stdout.replaceAll(/\n +/g, ' '),
      /makes no recipient: it does not end in \.asc or \.pgp: rename it to bob@example\.com\.asc/,
    );
    assert.match(
      stdout.replaceAll(/\n +/g, ' '),
      /Alice@example\.com\.asc is not used, since alice@example\.com has a file/,
    );
    assert.match(stdout, /\(folder\) /);
    assert.equal((await key('list', ['nobody@example.com'])).code, 67);
    const { code, stdout: cut } = await run(
      'bash',
      ['-c', `'${process.execPath}' '${CLI}' key list -c sealdir.toml | head -n 1`],
      { cwd: directory },
    );
    assert.equal(code, 0);
    assert.match(cut.toString(), /^ADDRESS/);
  });

  test('wrong arguments are a usage error, in one line', async () => {
    const cases: [string, string[]][] = [
      ['list', ['--frob']],
      ['list', ['--yes']],
      ['list', ['a b@c']],
      ['show', []],
      ['show', [ALICE, BOB]],
      ['add', []],
      ['add', ['--as', ALICE, '--as', BOB, 'alice.asc']],
      ['add', ['--as', 'a b@c', 'alice.asc']],
      ['remove', []],
      ['generate', []],
      ['generate', ['alice']],
      ['generate', ['--expires', '1x', ALICE]],
      ['generate', ['--name', 'a <b>', ALICE]],
      ['generate', ['--no-passphrase', '--passphrase-fd', '0', ALICE]],
      ['generate', ['--passphrase-fd', '-1', ALICE]],
      ['generate', [ALICE]],
      ['export', []],
    ];
    for (const [subcommand, args] of shortOf(cases, 3)) {
      const { code, stdout, stderr } = await key(subcommand, args);
      assert.equal(code, 64, `${subcommand} ${args.join(' ')}: ${stderr}`);
      assert.match(stderr, /^sealdir: [^\n]+\n$/);
      assert.equal(stdout, '');
    }
    assert.equal((await key('frob')).code, 64);
  });

  test('two commands do not change the directory at once', needs('flock'), async () => {
    await mkdir(at('keystate/former'), { recursive: true });
    await writeFile(at('keystate/former/.lock'), '');
    const args = [
      'keystate/former/.lock',
      process.execPath,
      CLI,
      'key',
      'remove',
      '-c',
      'sealdir.toml',
      '--yes',
      ALICE,
    ];
    const { code, stderr } = await run('flock', args, { cwd: directory });
    assert.equal(code, 75, stderr);
    assert.deepEqual(await readFile(keyFile()), alice.certificate);
  });

  for (const signal of isLong ? (['SIGINT', 'SIGKILL'] as const) : (['SIGKILL'] as const))
    test(`${signal} at any moment leaves one whole key or the other, and the old one is never lost`, {
      timeout: 240_000,
    }, async () => {
      let [cut, done] = [0, 0];
      for (let n = 0; n < 14; n += isLong ? 1 : 4) {
        await writeFile(keyFile(), alice.certificate);
        const args = [CLI, 'key', 'add', '-c', 'sealdir.toml', '--yes', 'other.asc'];
        const child = spawn(process.execPath, args, { cwd: directory, stdio: 'ignore' });
        const exit = once(child, 'exit');
        const moment = setTimeout(() => child.kill(signal), 100 + n * 25);
        await exit;
        clearTimeout(moment);
        const now = await readFile(keyFile());
        if (now.equals(alice.certificate)) {
          cut++;
          continue;
        }
        done++;
        assert.deepEqual(await listed(ALICE), [fingerprintOf(other)]);
        const [newest = ''] = (await former())
          .filter((name) => !name.startsWith('.'))
          .sort()
          .reverse();
        assert.deepEqual(await readFile(at('keystate/former', newest)), alice.certificate);
      }
      assert.ok(cut > 0 && cut + done === (isLong ? 14 : 4), `${cut} cut, ${done} done`);
      // what was left under a hidden name is gone with the next change
      await writeFile(keyFile(), alice.certificate);
      assert.equal((await key('add', ['--yes', 'other.asc'])).code, 0);
      assert.deepEqual(await readdir(at('keys')), [`${ALICE}.asc`]);
    });

  testLong(
    'a directory that nobody may write to stays as it is',
    { ...needs('setpriv', 'root') },
    async () => {
      await chown(at('keystate'), 12345, 12345);
      const command = [
        '--reuid=12345',
        '--regid=12345',
        '--clear-groups',
        process.execPath,
        CLI,
        'key',
        'add',
      ];
      const { code, stderr } = await run(
        'setpriv',
        [...command, '-c', 'sealdir.toml', '--yes', 'other.asc'],
        {
          cwd: directory,
        },
      );
      assert.equal(code, 75, stderr);
      assert.match(stderr, /EACCES/);
      assert.deepEqual(await readFile(keyFile()), alice.certificate);
      assert.deepEqual(await readdir(at('keys')), [`${ALICE}.asc`]);
    },
  );
});
