// A copy with a hole is no copy: whatever made the hole, it is not committed.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { releaseMemory } from '../../src/core/releasememory.ts';
import { Copy } from '../../src/delivery/copy.ts';
import { prepareSealer } from '../../src/delivery/seal.ts';
import { realWorld } from '../../src/edge/world.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';
import { sealingKeysOf } from '../../src/keys/sessionkeys.ts';
import { Store } from '../../src/maildir/store.ts';
import { filesBelow, UNMETERED } from '../support/delivery.ts';
import { FakeDisk } from '../support/fakedisk.ts';
import { freshKey } from '../support/freshkey.ts';

test('a piece whose memory was given back before it was written fails the copy', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-copy-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const parts = { world: realWorld('mx.example.com'), meter: UNMETERED };
  const store = new Store({ ...parts, disk: new FakeDisk(), roots: [root] });
  const { certificate } = await freshKey('alice@example.com');
  const [parsed] = await parseCertificates(Buffer.from(certificate));
  assert.ok(parsed !== undefined);
  const usable = await judgeCertificate(parsed, new Date(), { subkeys: 'all' });
  assert.ok(!('reason' in usable));
  const envelope = { sender: Buffer.alloc(0), path: 'alice@example.com', smtpUtf8: false, eightBit: false };
  const mailbox = join(root, 'alice');
  for (const isTooEarly of [false, true]) {
    const staged = store.stage(mailbox);
    const give = staged.writeOwned.bind(staged);
    staged.writeOwned = (pieces) => {
      const wait = give(pieces);
      if (isTooEarly) pieces.forEach(releaseMemory);
      return wait;
    };
    const account = {
      address: 'alice@example.com',
      mailbox,
      envelope,
      store: Object.assign(Object.create(store), { stage: () => staged }),
    };
    const copy = new Copy(account, { storedAs: 'stored', reasons: [] });
    const outer = { trace: Buffer.from('Return-Path: <>\n'), inherited: Buffer.from('Subject: x\n') };
    copy.begin(await prepareSealer(sealingKeysOf([usable]), parts), outer);
    copy.push(Buffer.alloc(100_000));
    if (!isTooEarly) {
      await copy.finish();
      await copy.commit();
      continue;
    }
    await assert.rejects(copy.finish(), /bytes of the copy are missing/);
    copy.fail(new Error('as its lane does'));
    await copy.cleaned();
  }
  assert.equal((await filesBelow(root)).length, 1);
});
