// Plants canaries in subject, text and attachment name of a message, and searches all that Sealdir has
// written for them.

import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { messageWith, newCanaries, searchFiles, shownIn } from '../support/canary.ts';
import { CLI, childrenOf } from '../support/child.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { needs } from '../support/peers.ts';
import { start } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { readTrace, straceInto } from '../support/strace.ts';
import { makeKey } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const FILLER = '\r\nfiller'.repeat(40_000); // enough for several writes

test('no write of a whole delivery holds plaintext, wherever it goes, except for the visible header', {
  ...needs('strace'),
  timeout: 480_000,
}, async () => {
  const canaries = newCanaries();
  const site = await makeSite({ [ALICE]: (await makeKey(ALICE)).certificate });
  const [config, trace] = [join(site, 'sealdir.toml'), join(site, 'trace')];
  // With workers, so that messages between processes are seen too.
  await writeFile(config, tomlFor(site, { toml: { processes: 2, duplicates: '1h' } }));
  const args = [...straceInto(trace), process.execPath, CLI, 'serve', '-c', config];
  const server = await start('strace', args, {
    ready: (output) => output.includes('"msg":"listening"'),
    readyWithinMs: 60_000,
  });
  try {
    const session = await openSession(join(site, 'lmtp.sock'));
    const message = messageWith(canaries, FILLER);
    const { rcpt, final } = await deliver(session, { to: [ALICE, ALICE, 'nobody@example.com'], message });
    assert.deepEqual(
      [...rcpt, ...final].map((reply) => reply.slice(0, 3)),
      ['250', '250', '550', '250', '250'],
    );
    await session.vanish();
    const [, metrics] = /"metrics":"([^"]+)"/.exec(server.output()) ?? [];
    const page = await (await fetch(`http://${metrics}/metrics`)).text();
    // strace blocks signals to itself while it has a child, so its children get them.
    for (const pid of childrenOf(server.pid)) process.kill(pid, 'SIGTERM');
    assert.equal(await server.ended, 0);
    for (const text of [...rcpt, ...final, page, server.output()])
      assert.deepEqual(shownIn(text, canaries), [], text);

    const { written, hidden } = await readTrace(trace);
    assert.deepEqual(hidden, []);
    const stored = written.filter(({ to }) => to.includes('/mail/example.com/alice/tmp/'));
    assert.deepEqual(stored.length, 1, 'the trace has seen the copy');
    for (const { to, bytes } of written) {
      const shown = shownIn(bytes, canaries);
      assert.deepEqual(shown, stored.some((each) => each.to === to) ? [canaries.subject] : [], to);
    }
    await rm(trace);
    assert.deepEqual(await searchFiles(site, canaries), []);
  } finally {
    await server.stop();
    await rm(site, { recursive: true, force: true });
  }
});
