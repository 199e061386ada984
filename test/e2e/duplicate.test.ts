// A client that got no reply sends again: to the same process, to another one, and to one started after a
// crash.

import assert from 'node:assert/strict';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  ALICE,
  BEFORE,
  BOB,
  filesOf,
  keysOf,
  MESSAGE,
  ON,
  SEALED,
  send,
  serveAt,
} from '../support/attempts.ts';
import { messageWith, newCanaries, searchFiles } from '../support/canary.ts';
import { childrenOf } from '../support/child.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { testLong } from '../support/long.ts';
import { makeSite, startSealdir } from '../support/sealdir.ts';
import { until } from '../support/until.ts';
import { asData } from '../support/wireform.ts';

test('a client that goes without reading its reply and sends again has one copy in new/', async () => {
  const server = await startSealdir({ keys: await keysOf(ALICE), toml: ON });
  try {
    const session = await openSession(server.socketPath);
    await session.say('MAIL FROM:<sender@example.org> BODY=8BITMIME SMTPUTF8');
    await session.say(`RCPT TO:<${ALICE}>`);
    await session.say('DATA');
    session.socket.pause(); // it reads nothing from now on
    session.write(asData(MESSAGE));
    await until('the copy is stored', () => server.outcomes().some(({ why }) => why === 'stored'));
    await session.vanish();
    assert.match(await send(server.socketPath), BEFORE);
    assert.equal((await server.files(ALICE, 'new')).length, 1);
    assert.deepEqual(await server.files(ALICE, 'tmp'), []);
    const text = await (await fetch(`${server.metrics}/metrics`)).text();
    assert.match(text, /^sealdir_recipients_total\{verdict="stored",why="duplicate"\} 1$/m);
    assert.match(text, /^sealdir_recipients_total\{verdict="stored",why="stored"\} 1$/m);
    assert.match(text, /^sealdir_state_failing 0$/m);
    assert.match(text, /^sealdir_state_oldest_seconds \d+$/m);

    const [path = ''] = await server.files(ALICE, 'new');
    await rm(path); // read and deleted by its owner
    assert.match(await send(server.socketPath), BEFORE);
    assert.deepEqual(await server.files(ALICE, 'new'), []);
  } finally {
    await server.stop();
  }
});

test('another sender, recipient or message is no duplicate', async () => {
  const server = await startSealdir({ keys: await keysOf(ALICE, BOB), toml: ON });
  try {
    const others = [
      {},
      { to: BOB },
      { from: 'other@example.org' },
      { message: Buffer.from('Subject: two\r\n\r\n') },
    ];
    for (const other of others) assert.match(await send(server.socketPath, other), SEALED);
    assert.equal((await server.files(ALICE, 'new')).length, 3);
    assert.equal((await server.files(BOB, 'new')).length, 1);
  } finally {
    await server.stop();
  }
});

test('with duplicates = "off" each attempt is a copy, and without counts no state directory is made', async () => {
  const toml = { duplicates: 'off', rest: '[tls_report]\ndomains = "off"\n' };
  const server = await startSealdir({ keys: await keysOf(ALICE), toml });
  try {
    for (let n = 0; n < 2; n++) assert.match(await send(server.socketPath), SEALED);
    assert.equal((await server.files(ALICE, 'new')).length, 2);
    assert.ok(!(await readdir(server.directory)).includes('state'));
  } finally {
    await server.stop();
  }
});

testLong(
  'two workers know of each other, and the next server of those that were killed',
  {
    timeout: 240_000,
  },
  async () => {
    const canaries = newCanaries();
    const message = messageWith(canaries, '\r\nonce\r\n');
    const directory = await makeSite(await keysOf(ALICE));
    const socketPath = join(directory, 'lmtp.sock');
    const sendAgain = async () => {
      // connections are dealt out in turn, so that both workers get some
      for (let n = 0; n < 4; n++) assert.match(await send(socketPath, { message }), BEFORE);
      assert.equal((await filesOf(directory)).length, 1);
    };
    try {
      const first = await serveAt(directory);
      try {
        assert.match(await send(socketPath, { message }), SEALED);
        await sendAgain();
      } finally {
        for (const pid of [first.pid, ...childrenOf(first.pid)]) process.kill(pid, 'SIGKILL');
        await first.stop();
      }
      const second = await serveAt(directory);
      try {
        await sendAgain();
      } finally {
        assert.equal(await second.stop(), 0);
      }
      const kept = (await readdir(join(directory, 'state'))).filter((name) => name !== 'tls-report');
      assert.deepEqual(kept.sort(), ['delivered.1', 'lock', 'secret']);
      assert.deepEqual(await searchFiles(directory, canaries), []);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
);

testLong(
  'a message to many addresses of one mailbox does not push out what was delivered before',
  {
    timeout: 480_000,
  },
  async () => {
    const server = await startSealdir({ keys: await keysOf(ALICE, BOB), toml: ON });
    try {
      assert.match(await send(server.socketPath), SEALED);
      const session = await openSession(server.socketPath);
      const to = Array.from({ length: 100 }, (_, n) => `bob+${n}@example.com`);
      for (let n = 0; n < 10; n++) {
        const { final } = await deliver(session, { to, message: Buffer.from(`Subject: ${n}\r\n\r\n`) });
        assert.equal(final.filter((reply) => SEALED.test(reply)).length, 100);
      }
      await session.vanish();
      const { size } = await stat(join(server.directory, 'state/delivered.1'));
      assert.equal(size, 11 * 2 * 32, 'two records of 32 bytes for each copy');
      assert.match(await send(server.socketPath), BEFORE);
    } finally {
      await server.stop();
    }
  },
);
