// A real Dovecot serves sealed messages from the Maildir by IMAP, as they are stored.

import assert from 'node:assert/strict';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { startDovecotImap } from '../support/dovecot.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { connectImap } from '../support/imap.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { needs } from '../support/peers.ts';
import { startSealdir } from '../support/sealdir.ts';
import { makeKey, readSealed } from '../support/testkeys.ts';

type Fetched = { size: number; bytes: Buffer };

const ADDRESS = 'alice@example.com';

test('Dovecot lists and fetches sealed messages, and the sizes S= and W= in their names are true', {
  ...needs('dovecot'),
  timeout: 60_000,
}, async () => {
  const key = await makeKey(ADDRESS);
  const server = await startSealdir({ keys: { [ADDRESS]: key.certificate } });
  const messages = [
    Buffer.from('Subject: first\r\n\r\nshort\r\n'),
    messageOfSize(300_000),
    Buffer.from('no header\r\n'),
  ];
  const session = await openSession(server.socketPath);
  for (const message of messages) await deliver(session, { to: [ADDRESS], message });
  await session.vanish();
  const maildir = join(server.directory, 'mail/%d/%n');
  const dovecot = await startDovecotImap({ dir: server.directory, maildir });
  try {
    const files = await server.files(ADDRESS, 'new');
    const stored = await Promise.all(server.outcomes().map(({ file }) => server.stored(ADDRESS, file)));
    await dovecot.adopt(join(server.directory, 'mail'));
    const imap = await connectImap(dovecot.port);
    await imap.login(ADDRESS, 'pass');
    assert.equal(await imap.select('INBOX'), messages.length);
    const fetched: Fetched[] = [];
    for (let number = 1; number <= messages.length; number++) fetched.push(await imap.fetch(number));
    await imap.logout();
    for (const [index, message] of messages.entries()) {
      const file = Buffer.from(stored[index]?.toString('latin1').replaceAll('\n', '\r\n') ?? '', 'latin1');
      const found: Fetched | undefined = fetched.find(({ bytes }) => bytes.equals(file));
      assert.ok(found, 'fetched as stored, with CRLF line ends');
      assert.equal(found.size, file.length);
      assert.ok(
        files.some((path) => basename(path).endsWith(`,S=${stored[index]?.length},W=${file.length}`)),
      );
      assert.deepEqual(await readSealed(found.bytes, key), message);
    }
    assert.doesNotMatch(dovecot.log(), /Warning|Error|Corrupt/);
  } finally {
    await dovecot.stop();
    await server.stop();
  }
});
