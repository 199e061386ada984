// Wrapped files on a disk: killed at any call of a change there is the old file or the new one, and a slot
// that opens it; two changes at a time do not lose one another.

import assert from 'node:assert/strict';
import { chown, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, before, beforeEach, describe, test } from 'node:test';
import { type Calls, realCalls } from '../../src/custody/calls.ts';
import { slotNamed, withChanged, without, withSlot } from '../../src/custody/change.ts';
import { changeWrapped, LockedError, placeOf, readWrapped } from '../../src/custody/place.ts';
import { makeSlot, openSlot, secretOf } from '../../src/custody/slot.ts';
import { MOST_FILE_BYTES, type WrappedFile, WrappedFileError } from '../../src/custody/wrappedfile.ts';
import { diskError } from '../support/fakedisk.ts';
import { shortOf } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import {
  type Enrolled,
  enrolled,
  keyOf,
  parts,
  stoppedDisk,
  troubledDisk,
  usualEnrolled,
  world,
} from '../support/wrapped.ts';

const OTHER_PASSWORD = 'another canary that sings';

let alice: Enrolled;
let directory = '';
let changes: Readonly<Record<string, WrappedFile>> = {};

before(async () => {
  alice = await usualEnrolled();
  const { file, secrets } = alice;
  const opened = await openSlot(file, secretOf(secrets.device), parts.derivations);
  assert.ok(opened);
  const secret = secretOf(OTHER_PASSWORD).bytes;
  const make = (head: { kind: 'password'; label: string; id?: string }) =>
    makeSlot({ ...head, secret }, file, opened.master, parts);
  const { id } = slotNamed(file, 'password');
  changes = {
    add: withSlot(file, await make({ kind: 'password', label: 'another' })),
    change: withChanged(file, { id }, await make({ kind: 'password', label: 'password', id })),
    revoke: without(file, slotNamed(file, 'password')),
  };
});
describe('wrapped files on a disk', () => {
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-custody-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const place = () => placeOf(directory, alice.file.address);
  const put = (file: WrappedFile, calls: Calls = realCalls) =>
    changeWrapped(place(), async () => file, { world, calls });

  /** Changes what is there, with calls that a test has made. */
  async function change(next: WrappedFile, calls: Calls): Promise<void> {
    await changeWrapped(
      place(),
      async () => {
        await readWrapped(place(), calls);
        return next;
      },
      { world, calls },
    );
  }

  test('the files of before and after each change have a code that opens them', async () => {
    for (const file of shortOf([alice.file, ...Object.values(changes)], 2))
      assert.deepEqual(await keyOf(file, alice.secrets.device), alice.secretKey);
    assert.deepEqual(await keyOf(changes.change as WrappedFile, OTHER_PASSWORD), alice.secretKey);
    for (const name of ['change', 'revoke'])
      assert.equal(await keyOf(changes[name] as WrappedFile, alice.secrets.password), undefined);
  });

  test('a file is for its owner alone, under the name of its address, and nothing else is left', async () => {
    await put(alice.file);
    assert.deepEqual(await readdir(directory), ['alice@example.com']);
    assert.equal((await stat(place().path)).mode & 0o777, 0o600);
    assert.deepEqual(await readWrapped(place()), alice.file);
  });

  const KILLS = (['add', 'change', 'revoke', 'import'] as const).flatMap((name) =>
    (['before', 'after'] as const).map((when) => [name, when] as const),
  );
  for (const [name, when] of shortOf(KILLS, 3))
    test(`killed ${when} any call of "${name}", there is the old file or the new one`, async () => {
      const next = changes[name] ?? alice.file;
      const start = async () => {
        await rm(directory, { recursive: true });
        directory = await mkdtemp(join(tmpdir(), 'sealdir-custody-'));
        if (name !== 'import') await put(alice.file);
      };
      await start();
      const { calls, made } = troubledDisk({});
      await change(next, calls);
      const names = made.map((call) => call.name);
      for (const wanted of ['create', 'create.write', 'create.sync', 'rename', 'syncDirectory'])
        assert.ok(names.includes(wanted), wanted);
      assert.ok(names.indexOf('create.sync') < names.indexOf('rename'));
      assert.ok(names.indexOf('rename') < names.indexOf('syncDirectory'));
      for (let at = 1; at <= made.length; at++) {
        await start();
        await assert.rejects(change(next, stoppedDisk(at, when)), /killed/);
        const found = await readWrapped(place());
        const allowed = [...(name === 'import' ? [undefined] : [alice.file]), next];
        assert.ok(
          allowed.some((each) => JSON.stringify(each) === JSON.stringify(found)),
          `call ${at}`,
        );
        const hasRenamed = at > names.indexOf('rename') + (when === 'before' ? 1 : 0);
        assert.deepEqual(found, hasRenamed ? next : allowed[0], `call ${at}: ${names[at - 1]}`);
        // the next command is not in its way, and leaves nothing of it
        await change(next, realCalls);
        assert.deepEqual(await readdir(directory), ['alice@example.com']);
        assert.deepEqual(await readWrapped(place()), next);
      }
    });

  test('any call that fails leaves the old file or the new one, and no other', async () => {
    const next = changes.add as WrappedFile;
    await put(alice.file);
    const { calls, made } = troubledDisk({});
    await change(next, calls);
    for (let at = 1; at <= made.length; at++) {
      await put(alice.file);
      const fail = troubledDisk({
        before({ number }) {
          if (number === at) throw diskError('ENOSPC');
        },
      });
      await assert.rejects(change(next, fail.calls), { code: 'ENOSPC' });
      const isRenamed = at > made.findIndex(({ name }) => name === 'rename') + 1;
      assert.deepEqual(await readWrapped(place()), isRenamed ? next : alice.file, `call ${at}`);
    }
  });

  test('a change waits for nobody: while another has the lock, it is refused, and nothing is lost', async () => {
    await put(alice.file);
    let go: () => void = () => undefined;
    const isHeld = new Promise<void>((resolve) => {
      go = resolve;
    });
    const first = changeWrapped(
      place(),
      async () => {
        await isHeld;
        return changes.add as WrappedFile;
      },
      { world },
    );
    await assert.rejects(put(changes.revoke as WrappedFile), LockedError);
    go();
    await first;
    assert.deepEqual(await readWrapped(place()), changes.add);
    await put(changes.revoke as WrappedFile);
  });

  test('a file that root makes belongs to the user of the directory', needs('root'), async () => {
    await chown(directory, 12_345, 12_346);
    await put(alice.file);
    const { uid, gid, mode } = await stat(place().path);
    assert.deepEqual([uid, gid, mode & 0o777], [12_345, 12_346, 0o600]);
  });

  test('what could not be read any more is not written', async () => {
    await put(alice.file);
    const twice = { ...alice.file, slots: [...alice.file.slots, ...alice.file.slots] };
    await assert.rejects(put(twice), WrappedFileError);
    assert.deepEqual(await readWrapped(place()), alice.file);
  });

  test('a damaged file, one of another address, a link and a directory are refused, and stay as they are', async () => {
    const { path } = place();
    const refuses = async (what: RegExp | object) => assert.rejects(readWrapped(place()), what);
    await writeFile(path, 'not JSON');
    await refuses(/alice@example\.com is no wrapped key/);
    assert.equal(await readFile(path, 'utf8'), 'not JSON');
    await writeFile(path, ' '.repeat(MOST_FILE_BYTES + 1));
    await refuses(/too large/);
    const bob = await enrolled('bob@example.com');
    await put(bob.file);
    await refuses(/alice@example\.com holds the key of bob@example\.com/);
    await rm(path);
    assert.equal(await readWrapped(place()), undefined);
    await symlink('/etc/passwd', path);
    await refuses(/is a link, which is not followed/);
    await rm(path);
    await mkdir(path);
    await refuses(/alice@example\.com is no file/);
  });
});
