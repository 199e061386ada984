// No message is buffered as a whole: a large one to many recipients takes a bounded amount of memory.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { type ChildServer, startChild } from '../support/child.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { openSession } from '../support/lmtp.ts';
import { isLong } from '../support/long.ts';
import { makeKey } from '../support/testkeys.ts';

const MIB = 1024 * 1024;
const RECIPIENTS = Array.from({ length: isLong ? 10 : 2 }, (_, index) => `user${index}@example.com`);

test(`100 MiB to ${RECIPIENTS.length} recipients takes at most 96 MiB above idle`, {
  timeout: 900_000,
}, async (t) => {
  const keys: Record<string, string> = {};
  for (const address of RECIPIENTS) keys[address] = (await makeKey(address)).certificate;
  const server = await startChild({ keys, toml: { lmtp: 'max_message_size = "200MiB"' } });
  try {
    const idle = server.peakRss();
    await send(server, 100);
    const peak = server.peakRss();
    t.diagnostic(
      `idle ${(idle / MIB).toFixed(1)} MiB, peak ${(peak / MIB).toFixed(1)} MiB, above idle ${((peak - idle) / MIB).toFixed(1)} MiB`,
    );
    assert.ok(peak - idle <= 96 * MIB, `${peak - idle} bytes above idle`);
  } finally {
    assert.equal(await server.stop(), 0);
  }
});

async function send(server: ChildServer, mebibytes: number): Promise<void> {
  const session = await openSession(server.socketPath);
  await session.say('MAIL FROM:<>');
  for (const address of RECIPIENTS) assert.match(await session.say(`RCPT TO:<${address}>`), /^250/);
  await session.say('DATA');
  const piece = messageOfSize(MIB).subarray(0, MIB);
  for (let sent = 0; sent < mebibytes; sent++) {
    if (!session.socket.write(piece)) await once(session.socket, 'drain');
  }
  session.write('\r\n.\r\n');
  for (const address of RECIPIENTS) assert.match(await session.reply(), /^250 2\.0\.0 /, address);
  await session.vanish();
}
