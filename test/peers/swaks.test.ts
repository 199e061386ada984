// swaks as a client that was not written for Sealdir: LMTP over both kinds of sockets, with several
// recipients.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { startSealdir } from '../support/sealdir.ts';
import { makeKey, readSealed } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
const DATA = 'Subject: from swaks\\n\\nbody\\n.dot\\n'; // swaks sends CRLF for \n

for (const kind of ['unix', 'tcp'] as const) {
  test(`swaks delivers to two recipients over ${kind} and is refused for a third that does not exist`, {
    ...needs('swaks'),
    timeout: 120_000,
  }, async () => {
    const keys = { [ALICE]: await makeKey(ALICE), [BOB]: await makeKey(BOB) };
    const certificates = Object.fromEntries(
      Object.entries(keys).map(([name, key]) => [name, key.certificate]),
    );
    const server = await startSealdir({ keys: certificates });
    const where =
      kind === 'unix'
        ? ['--socket', server.socketPath]
        : ['--server', '127.0.0.1', '--port', `${server.port}`];
    const to = ['--from', 'a@example.org', '--to', `${ALICE},nobody@example.com,${BOB}`];
    const { stdout } = await run('swaks', ['--protocol', 'LMTP', ...where, ...to, '--data', DATA]);
    const replies = stdout.toString();
    assert.equal(replies.match(/<-\s+250 2\.0\.0 Sealed/g)?.length, 2, replies);
    assert.equal(replies.match(/<\*\*\s+550 5\.1\.1 /g)?.length, 1, replies);
    for (const [address, key] of Object.entries(keys)) {
      const opened = await readSealed(await server.stored(address), key);
      assert.ok(opened.includes('Subject: from swaks\r\n\r\nbody\r\n.dot\r\n'), opened.toString());
    }
    await server.stop();
  });
}
