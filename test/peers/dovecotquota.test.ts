// A real Dovecot counts its quota in maildirsize (`quota = maildir`), and Sealdir notes there what it stores:
// both have to come to the same sum.

import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startDovecotImap } from '../support/dovecot.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { needs } from '../support/peers.ts';
import { startSealdir } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ADDRESS = 'alice@example.com';
const QUOTA = `mail_plugins = quota
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=1G
}
`;
const BYTES = [20, 1000, 5000, 40_000, 300_000, 900_000];

test('what Dovecot makes of our notes in maildirsize is what it counts anew', {
  ...needs('dovecot', 'doveadm'),
  timeout: 60_000,
}, async () => {
  const { certificate } = await makeKey(ADDRESS);
  const server = await startSealdir({
    keys: { [ADDRESS]: certificate },
    toml: { store: 'maildirsize = true' },
  });
  const maildir = join(server.directory, 'mail/%d/%n');
  const dovecot = await startDovecotImap({ dir: server.directory, maildir, more: QUOTA });
  const mailbox = join(server.directory, 'mail/example.com/alice');
  const send = async (bytes: number) => {
    const session = await openSession(server.socketPath);
    const { final } = await deliver(session, { to: [ADDRESS], message: messageOfSize(bytes) });
    assert.match(final[0] ?? '', /^250 2\.0\.0 /);
    await session.vanish();
    await dovecot.adopt(join(server.directory, 'mail'));
  };
  /** Messages and kibibytes, as Dovecot tells them. */
  const counted = async () => {
    const table = await dovecot.doveadm('-f', 'tab', 'quota', 'get', '-u', ADDRESS);
    const value = (type: string) => Number(new RegExp(`\t${type}\t(\\d+)\t`).exec(table)?.[1]);
    return { messages: value('MESSAGE'), kibibytes: value('STORAGE') };
  };
  /** The sums of the lines in maildirsize. */
  const noted = async () => {
    const [, ...lines] = (await readFile(join(mailbox, 'maildirsize'), 'latin1')).trimEnd().split('\n');
    const pairs = lines.map((line) => line.trim().split(/ +/).map(Number));
    const sum = (at: number) => pairs.reduce((total, pair) => total + (pair[at] ?? Number.NaN), 0);
    return { bytes: sum(0), messages: sum(1), lines: lines.length };
  };
  try {
    await send(100);
    assert.deepEqual((await counted()).messages, 1, 'Dovecot has made maildirsize');
    for (const bytes of BYTES) await send(bytes);
    const messages = BYTES.length + 1;
    await until('every message is noted', async () => (await noted()).messages === messages);
    const before = await noted();
    assert.ok(before.lines > 1, 'Dovecot has not counted since');
    const files = await server.files(ADDRESS, 'new');
    const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
    assert.equal(
      before.bytes,
      sizes.reduce((total, size) => total + size, 0),
    );
    const told = await counted();
    assert.equal(told.messages, messages);
    await dovecot.doveadm('quota', 'recalc', '-u', ADDRESS);
    const { bytes, messages: anew } = await noted();
    assert.deepEqual({ bytes, anew }, { bytes: before.bytes, anew: messages });
    assert.deepEqual(await counted(), told);
    assert.doesNotMatch(dovecot.log(), /Error|Corrupt|Warning/);
  } finally {
    await dovecot.stop();
    await server.stop();
  }
});
