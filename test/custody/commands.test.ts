// `sealdir slots`, `recover` and what `enroll` refuses, in this process: files with derivations that cost
// little, and no terminal.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, before, beforeEach, describe, test } from 'node:test';
import { enrollCommand, recoverCommand, slotsCommand } from '../../src/commands/custody/custody.ts';
import { CommandError, EXIT } from '../../src/commands/errors.ts';
import type { Streams } from '../../src/commands/key/subcommand.ts';
import { slotNamed, without } from '../../src/custody/change.ts';
import { parseWrappedFile, textOf, type WrappedFile } from '../../src/custody/wrappedfile.ts';
import { readTransferableKey } from '../../src/keys/transferable.ts';
import { isLong } from '../support/long.ts';
import { tomlFor } from '../support/sealdir.ts';
import { makeKey, revokedKey } from '../support/testkeys.ts';
import { type Enrolled, enrolled, keyOf } from '../support/wrapped.ts';

const ALICE = 'alice@example.com';
const CODE = /^ {4}((?:[0-9A-Z]{4}-){6}[0-9A-Z]{4})$/m;

let alice: Enrolled;
let directory = '';
const at = (...parts: string[]) => join(directory, ...parts);

before(async () => {
  const { secretKey } = await makeKey(ALICE);
  const key = await readTransferableKey(Buffer.from(secretKey), async () => undefined);
  alice = await enrolled(ALICE, key.fingerprint, key.secretKey);
});
describe('commands of wrapped keys', () => {
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    await mkdir(at('gateway'));
    await writeFile(at('sealdir.toml'), `${tomlFor(directory)}[gateway]\ndirectory = "${at('gateway')}"\n`);
    await writeFile(at('gateway', ALICE), textOf(alice.file));
    for (const [name, secret] of Object.entries(alice.secrets)) await writeFile(at(name), `${secret}\n`);
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  interface Said {
    readonly code: number;
    readonly out: string;
    readonly err: string;
  }

  /** Runs a command as cli.ts does, and returns what it says. */
  async function said(command: typeof slotsCommand, args: readonly string[]): Promise<Said> {
    const [out, err]: [string[], string[]] = [[], []];
    const into = (texts: string[]) => ({
      write(text: string, done?: () => void) {
        texts.push(text);
        done?.();
      },
    });
    const streams = { stdout: into(out), stderr: into(err) } as unknown as Streams;
    let code: number;
    try {
      code = await command(args, streams);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      code = EXIT[error.kind];
      err.push(error.everything.join('\n'));
    }
    return { code, out: out.join(''), err: err.join('') };
  }

  const slots = (name: string, ...args: string[]) =>
    said(slotsCommand, [name, '-c', at('sealdir.toml'), ...args]);
  const labels = async () => {
    const [row] = JSON.parse((await slots('list', '--json', ALICE)).out) as { slots: { label: string }[] }[];
    return row?.slots.map(({ label }) => label);
  };
  const wrapped = async (file: WrappedFile) => {
    await writeFile(at('given'), textOf(file));
    return at('given');
  };

  test('list shows what opens a key, and nothing secret, for a person and as JSON', async () => {
    const { code, out } = await slots('list', ALICE.toUpperCase());
    assert.equal(code, 0);
    assert.match(
      out,
      /^alice@example\.com {2}[0-9A-F]{40} {2}changed 0 times\n {2}password {2}password {2}\d{4}-/,
    );
    assert.equal(out.split('\n').length, 5);
    const [row] = JSON.parse((await slots('list', '--json')).out);
    assert.deepEqual(Object.keys(row), ['address', 'fingerprint', 'serial', 'slots']);
    assert.deepEqual(Object.keys(row.slots[0]), ['id', 'kind', 'label', 'made']);
  });

  test('list makes lines for Dovecot, and leaves out what it could not read as meant', async () => {
    const { out } = await slots('list', '--dovecot', ALICE);
    assert.match(out, /^alice@example\.com:\{SHA256\}[A-Za-z0-9+/]{43}=\n$/);
    const odd = '#alice@example.com';
    await writeFile(at('gateway', odd), textOf({ ...alice.file, address: odd }));
    const all = await slots('list', '--dovecot');
    assert.deepEqual([all.code, all.out], [EXIT.data, out]);
    assert.match(all.err, /cannot be in a passwd-file of Dovecot/);
  });

  test('list says which file is damaged, and shows the others; who has none is 66', async () => {
    await writeFile(at('gateway/bob@example.com'), 'cut o');
    const { code, out, err } = await slots('list');
    assert.equal(code, EXIT.data);
    assert.match(out, /^alice@example\.com/);
    assert.match(err, /bob@example\.com is no wrapped key/);
    await symlink(at('gateway', ALICE), at('gateway/dave@example.com'));
    assert.match((await slots('list')).err, /dave@example\.com is a link, which is not followed/);
    const none = await slots('list', 'carol@example.com');
    assert.equal(none.code, EXIT.noInput);
    assert.match(none.err, /carol@example\.com has no wrapped key/);
  });

  test('a device is added by the code of another, and its own code is printed once', async () => {
    const added = await slots(
      'add',
      '--device',
      'tablet',
      '--print-codes',
      '--password-file',
      at('device'),
      ALICE,
    );
    assert.equal(added.code, 0, added.err);
    const [, code = ''] = CODE.exec(added.out) ?? [];
    assert.deepEqual(await labels(), ['password', 'device', 'recovery', 'tablet']);
    const file = parseWrappedFile(await readFile(at('gateway', ALICE), 'utf8'));
    assert.deepEqual(await keyOf(file, code.toLowerCase()), alice.secretKey);
  });

  test('slots are revoked by name or id without a secret, and the last one with --force only', async () => {
    const [{ id = '' } = {}] = alice.file.slots;
    const revoked = await slots('revoke', ALICE, id, 'device');
    assert.equal(revoked.code, 0, revoked.err);
    assert.match(revoked.out, /^alice@example\.com: revoked; left are "recovery"$/m);
    assert.match(revoked.err, /Copies of the file from before still open/);
    const last = await slots('revoke', ALICE, 'recovery');
    assert.equal(last.code, EXIT.data);
    assert.match(last.err, /only the recovery key would open the mail: say --force/);
    assert.deepEqual(await labels(), ['recovery']);
    assert.equal((await slots('revoke', ALICE, 'device')).code, EXIT.data);
    assert.equal((await slots('revoke', '--force', ALICE, 'recovery')).code, 0);
    assert.deepEqual(await labels(), []);
  });

  test('what opens nothing changes nothing, and a typing error in a code is told as one', async () => {
    const before = await readFile(at('gateway', ALICE));
    const add = async (secret: string, ...more: string[]) => {
      await writeFile(at('typed'), secret);
      const args = ['--print-codes', '--password-file', at('typed'), ...more];
      return slots('add', ...args, ALICE);
    };
    const wrong = await add('another password', '--device', 'x');
    assert.equal(wrong.code, EXIT.data);
    assert.match(wrong.err, /^this opens none of its slots; nothing was changed$/);
    const { device, password } = alice.secrets;
    const mistyped = await add(`${device.slice(0, -1)}${device.endsWith('0') ? '1' : '0'}`, '--device', 'x');
    assert.match(mistyped.err, /as a code it has a typing error in it/);
    assert.match((await add('', '--device', 'x')).err, /the password is empty/);
    assert.match((await add(device, '--device', 'recovery')).err, /there is a slot "recovery" already/);
    assert.match((await add(device)).err, /give one of --device NAME, --password and --recovery/);
    await writeFile(at('weak'), 'Alice1987');
    const weak = await add(password, '--new-password-file', at('weak'), '--label', 'more');
    assert.match(weak.err, /this password is too weak: some 2\^/);
    const unseen = await slots('add', '--device', 'x', '--password-file', at('device'), ALICE);
    assert.match(unseen.err, /no terminal, and a code would go there: say --print-codes/);
    const silent = await slots('add', '--device', 'x', '--print-codes', ALICE);
    assert.match(silent.err, /no terminal to ask for a password: give --password-file/);
    const latin = Buffer.from(password.replace('a', 'ä'), 'latin1');
    await writeFile(at('latin'), latin);
    for (const [typed, chosen] of [['latin', 'password'] as const, ['password', 'latin'] as const]) {
      const files = ['--password-file', at(typed), '--new-password-file', at(chosen)];
      const { code, err } = await slots('add', ...files, '--label', 'more', ALICE);
      assert.equal(code, EXIT.data);
      assert.match(err, /latin is no text in UTF-8/);
    }
    await writeFile(at('latin'), latin.toString('utf8'));
    assert.match((await add(password, '--new-password-file', at('latin'), '--label', 'x')).err, /U\+FFFD/);
    assert.deepEqual(await readFile(at('gateway', ALICE)), before);
  });

  test('a file is changed at home, and imported; one from before is not, since revoked slots would come back', async () => {
    assert.equal((await slots('export', ALICE)).out, textOf(alice.file));
    const path = await wrapped(alice.file);
    assert.match((await slots('import', path)).out, /has this file already/);
    const revoked = await said(slotsCommand, ['revoke', '--file', path, 'device']);
    assert.equal(revoked.code, 0, revoked.err);
    const imported = await slots('import', path);
    assert.match(imported.out, /is in place; its slots are "password", "recovery"/);
    assert.deepEqual(await labels(), ['password', 'recovery']);
    const old = await slots('import', await wrapped(alice.file));
    assert.equal(old.code, EXIT.data);
    assert.match(old.err, /was changed 1 times, this one 0 times: [\s\S]*say --yes/);
    assert.equal((await slots('import', '--yes', await wrapped(alice.file))).code, 0);
    assert.deepEqual(await labels(), ['password', 'device', 'recovery']);
  });

  test('import asks before another key or a damaged file is lost, and takes none for an address it spells otherwise', async () => {
    const other = await enrolled(ALICE);
    const another = await slots('import', await wrapped(other.file));
    assert.match(another.err, /has the key [0-9A-F]{40} wrapped there, which would be lost[\s\S]*--yes/);
    await writeFile(at('gateway', ALICE), 'damaged');
    assert.match(
      (await slots('import', await wrapped(alice.file))).err,
      /is no wrapped key.*, and would be lost/,
    );
    assert.equal(await readFile(at('gateway', ALICE), 'utf8'), 'damaged');
    assert.equal((await slots('import', '--yes', await wrapped(alice.file))).code, 0);
    const spelt = await enrolled('Alice@example.com');
    assert.match((await slots('import', await wrapped(spelt.file))).err, /which is alice@example\.com here/);
    assert.equal((await slots('import', at('sealdir.toml'))).code, EXIT.data);
  });

  test('recover gives the key locked with the code that opened it, or open where that was asked for', async () => {
    const given = { secretKey: alice.secretKey.toString('hex') };
    const code = alice.secrets.recovery;
    await writeFile(at('typed'), code.replaceAll('-', ' ').toLowerCase());
    const args = ['--password-file', at('typed'), at('gateway', ALICE)];
    const locked = await said(recoverCommand, args);
    assert.match(locked.err, /is the code, with its dashes and capital letters/);
    const read = (armor: string, passphrase?: string) =>
      readTransferableKey(Buffer.from(armor), async () => passphrase);
    await assert.rejects(read(locked.out), /is locked/);
    if (isLong) await assert.rejects(read(locked.out, code.toLowerCase()), /not unlocked/);
    assert.equal((await read(locked.out, code)).secretKey.toString('hex'), given.secretKey);
    const open = await said(recoverCommand, ['--no-passphrase', '--into', at('out'), ...args]);
    assert.equal(open.out, '');
    assert.deepEqual(await readdir(at('out')), [`${ALICE}.secret.asc`]);
    assert.equal((await stat(at('out', `${ALICE}.secret.asc`))).mode & 0o777, 0o600);
    const text = await readFile(at('out', `${ALICE}.secret.asc`), 'utf8');
    assert.equal((await read(text)).secretKey.toString('hex'), given.secretKey);
    const again = await said(recoverCommand, ['--into', at('out'), ...args]);
    assert.match(again.err, /is there already/);
  });

  test('recover says so if the key in a file was changed', async () => {
    const sealed = Buffer.from(alice.file.key.sealed);
    sealed[5] = (sealed[5] ?? 0) ^ 1;
    const path = await wrapped({ ...alice.file, key: { ...alice.file.key, sealed } });
    const { code, err } = await said(recoverCommand, ['--password-file', at('password'), path]);
    assert.equal(code, EXIT.data);
    assert.match(err, /is damaged, or was changed: it opens nothing/);
  });

  test('a slot that is gone is gone for a change that was begun with it', async () => {
    await writeFile(at('gateway', ALICE), textOf(without(alice.file, slotNamed(alice.file, 'password'))));
    const args = ['--password-file', at('password'), '--new-password-file', at('password'), ALICE];
    assert.equal((await slots('change', ...args)).code, EXIT.data);
  });

  test('enroll refuses before anything is made what it would refuse afterwards', async () => {
    await writeFile(at('weak'), 'Summer2025!');
    const names = await readdir(directory);
    const refused = async (what: RegExp, ...args: string[]) => {
      const { code, err } = await said(enrollCommand, [...args, '--into', directory]);
      assert.notEqual(code, 0);
      assert.match(err, what);
      assert.deepEqual(await readdir(directory), names);
    };
    await refused(
      /too weak: some 2\^\d+ guesses find it/,
      '--new-password-file',
      at('weak'),
      '--print-codes',
      ALICE,
    );
    await refused(/standard output is no terminal/, '--device', 'phone', ALICE);
    await refused(/two slots would be named "recovery"/, '--print-codes', '--device', 'recovery', ALICE);
    await refused(/is no name for a device/, '--print-codes', '--device', ' ', ALICE);
    await refused(/cannot be read/, '--print-codes', '-k', at('missing.asc'), ALICE);
    await refused(/holds no secret key/, '--print-codes', '-k', at('sealdir.toml'), ALICE);
    await refused(/is not an address/, '--print-codes', 'alice');
  });

  test('enroll takes no key that has expired or was revoked, and asks about one of somebody else', async () => {
    const into = ['--print-codes', '--into', at('out')];
    const refused = async (what: RegExp, key: string, address: string) => {
      await writeFile(at('key.asc'), key);
      const { code, err } = await said(enrollCommand, ['-k', at('key.asc'), ...into, address]);
      assert.equal(code, EXIT.data);
      assert.match(err, what);
      await assert.rejects(readdir(at('out')));
    };
    const date = new Date('2024-01-01');
    await refused(/expired/, (await makeKey(ALICE, { date, expiresAfter: 1000 })).secretKey, ALICE);
    await refused(/revoked/, await revokedKey(ALICE), ALICE);
    const { secretKey } = await makeKey(ALICE, { version: 6 });
    await refused(
      /no user ID of [0-9A-F]{64} names bob@example\.com[\s\S]*--yes/,
      secretKey,
      'bob@example.com',
    );
    if (!isLong) return;
    const meant = await said(enrollCommand, ['-k', at('key.asc'), '--yes', ...into, 'bob@example.com']);
    assert.equal(meant.code, 0, meant.err);
    assert.match(meant.out, /gpg does not read this key/);
  });
});
