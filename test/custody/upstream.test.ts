// The password for the IMAP server with the sealed mail: opened by each slot, kept by each change, and what
// Dovecot is given fits it.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { open, seal, withKeyFor } from '../../src/custody/box.ts';
import { slotNamed, withChanged, without, withSlot } from '../../src/custody/change.ts';
import { makeSlot, openSlot, secretOf } from '../../src/custody/slot.ts';
import { dovecotLine, upstreamPassword } from '../../src/custody/upstream.ts';
import {
  parseWrappedFile,
  textOf,
  type WrappedFile,
  WrappedFileError,
} from '../../src/custody/wrappedfile.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { type Enrolled, enrolled, parts, usualEnrolled, world } from '../support/wrapped.ts';

let alice: Enrolled;
let master: Buffer;

before(async () => {
  alice = await usualEnrolled();
  const opened = await openSlot(alice.file, secretOf(alice.secrets.device), parts.derivations);
  master = opened?.master ?? assert.fail();
});

test('it is random, and stands nowhere in the file', async () => {
  const password = upstreamPassword(alice.file, master) ?? '';
  assert.match(password, /^[\w-]{43}$/);
  assert.equal(textOf(alice.file).includes(password), false);
  const other = await enrolled();
  const opened = await openSlot(other.file, secretOf(other.secrets.recovery), parts.derivations);
  assert.notEqual(upstreamPassword(other.file, opened?.master ?? assert.fail()), password);
});

test('it stays as it is when slots are added, changed and revoked', async () => {
  const { file } = alice;
  const secret = Buffer.from('another');
  const added = withSlot(file, await makeSlot({ kind: 'password', label: 'x', secret }, file, master, parts));
  const { id } = slotNamed(added, 'x');
  const slot = await makeSlot({ kind: 'password', label: 'x', secret, id }, file, master, parts);
  for (const changed of [added, withChanged(added, slot, slot), without(added, slot)])
    assert.deepEqual(parseWrappedFile(textOf(changed)).upstream, file.upstream);
});

test('it opens with no other key, for no other owner, and after no edit', async () => {
  const { file } = alice;
  const flipped = Buffer.from(file.upstream.sealed);
  flipped[3] = (flipped[3] ?? 0) ^ 1;
  const edited: readonly WrappedFile[] = [
    { ...file, address: 'bob@example.com' },
    { ...file, fingerprint: 'B'.repeat(40) },
    { ...file, upstream: { ...file.upstream, sealed: flipped } },
    { ...file, upstream: { ...file.key, hash: file.upstream.hash } },
    { ...file, upstream: { ...file.upstream, hash: Buffer.alloc(32, 1) } },
  ];
  for (const each of edited) assert.equal(upstreamPassword(each, master), undefined);
  assert.equal(upstreamPassword(file, Buffer.alloc(32)), undefined);
});

test('what a later version puts into its box is kept, and does not matter', () => {
  const { file } = alice;
  const hash = file.upstream.hash.toString('base64');
  const data = Buffer.from(JSON.stringify(['sealdir upstream', file.address, file.fingerprint, hash]));
  const box = withKeyFor('upstream', master, (key) => {
    const now = JSON.parse((open(key, file.upstream, data) ?? assert.fail()).toString());
    return seal(key, Buffer.from(JSON.stringify({ ...now, more: [1] })), data, world);
  });
  const later = parseWrappedFile(textOf({ ...file, upstream: { ...file.upstream, ...box } }));
  assert.equal(upstreamPassword(later, master), upstreamPassword(file, master));
  const revoked = without(later, slotNamed(later, 'password'));
  assert.deepEqual(parseWrappedFile(textOf(revoked)).upstream.sealed, box.sealed);
});

test('Dovecot takes it by the line that it is given, and no other', needs('doveadm'), async () => {
  const line = dovecotLine(alice.file);
  const hash = line.replace(/^alice@example\.com:/, '');
  const takes = async (password: string) => {
    const { stdout } = await run('doveadm', ['-O', 'pw', '-t', hash, '-p', password]);
    return stdout.toString().includes('(verified)');
  };
  assert.equal(await takes(upstreamPassword(alice.file, master) ?? ''), true);
  assert.equal(await takes(alice.secrets.password), false);
});

test('an address that Dovecot would read as something else gets no line', () => {
  for (const address of ['"a:{PLAIN}x"@example.com', '#a@example.com'])
    assert.throws(() => dovecotLine({ ...alice.file, address }), WrappedFileError);
});
