// `sealdir open --into DIR`: a Maildir and its folders in clear, with names, flags and dates; what cannot be
// opened is told; a second run goes on and overwrites nothing.

import assert from 'node:assert/strict';
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CLI } from '../support/child.ts';
import { run } from '../support/process.ts';
import { makeKey, type TestKey } from '../support/testkeys.ts';

const MESSAGE = Buffer.from('From: a@example.com\r\nSubject: x\r\n\r\nhello\r\n');
const PLAIN = 'Subject: plain\n\nnot sealed\n';
const DATE = new Date('2020-02-03T04:05:06Z');
const SEALED_NAME = '1.M1P1.host,S=999,W=1010:2,FS';

describe('sealdir open --into', () => {
  let directory = '';
  let key: TestKey;
  const sealdir = (args: string[], stdin: Uint8Array | string = '') =>
    run(process.execPath, [CLI, ...args], { cwd: directory, stdin });
  const into = (...paths: string[]) => sealdir(['open', '-k', 'secret.asc', '--into', 'out', ...paths]);
  const at = (...names: string[]) => join(directory, ...names);

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    key = await makeKey('alice@example.com');
    const other = await makeKey('bob@example.com');
    await writeFile(at('secret.asc'), key.secretKey);
    const seal = async ({ certificate }: TestKey) => {
      await writeFile(at('certificate'), certificate);
      return (await sealdir(['seal', '-k', 'certificate'], MESSAGE)).stdout;
    };
    for (const folder of ['cur', 'new', 'tmp', '.Sent/cur', '.Sent/new', '.Sent/tmp'])
      await mkdir(at('Maildir', folder), { recursive: true });
    const sealed = await seal(key);
    await writeFile(at('Maildir/cur', SEALED_NAME), sealed);
    await utimes(at('Maildir/cur', SEALED_NAME), DATE, DATE);
    await writeFile(at('Maildir/.Sent/new/2.M2P2.host'), PLAIN);
    await writeFile(at('Maildir/new/3.bad\n\u001b[31m'), await seal(other));
    await writeFile(at('Maildir/dovecot-uidlist'), 'x');
    await writeFile(at('Maildir/dovecot-keywords'), '0 $Label');
    await writeFile(at('two.eml'), Buffer.concat([sealed, sealed]));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  test('rebuilds a Maildir in clear, tells what fails, and goes on when run again', async () => {
    const first = await into('Maildir');
    assert.equal(first.code, 65, first.stderr);
    assert.match(first.stdout.toString(), /^opened 1, copied as they are 2, there already 0, failed 1, not/);
    assert.match(first.stdout.toString(), /left out 1/);
    assert.match(first.stderr, /3\.bad\\u000a\\u001b\[31m: cannot open this message/);
    const [name = ''] = await readdir(at('out/cur'));
    assert.equal(name, `1.M1P1.host,S=${MESSAGE.length},W=${MESSAGE.length}:2,FS`);
    assert.ok((await readFile(at('out/cur', name))).equals(MESSAGE));
    const { mode, mtime } = await stat(at('out/cur', name));
    assert.deepEqual([mode & 0o777, mtime], [0o600, DATE]);
    assert.equal((await stat(at('out/.Sent/new'))).mode & 0o777, 0o700);
    assert.equal(await readFile(at('out/.Sent/new/2.M2P2.host'), 'utf8'), PLAIN);
    assert.deepEqual((await readdir(at('out'))).sort(), ['.Sent', 'cur', 'dovecot-keywords', 'new', 'tmp']);

    await unlink(at('out/.Sent/new/2.M2P2.host'));
    const second = await into('Maildir');
    assert.match(second.stdout.toString(), /^opened 0, copied as they are 1, there already 2, failed 1/);
    assert.equal((await readdir(at('out/cur'))).length, 1);
  });

  test('overwrites nothing, and follows no link', async () => {
    await mkdir(at('links'));
    await symlink(at('secret.asc'), at('links/link'));
    await mkdir(at('out/kept'), { recursive: true });
    await writeFile(at('out/two.eml'), 'mine');
    await utimes(at('out/two.eml'), DATE, DATE);
    const { code, stderr } = await into('links', 'two.eml');
    assert.equal(code, 65);
    assert.match(stderr, /link: is a link, which is not followed/);
    assert.match(stderr, /another file of this name is there already/);
    assert.equal(await readFile(at('out/two.eml'), 'utf8'), 'mine');
  });

  test('a file with two sealed messages is not taken for its first one', async () => {
    const { code, stdout, stderr } = await sealdir(['open', '-k', 'secret.asc', 'two.eml']);
    assert.deepEqual([code, stdout.length], [65, 0]);
    assert.match(stderr, /more than one sealed message/);
  });

  test('several messages are not printed one after the other', async () => {
    const { code, stderr } = await sealdir(['open', '-k', 'secret.asc', 'two.eml', 'two.eml']);
    assert.equal(code, 64);
    assert.match(stderr, /several need --into DIR/);
  });

  test('keeps the outer fields of a message that its sender has encrypted', async () => {
    const inside = 'Content-Type: text/plain\r\n\r\nsecret\r\n';
    await writeFile(at('certificate'), key.certificate);
    const sealed = (await sealdir(['seal', '-k', 'certificate'], inside)).stdout.toString();
    const bare = sealed.replace(/^Sealed-At-Delivery:.*\n\t.*\n/m, '');
    const theirs = bare.replaceAll('sealdir_', 'other_').replace('MIME-V', 'From: b@example.com\nMIME-V');
    await writeFile(at('theirs.eml'), theirs);
    const { code, stderr } = await into('theirs.eml');
    assert.equal(code, 0, stderr);
    const opened = await readFile(at('out/theirs.eml'), 'utf8');
    assert.equal(opened, `From: b@example.com\r\nMIME-Version: 1.0\r\nSubject: [...]\r\n${inside}`);
  });
});
