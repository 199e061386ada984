// `sealdir reseal`: what is sealed to an old key is sealed to a new one where it is; what is left, what
// fails, and what is refused before anything is touched.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import * as openpgp from 'openpgp';
import { CLI } from '../support/child.ts';
import { armored, asStored, inline, pgpMime } from '../support/encrypted.ts';
import { addressees, type FreshKey, freshKey, openSealed } from '../support/freshkey.ts';
import { testLong } from '../support/long.ts';
import { run, start } from '../support/process.ts';

const MESSAGE = Buffer.from('From: a@example.com\r\nSubject: secret\r\n\r\nhello\r\n');
const PLAIN = 'Subject: plain\n\nin clear\n';
const DATE = new Date('2020-02-03T04:05:06Z');

describe('sealdir reseal', { timeout: 900_000 }, () => {
  let directory = '';
  let old: FreshKey;
  let fresh: FreshKey;
  let other: FreshKey;
  const at = (...names: string[]) => join(directory, ...names);
  const sealdir = (args: string[], stdin: Uint8Array | string = '') =>
    run(process.execPath, [CLI, ...args], { cwd: directory, stdin });
  const reseal = (...args: string[]) =>
    sealdir(['reseal', '-k', 'old.secret', '--to', 'new.asc', ...args, 'Maildir']);
  const sealedTo = async ({ certificate }: FreshKey, policy: string, message = MESSAGE) => {
    await writeFile(at('seal.asc'), certificate);
    await writeFile(
      at('seal.toml'),
      `hostname = "mx.example.com"\n[lmtp]\nlisten = ["127.0.0.1:2424"]\n[store]\nmaildir = "/nowhere/{local}"\n[keys]\ndirectory = "/nowhere"\n[headers]\npolicy = "${policy}"\n`,
    );
    const { code, stdout, stderr } = await sealdir(['seal', '-c', 'seal.toml', '-k', 'seal.asc'], message);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const put = async (path: string, bytes: Buffer | string) => {
    await writeFile(at('Maildir', path), bytes);
    await utimes(at('Maildir', path), DATE, DATE);
  };
  const listed = async (folder: string) => (await readdir(at('Maildir', folder))).sort();

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    old = await freshKey('old@example.com');
    fresh = await freshKey('new@example.com');
    other = await freshKey('other@example.com');
    await writeFile(at('old.secret'), old.secretKey);
    await writeFile(at('new.asc'), fresh.certificate);
    await writeFile(at('new.secret'), fresh.secretKey);
  });
  after(() => rm(directory, { recursive: true, force: true }));
  beforeEach(async () => {
    await rm(at('Maildir'), { recursive: true, force: true });
    for (const folder of ['', '.Sent'])
      for (const part of ['cur', 'new', 'tmp']) await mkdir(at('Maildir', folder, part), { recursive: true });
  });

  test('what was sealed under any header policy opens with the new key to the same bytes, and is as hidden', async () => {
    const before = new Map<string, Buffer>();
    for (const [n, policy] of ['visible', 'baseline', 'minimal'].entries()) {
      const sealed = await sealedTo(old, policy);
      const lines = String(sealed).split('\n').length - 1;
      const name = `${n}.${policy},S=${sealed.length},W=${sealed.length + lines}:2,FS`;
      await put(`${n === 1 ? '.Sent/' : ''}cur/${name}`, sealed);
      before.set(policy, sealed);
    }
    const { code, stdout, stderr } = await reseal();
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout.toString(), /^Maildir: resealed 3, failed 0, not reached 0\n$/);
    for (const folder of ['cur', '.Sent/cur'])
      for (const name of await listed(folder)) {
        const [, policy = ''] = /^\d\.(\w+),/.exec(name) ?? [];
        const was = before.get(policy) ?? Buffer.alloc(0);
        const is = await readFile(at('Maildir', folder, name));
        const outside = (bytes: Buffer) => String(bytes).replace(/\n-----BEGIN[\s\S]*-----END[^\n]*\n/, '\n');
        assert.equal(outside(is), outside(was), policy);
        assert.deepEqual(await addressees(is), [keyIdOf(fresh)]);
        const [opened, wasOpened] = [
          await openSealed(is, [fresh.secret]),
          await openSealed(was, [old.secret]),
        ];
        assert.ok(opened.plaintext.equals(wasOpened.plaintext));
        assert.equal(opened.literalName, wasOpened.literalName);
        assert.ok(!opened.sessionKey.equals(wasOpened.sessionKey), 'a session key of its own');
        const original = await sealdir(['open', '-k', 'new.secret', '--original'], is);
        assert.ok(original.stdout.equals(MESSAGE), policy);
        const lines = String(is).split('\n').length - 1;
        assert.match(name, new RegExp(`,S=${is.length},W=${is.length + lines}:2,FS$`));
        assert.deepEqual((await stat(at('Maildir', folder, name))).mtime, DATE);
      }
    const again = await reseal();
    assert.equal(again.code, 0);
    assert.match(again.stdout.toString(), /resealed 0, left 3 \(sealed already\), failed 0/);
    assert.deepEqual(await listed('tmp'), []);
  });

  test("a sender's own encryption keeps its signature and its compression", async () => {
    const message = await openpgp.createMessage({ binary: MESSAGE });
    const armor = await openpgp.encrypt({
      message,
      encryptionKeys: [old.secret.toPublic(), other.secret.toPublic()],
      signingKeys: other.secret,
      config: { preferredCompressionAlgorithm: openpgp.enums.compression.zlib },
    });
    await put('cur/1.mime:2,', asStored(pgpMime(String(armor).replaceAll('\r\n', '\n'))));
    await put('cur/2.crlf:2,', inline(await armored('short', [old])));
    const { code, stderr } = await reseal();
    assert.deepEqual([code, stderr], [0, '']);
    const stored = await readFile(at('Maildir/cur/1.mime:2,'));
    const [armoredMessage = ''] = /-----BEGIN[\s\S]*-----END[^\n]*\n/.exec(String(stored)) ?? [];
    const { data, signatures } = await openpgp.decrypt({
      message: await openpgp.readMessage({ armoredMessage }),
      decryptionKeys: fresh.secret,
      verificationKeys: other.secret.toPublic(),
      format: 'binary',
    });
    assert.ok(MESSAGE.equals(Buffer.from(data as Uint8Array)));
    assert.equal(await signatures[0]?.verified, true);
    const crlf = String(await readFile(at('Maildir/cur/2.crlf:2,')));
    assert.doesNotMatch(crlf, /[^\r]\n/, 'one kind of line end');
    assert.equal(
      String((await openSealed(Buffer.from(crlf.replaceAll('\r\n', '\n')), [fresh.secret])).plaintext),
      'short',
    );
  });

  test('what is in clear or for others is left; what does not open is told, and stays', async () => {
    const sealed = String(await sealedTo(old, 'visible'));
    const [sum = '', last = ''] = /\n([^\n]+)\n=[^\n]+(?=\n-----END)/.exec(sealed) ?? [];
    const flipped = sealed.replace(sum, `\n${last.startsWith('A') ? 'B' : 'A'}${last.slice(1)}`);
    assert.notEqual(flipped, sealed);
    const files = {
      'cur/1.plain:2,': PLAIN,
      'cur/2.other:2,': String(await sealedTo(other, 'visible')),
      'cur/3.changed:2,': flipped,
      'cur/4.list:2,': `Subject: x\n\nSee:\n${await armored('x', [old])}`,
      'cur/5.cut:2,': sealed.slice(0, 900),
    };
    for (const [path, text] of Object.entries(files)) await put(path, text);
    const { code, stdout, stderr } = await reseal('--json');
    assert.equal(code, 65);
    const { resealed, left, failed } = JSON.parse(stdout.toString());
    assert.deepEqual([resealed, left], [0, { 'in clear': 1, 'for another key': 1 }]);
    const told = failed
      .map(({ path, why }: { path: string; why: string }) => `${path.slice(-12)} ${why}`)
      .sort();
    assert.equal(told.length, 3);
    assert.match(told.join('\n'), /changed:2, it was changed on its way, or cut off/);
    assert.match(stderr, /4\.list:2,: it holds something encrypted/);
    assert.match(stderr, /keep the old secret key/);
    for (const [path, text] of Object.entries(files))
      assert.equal(await readFile(at('Maildir', path), 'utf8'), text);
    assert.deepEqual(await listed('tmp'), []);
  });

  test('several old keys, and a new one that reads SEIPD v2', async () => {
    const v2 = await freshKey('v2@example.com', { kind: 'v4-aead' });
    await writeFile(at('v2.asc'), v2.certificate);
    await writeFile(at('other.secret'), other.secretKey);
    await put('cur/1.old:2,', await sealedTo(old, 'visible'));
    await put('cur/2.other:2,', await sealedTo(other, 'visible'));
    const both = ['-k', 'old.secret', '-k', 'other.secret'];
    const { code, stderr } = await sealdir(['reseal', ...both, '--to', 'v2.asc', 'Maildir']);
    assert.deepEqual([code, stderr], [0, '']);
    for (const name of await listed('cur')) {
      const bytes = await readFile(at('Maildir/cur', name));
      assert.deepEqual(await addressees(bytes), [keyIdOf(v2)]);
      await writeFile(at('v2.secret'), v2.secretKey);
      assert.ok((await sealdir(['open', '-k', 'v2.secret'], bytes)).stdout.equals(MESSAGE));
    }
    // and back to v1
    await writeFile(at('v2.secret'), v2.secretKey);
    const back = await sealdir(['reseal', '-k', 'v2.secret', '--to', 'new.asc', 'Maildir']);
    assert.deepEqual([back.code, back.stderr], [0, '']);
    for (const name of await listed('cur'))
      assert.ok(
        (await openSealed(await readFile(at('Maildir/cur', name)), [fresh.secret])).plaintext.equals(MESSAGE),
      );
  });

  testLong('a dry run and a wrong start change nothing', async () => {
    const sealed = await sealedTo(old, 'visible');
    await put('cur/1.old:2,', sealed);
    await writeFile(
      at('expired.asc'),
      (await freshKey('e@example.com', { lifetimeSeconds: 60 })).certificate,
    );
    const locked = await openpgp.encryptKey({ privateKey: old.secret, passphrase: 'right' });
    await writeFile(at('locked.secret'), locked.armor());
    await writeFile(at('wrong'), 'wrong\n');
    await writeFile(at('right'), 'right\n');
    const trial = await reseal('--dry-run');
    assert.deepEqual(
      [trial.code, trial.stdout.toString()],
      [0, 'Maildir: to be resealed 1, failed 0, not reached 0\n'],
    );
    const cases: readonly [number, RegExp, string[]][] = [
      [65, /expired on/, ['-k', 'old.secret', '--to', 'expired.asc', 'Maildir']],
      [65, /secret key|exposed/, ['-k', 'old.secret', '--to', 'new.secret', 'Maildir']],
      [65, /holds no secret key/, ['-k', 'new.asc', '--to', 'new.asc', 'Maildir']],
      [65, /nothing to seal anew/, ['-k', 'new.secret', '--to', 'new.asc', 'Maildir']],
      [65, /locked: give --passphrase-file/, ['-k', 'locked.secret', '--to', 'new.asc', 'Maildir']],
      [
        65,
        /not unlocked/,
        ['-k', 'locked.secret', '--passphrase-file', 'wrong', '--to', 'new.asc', 'Maildir'],
      ],
      [66, /no Maildir/, ['-k', 'old.secret', '--to', 'new.asc', '.']],
      [66, /cannot read/, ['-k', 'old.secret', '--to', 'new.asc', 'nothing']],
      [66, /new2\.asc/, ['-k', 'old.secret', '--to', 'new2.asc', 'Maildir']],
      [64, /which Maildir/, ['-k', 'old.secret', '--to', 'new.asc']],
      [64, /--to/, ['-k', 'old.secret', 'Maildir']],
      [64, /-k/, ['--to', 'new.asc', 'Maildir']],
    ];
    for (const [code, why, args] of cases) {
      const ran = await sealdir(['reseal', ...args]);
      assert.deepEqual([ran.code, why.test(ran.stderr)], [code, true], `${args.join(' ')}: ${ran.stderr}`);
      assert.ok((await readFile(at('Maildir/cur/1.old:2,'))).equals(sealed), args.join(' '));
    }
    const unlocked = await sealdir([
      'reseal',
      '-k',
      'locked.secret',
      '--passphrase-file',
      'right',
      '--to',
      'new.asc',
      'Maildir',
    ]);
    assert.equal(unlocked.code, 0, unlocked.stderr);
    assert.ok(
      (await openSealed(await readFile(at('Maildir/cur/1.old:2,')), [fresh.secret])).plaintext.equals(
        MESSAGE,
      ),
    );
  });

  testLong(
    'killed at any time, each message is there once and opens with one of the keys; the next run finishes',
    async () => {
      const sealed = await sealedTo(
        old,
        'baseline',
        Buffer.concat([MESSAGE, Buffer.alloc(20_000, 'text\r\n')]),
      );
      const count = 120;
      for (let n = 0; n < count; n++) await put(`cur/${n}.m,S=${sealed.length}:2,S`, sealed);
      const inodes = async () =>
        Promise.all((await listed('cur')).map(async (name) => (await stat(at('Maildir/cur', name))).ino));
      const first = await inodes();
      const isStaged = async () => (await listed('tmp')).length > 1;
      const isPlaced = async () => (await inodes()).some((each, n) => each !== first[n]);
      for (const [limit, ready] of [
        ['150KB', isStaged],
        ['1MiB', isPlaced],
      ] as const) {
        const args = ['reseal', '-k', 'old.secret', '--to', 'new.asc', '--limit', limit, 'Maildir'];
        const running = await start(process.execPath, [CLI, ...args], { cwd: directory, ready });
        running.signal('SIGKILL');
        await running.ended;
        const names = await listed('cur');
        const numbers = names.map((name) => Number.parseInt(name, 10)).sort((a, b) => a - b);
        assert.deepEqual(
          numbers,
          Array.from({ length: count }, (_, n) => n),
        );
        for (const name of names)
          await openSealed(await readFile(at('Maildir/cur', name)), [old.secret, fresh.secret]);
      }
      const { code, stderr } = await reseal();
      assert.deepEqual([code, stderr], [0, '']);
      for (const name of await listed('cur')) {
        const bytes = await readFile(at('Maildir/cur', name));
        assert.deepEqual(await addressees(bytes), [keyIdOf(fresh)]);
        assert.match(name, new RegExp(`,S=${bytes.length}:2,S$`));
      }
    },
  );
});

function keyIdOf({ secret }: FreshKey): string {
  return (secret.subkeys[0]?.getKeyID().toHex() ?? '').toUpperCase();
}
