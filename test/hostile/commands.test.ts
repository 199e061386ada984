// Sessions that ask for too much: countless recipients, endless lines.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { TARGET, underAttack } from '../support/attack.ts';
import { type LmtpClient, openSession } from '../support/lmtp.ts';
import { isLong, testLong } from '../support/long.ts';

const MIB = 1024 * 1024;
const RCPTS = isLong ? 100_000 : 20_000;

async function send(client: LmtpClient, block: string, times: number): Promise<void> {
  const bytes = Buffer.from(block);
  for (let n = 0; n < times; n++) if (!client.socket.write(bytes)) await once(client.socket, 'drain');
}

/** Reads `count` replies. Resolves to how often each code came. */
async function countReplies(client: LmtpClient, count: number): Promise<Record<string, number>> {
  const codes: Record<string, number> = {};
  for (let n = 0; n < count; n++) {
    const [code = ''] = /^\d{3} \d\.\d\.\d/.exec(await client.reply()) ?? [];
    codes[code] = (codes[code] ?? 0) + 1;
  }
  return codes;
}

test(
  `of ${RCPTS} RCPTs those over the limit get 452 4.5.3, and the others get their mail`,
  {
    timeout: 240_000,
  },
  (t) =>
    underAttack(t, {}, async (server) => {
      const session = await openSession(server.socketPath);
      await session.say('MAIL FROM:<>');
      const sending = send(session, `RCPT TO:<${TARGET}>\r\n`.repeat(1000), RCPTS / 1000);
      assert.deepEqual(await countReplies(session, RCPTS), { '250 2.1.5': 100, '452 4.5.3': RCPTS - 100 });
      await sending;
      assert.match(await session.say('DATA'), /^354/);
      session.write('Subject: x\r\n\r\nx\r\n.\r\n');
      assert.deepEqual(await countReplies(session, 100), { '250 2.0.0': 100 });
      await session.vanish();
    }),
);

testLong('2,000 RCPTs for unknown recipients are refused one by one', { timeout: 240_000 }, (t) =>
  underAttack(t, {}, async (server) => {
    const session = await openSession(server.socketPath);
    await session.say('MAIL FROM:<>');
    const lines = Array.from({ length: 2000 }, (_, n) => `RCPT TO:<nobody${n}@example.com>\r\n`);
    const sending = send(session, lines.join(''), 1);
    assert.deepEqual(await countReplies(session, 2000), { '550 5.1.1': 2000 });
    await sending;
    await session.vanish();
  }),
);

test(
  'lines of 16 KiB get 500 5.5.2, ten of them end the session, and a line of 64 MiB takes no memory',
  {
    timeout: 240_000,
  },
  (t) =>
    underAttack(t, {}, async (server) => {
      const sessions = await Promise.all(Array.from({ length: 50 }, () => openSession(server.socketPath)));
      await Promise.all(
        sessions.map(async (session) => {
          const sending = send(session, `NOOP ${'x'.repeat(16_384)}\r\n`, 10);
          assert.deepEqual(await countReplies(session, 10), { '500 5.5.2': 9, '421 4.7.0': 1 });
          assert.equal(await session.reply(), '');
          await sending;
          await session.vanish();
        }),
      );
      const endless = await openSession(server.socketPath);
      await send(endless, 'x'.repeat(MIB), 64);
      assert.match(await endless.say(''), /^500 5\.5\.2 /);
      assert.match(await endless.say('NOOP'), /^250 /);
      await endless.vanish();
    }),
);
