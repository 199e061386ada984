// A real Dovecot 2.3 counts its quota in maildirsize (`quota = maildir`), and Sealdir notes there what it
// stores: both have to come to the same sum. With `quota = count`, which is all that 2.4 has, Dovecot counts
// what it finds.

import assert from 'node:assert/strict';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  COMPLAINTS,
  DOVECOT_VERSIONS,
  type DovecotVersion,
  needsDovecot,
  shippedDovecot,
  startDovecotImap,
} from '../support/dovecot.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { connectImap } from '../support/imapclient.ts';
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
const COUNTED: Readonly<Record<DovecotVersion, string>> = {
  '2.3': `mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=1G
}
`,
  '2.4': `mail_plugins {
  quota = yes
}
protocol imap {
  mail_plugins {
    imap_quota = yes
  }
}
quota "User quota" {
  storage_size = 1G
}
`,
};
const BYTES = [20, 1000, 5000, 40_000, 300_000, 900_000];

test('what Dovecot makes of our notes in maildirsize is what it counts anew', {
  ...needs('dovecot', 'doveadm'),
  timeout: 240_000,
}, async () => {
  const { certificate } = await makeKey(ADDRESS);
  const server = await startSealdir({
    keys: { [ADDRESS]: certificate },
    toml: { store: 'maildirsize = true' },
  });
  const dovecot = await startDovecotImap({ dir: server.directory, more: QUOTA });
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
    assert.doesNotMatch(dovecot.log(), COMPLAINTS);
  } finally {
    await dovecot.stop();
    await server.stop();
  }
});

for (const version of DOVECOT_VERSIONS)
  test(`Dovecot ${version} counts what it finds, in all folders, and tells a client`, {
    ...(await needsDovecot(version)),
    timeout: 240_000,
  }, async () => {
    const { certificate } = await makeKey(ADDRESS);
    const rest = '[folders]\nrules = ["header X-Spam is Yes -> Junk"]';
    const server = await startSealdir({ keys: { [ADDRESS]: certificate }, toml: { rest } });
    const dir = server.directory;
    await mkdir(join(dir, 'indexes'));
    const more = `${shippedDovecot(dir, version)}${COUNTED[version]}`;
    const dovecot = await startDovecotImap({ dir, version, more });
    try {
      const session = await openSession(server.socketPath);
      for (const message of [messageOfSize(40_000), Buffer.from('X-Spam: Yes\r\n\r\nx\r\n')])
        await deliver(session, { to: [ADDRESS], message });
      await session.vanish();
      for (const name of ['mail', 'indexes']) await dovecot.adopt(join(dir, name));
      const sizes = server.outcomes().map(({ file = '' }) => Number(/,W=(\d+)$/.exec(file)?.[1]));
      const kibibytes = Math.ceil(sizes.reduce((total, size) => total + size, 0) / 1024);
      const imap = await connectImap(dovecot.port, ADDRESS);
      const quota = await imap.getQuota('INBOX');
      await imap.logout();
      assert.ok(quota !== false);
      assert.deepEqual([quota.storage?.usage, quota.storage?.limit], [kibibytes * 1024, 1024 ** 3]);
      const told = await dovecot.doveadm('-f', 'tab', 'quota', 'get', '-u', ADDRESS);
      assert.match(told, new RegExp(`\tSTORAGE\t${kibibytes}\t1048576\t`));
      assert.match(told, /\tMESSAGE\t2\t/);
      assert.doesNotMatch(dovecot.log(), COMPLAINTS);
    } finally {
      await dovecot.stop();
      await server.stop();
    }
  });
