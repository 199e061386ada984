// A disk that is really full: a small tmpfs under the store.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { FIXTURES, messageOfSize } from '../support/fixtures.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { startSealdir } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';

for (const [what, option] of [
  ['bytes', 'size=512k'],
  ['inodes', 'nr_inodes=12'],
] as const) {
  test(`a disk short of ${what} defers with 452 4.3.1, leaves tmp/ empty, and takes mail again later`, {
    ...needs('root', 'mount', 'umount'),
    timeout: 30_000,
  }, async (t) => {
    const key = await makeKey(ALICE);
    const server = await startSealdir({ keys: { [ALICE]: key.certificate } });
    const store = join(server.directory, 'mail');
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', option, 'sealdir-test', store]);
    if (mounted.code !== 0) {
      await server.stop();
      return t.skip(`left out: mount is not permitted here (${mounted.stderr.trim()})`);
    }
    try {
      const session = await openSession(server.socketPath);
      const small = FIXTURES[0]?.bytes ?? Buffer.alloc(0);
      const big = what === 'bytes' ? messageOfSize(1_000_000) : small;
      const replies: string[] = [];
      for (let i = 0; i < 12; i++)
        replies.push((await deliver(session, { to: [ALICE], message: big })).final[0] ?? '');
      assert.match(replies.at(-1) ?? '', /^452 4\.3\.1 /);
      assert.ok(
        replies.every((reply) => /^(250 2\.0\.0|452 4\.3\.1) /.test(reply)),
        replies.join('\n'),
      );
      assert.deepEqual(await server.files(ALICE, 'tmp'), []);
      const stored = await server.files(ALICE, 'new');
      assert.equal(stored.length, replies.filter((reply) => reply.startsWith('250')).length);
      await run('mount', ['-o', 'remount,size=10m,nr_inodes=1000', store]);
      assert.match((await deliver(session, { to: [ALICE], message: small })).final[0] ?? '', /^250 2\.0\.0 /);
      await session.vanish();
    } finally {
      await server.drain();
      await run('umount', [store]);
      await server.stop();
    }
  });
}
