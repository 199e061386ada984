// What the gateway allows of users and of sessions that want much at the same time.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { ImapFlow } from 'imapflow';
import * as openpgp from 'openpgp';
import { needsDovecot } from '../support/dovecot.ts';
import { pgpMime } from '../support/encrypted.ts';
import { ALICE, type GatewayProgram, startGatewayProgram } from '../support/gatewayprogram.ts';
import { connectImap } from '../support/imapclient.ts';
import { childrenWith } from '../support/proc.ts';
import { connectImap as connectRaw } from '../support/rawimap.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const BOB = 'bob@example.com';

test('sessions that do not read large messages hold a few of them, and all get theirs in the end', {
  ...(await needsDovecot('2.3', 'root')),
  timeout: 240_000,
}, async () => {
  const sessions = 12;
  const MIB = 1024 * 1024;
  const gateway = await startGatewayProgram('user', '2.3', {
    settings: 'max_message_size = "10MiB"\ncache_size = "10MiB"',
  });
  try {
    const [count, stored] = [24 * MIB, await encryptedTo(gateway, 'x'.repeat(24 * MIB))];
    assert.ok(stored.length < MIB);
    for (let n = 0; n < sessions; n++)
      writeFileSync(gateway.mailbox(`new/${2_000_000_000 + n}.M1P1.host`), stored);
    await gateway.dovecot.adopt(gateway.mailbox('new'));
    const first = await connectRaw(gateway.port);
    await first.login(ALICE, gateway.secrets.password); // before the others, which need no derivation then
    const clients = Array.from({ length: sessions }, (_, n) => {
      const socket = connectTcp({ host: '127.0.0.1', port: gateway.port });
      socket.on('error', () => undefined);
      const commands = [
        `LOGIN ${ALICE} "${gateway.secrets.password}"`,
        'SELECT INBOX',
        `FETCH ${n + 1} BODY.PEEK[]`,
      ];
      socket.write(`${commands.map((each, m) => `a${m} ${each}\r\n`).join('')}`);
      return socket;
    });
    const users = childrenWith(gateway.running.pid, 'bundle/userprocess');
    let before = '';
    await until('nothing is opened any more', async () => {
      const former = before;
      await pause(1000);
      before = users.map(cpuOf).join();
      return before === former;
    });
    const held = Math.max(...users.map(residentOf));
    let whole = 0;
    await Promise.all(
      clients.map(async (socket) => {
        let bytes = 0;
        let end = '';
        for await (const piece of socket) {
          bytes += piece.length;
          end = `${end}${piece.toString('latin1', Math.max(0, piece.length - 100))}`.slice(-100);
          if (end.includes('a2 OK')) break;
        }
        if (bytes > count) whole++;
      }),
    );
    assert.equal(whole, sessions);
    assert.ok(held < 280 * MIB, `${held / MIB} MiB`);
  } finally {
    await gateway.stop();
  }
});

test('beyond gateway.max_users who is new is told to try later, until somebody has logged out', {
  ...(await needsDovecot('2.3')),
  timeout: 240_000,
}, async () => {
  const gateway = await startGatewayProgram('user', '2.3', { settings: 'max_users = 1' });
  try {
    const bob = await gateway.enrol(BOB, await makeKey(BOB));
    const alice = await connectImap(gateway.port, ALICE, gateway.secrets.device);
    await assert.rejects(connectImap(gateway.port, BOB, bob.device), { serverResponseCode: 'UNAVAILABLE' });
    assert.deepEqual(
      gateway.logged('gateway full').map(({ address, users }) => ({ address, users })),
      [{ address: BOB, users: 1 }],
    );
    await (await connectImap(gateway.port, ALICE, gateway.secrets.device)).logout();
    await alice.logout();
    let imap: ImapFlow | undefined;
    await until('there is room', async () => {
      imap = await connectImap(gateway.port, BOB, bob.device).catch(() => undefined);
      return imap !== undefined;
    });
    await imap?.logout();
  } finally {
    await gateway.stop();
  }
});

/** Ticks of CPU time of a process. */
function cpuOf(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'latin1').split(' ').slice(13, 15).join(' ');
}

/** Bytes of memory of a process. */
function residentOf(pid: number): number {
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return Number(kib) * 1024;
}

/** A message whose text compresses well, as somebody encrypts it to alice. */
async function encryptedTo({ key }: GatewayProgram, text: string): Promise<Buffer> {
  const encrypted = await openpgp.encrypt({
    message: await openpgp.createMessage({
      text: `Content-Type: text/plain\r\n\r\n${text.replace(/.{72}/g, '$&\r\n')}`,
    }),
    encryptionKeys: await openpgp.readKey({ armoredKey: key.certificate.toString() }),
    config: { preferredCompressionAlgorithm: openpgp.enums.compression.zlib },
  });
  return pgpMime(encrypted);
}
