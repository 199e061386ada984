// What one attempt costs: a derivation for each slot with a password, one for a code however many devices
// there are, and none for a code of nobody.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { slotNamed, withChanged, withSlot } from '../../src/custody/change.ts';
import { newCode } from '../../src/custody/enrol.ts';
import { Derivations, type Kdf, usualLimits } from '../../src/custody/kdf.ts';
import { makeSlot, openSlot, secretOf } from '../../src/custody/slot.ts';
import { parseWrappedFile, textOf, type WrappedFile } from '../../src/custody/wrappedfile.ts';
import { type Enrolled, parts, usualEnrolled, world } from '../support/wrapped.ts';

class Counted extends Derivations {
  count = 0;

  override derive(secret: Buffer, kdf: Kdf): Promise<Buffer> {
    this.count++;
    return super.derive(secret, kdf);
  }
}

const DEVICES = 6;
const codes: string[] = [];
let alice: Enrolled;
let file: WrappedFile;
let master: Buffer;

before(async () => {
  alice = await usualEnrolled();
  file = alice.file;
  master = (await openSlot(file, secretOf(alice.secrets.device), parts.derivations))?.master ?? assert.fail();
  for (let n = 0; n < DEVICES; n++) {
    const code = newCode(world);
    codes.push(code);
    const made = await makeSlot(
      { kind: 'device', label: `${n}`, secret: secretOf(code).bytes },
      file,
      master,
      parts,
    );
    file = withSlot(file, made);
  }
});

async function attempt(text: string): Promise<{ label: string | undefined; count: number }> {
  const derivations = new Counted(usualLimits());
  const opened = await openSlot(parseWrappedFile(textOf(file)), secretOf(text), derivations);
  return { label: opened?.slot.label, count: derivations.count };
}

test('a code costs one derivation, whichever device it is of, and the recovery code too', async () => {
  for (const n of [0, DEVICES - 1])
    assert.deepEqual(await attempt(codes[n] ?? ''), { label: `${n}`, count: 1 });
  assert.deepEqual(await attempt(alice.secrets.recovery), { label: 'recovery', count: 1 });
});

test('a code of nobody costs none, and a password one for each slot with a password', async () => {
  assert.deepEqual(await attempt(newCode(world)), { label: undefined, count: 0 });
  assert.deepEqual(await attempt('five other words of somebody'), { label: undefined, count: 1 });
});

test('bytes that are no UTF-8 open nothing, even a slot that was made of others', async () => {
  const latin = Buffer.from('fünf Wörter', 'latin1').toString('utf8');
  const secret = secretOf(latin).bytes;
  const made = await makeSlot({ kind: 'password', label: 'latin', secret }, file, master, parts);
  const opened = await openSlot(withSlot(file, made), secretOf(latin), new Counted(usualLimits()));
  assert.equal(opened, undefined);
});

test('another code in the place of one has another id, and another password has the same', async () => {
  const old = slotNamed(file, '1');
  const code = newCode(world);
  const head = { kind: 'device', label: '1', id: old.id, secret: secretOf(code).bytes } as const;
  const slot = await makeSlot(head, file, master, parts);
  assert.notEqual(slot.id, old.id);
  file = withChanged(file, old, slot);
  assert.equal(slotNamed(file, '1').id, slot.id);
  assert.deepEqual(await attempt(code), { label: '1', count: 1 });
  assert.deepEqual(await attempt(codes[1] ?? ''), { label: undefined, count: 0 });
  const { id } = slotNamed(file, 'password');
  const secret = Buffer.from('x');
  assert.equal(
    (await makeSlot({ kind: 'password', label: 'password', id, secret }, file, master, parts)).id,
    id,
  );
});
