// The LMTP server where TLS should be had, and cannot.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { Connections } from '../../src/lmtp/connections.ts';
import { LmtpServer } from '../../src/lmtp/server.ts';
import { openSite } from '../support/delivery.ts';
import { freshKey } from '../support/freshkey.ts';
import { connectLmtp, deliver } from '../support/lmtp.ts';
import { listenFor } from '../support/lmtpport.ts';

const alice = await freshKey('alice@example.com');
const FOREVER_MS = 1_000_000_000;

test('STARTTLS is answered with 454, and mail goes on in clear where it may; TLS from the start is closed', async (t) => {
  const site = await openSite(t, { keys: [alice] });
  const options = {
    world: { micros: () => 0 },
    host: 'mx.example.com',
    maxMessageBytes: 10_000_000,
    maxConnections: 10,
    maxPeerConnections: 10,
    idleMs: FOREVER_MS,
    blockMs: FOREVER_MS,
    dataMs: FOREVER_MS,
    sessionMs: FOREVER_MS,
    tls: 'unavailable' as const,
    requiresTls: false,
    begin: () => site.transaction(),
    fault: (what: string) => assert.fail(what),
    distrusted: () => assert.fail(),
    replied: () => {},
  };
  const server = new LmtpServer(options, new Connections());
  const session = await connectLmtp(await listenFor(server, t));
  await session.reply();
  assert.match(await session.say('LHLO x'), /^250 STARTTLS$/m);
  assert.match(await session.say('STARTTLS'), /^454 4\.7\.0 TLS is not available at the moment$/);
  const message = Buffer.from('Subject: x\r\n\r\nx\r\n');
  const { final } = await deliver(session, { to: ['alice@example.com'], message });
  assert.match(final[0] ?? '', /^250 2\.0\.0 /);
  await session.vanish();

  const door = createServer((socket) => server.accept(socket, 'tls')).listen(0, '127.0.0.1');
  await once(door, 'listening');
  const { port } = door.address() as { port: number };
  const expectant = await connectLmtp(port);
  assert.equal(await expectant.reply(), '', 'nothing is said in clear');
  await expectant.vanish();
  door.close();
});
