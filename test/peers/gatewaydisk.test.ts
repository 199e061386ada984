// What the gateway writes to a disk: by its calls, and by what lies on a raw image afterwards.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ImapFlow } from 'imapflow';
import { holds, messageWith, newCanaries, searchFiles, searchImage, shownIn } from '../support/canary.ts';
import { childrenOf } from '../support/child.ts';
import { needsDovecot } from '../support/dovecot.ts';
import { ALICE, connectTlsTo, startGatewayProgram } from '../support/gatewayprogram.ts';
import { LoopMount, needsLoopMount } from '../support/loopmount.ts';
import { needs } from '../support/peers.ts';
import { readTrace, straceInto } from '../support/strace.ts';
import { makeTraversable } from '../support/traversable.ts';

const FILLER = '\r\nfiller'.repeat(4000); // enough for several writes
/** Messages and logins; SEALDIR_DISK=1 takes 20,000 and 1,000, which is a quarter of an hour. */
const [MESSAGES, LOGINS] = process.env.SEALDIR_DISK === '1' ? [20_000, 1000] : [30, 6];
/** Of the logins, how many begin a process of their user. */
const ALONE = 10;
const IMAGE_BYTES = 1024 * 1024 * 1024;

/** Lists a mailbox as programs do, reads a message, and searches for a text in all. */
async function use(imap: ImapFlow, body: string): Promise<void> {
  await imap.mailboxOpen('INBOX');
  await imap.fetchAll('1:*', { envelope: true, size: true, bodyStructure: true, headers: true });
  const read = await imap.fetchOne('*', { source: true, bodyParts: ['1', '2'] });
  assert.ok(read !== false && read.source !== undefined && holds(read.source, body));
}

test('no call of the gateway writes a text to a file', {
  ...(await needsDovecot('2.3')),
  ...needs('strace'),
  timeout: 480_000,
}, async () => {
  const canaries = newCanaries();
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-trace-'));
  const trace = join(directory, 'trace');
  const gateway = await startGatewayProgram('user', '2.3', { before: ['strace', ...straceInto(trace)] });
  try {
    const imap = await connectTlsTo(gateway, gateway.secrets.device);
    await imap.append('INBOX', messageWith(canaries, FILLER));
    await use(imap, canaries.body);
    assert.deepEqual(await imap.search({ body: canaries.body }), [1]);
    await imap.logout();
    // strace blocks signals to itself while it has a child, so its children get them
    for (const pid of childrenOf(gateway.running.pid)) process.kill(pid, 'SIGTERM');
    assert.equal(await gateway.running.ended, 0);
    const { written, hidden } = await readTrace(trace);
    assert.deepEqual(hidden, []);
    const files = written.filter(({ to }) => to.startsWith('/'));
    assert.ok(files.some(({ to }) => to === join(gateway.dir, 'cache', ALICE)));
    assert.ok(
      written.some(({ bytes }) => holds(bytes, canaries.body)),
      'the trace sees what users are shown',
    );
    for (const { to, bytes } of files) assert.deepEqual(shownIn(bytes, canaries), [], to);
    assert.deepEqual(await searchFiles(gateway.dir, canaries), []);
  } finally {
    await gateway.stop();
    await rm(directory, { recursive: true });
  }
});

test(`after ${MESSAGES} messages and ${LOGINS} logins the image of the disk shows none of them`, {
  ...(await needsDovecot('2.3')),
  ...(await needsLoopMount()),
  timeout: 3_600_000,
}, async (t) => {
  const canaries = newCanaries();
  const parent = await mkdtemp(join(tmpdir(), 'sealdir-disk-'));
  const mount = await LoopMount.open('ext4', parent, '', IMAGE_BYTES);
  try {
    await makeTraversable(parent);
    const gateway = await startGatewayProgram('user', '2.3', { parent });
    try {
      const first = await connectTlsTo(gateway, gateway.secrets.device);
      for (let n = 0; n < MESSAGES; n++) await first.append('INBOX', messageWith(canaries, `\r\n${n}`));
      for (let n = 0; n < LOGINS; n++) {
        if (n === LOGINS - ALONE) await first.logout();
        const imap = await connectTlsTo(gateway, gateway.secrets.device);
        if (n % 100 === 0 || n > LOGINS - ALONE) await use(imap, canaries.body);
        await imap.logout();
      }
    } finally {
      await gateway.stop();
    }
    await mount.unmount();
    assert.deepEqual(await searchImage(mount.image, canaries), []);
    t.diagnostic(`${MESSAGES} messages, ${LOGINS} logins`);
  } finally {
    await mount.close();
    await rm(parent, { recursive: true, force: true });
  }
});
