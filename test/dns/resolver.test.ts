// The resolver of src/dns beside one that is hostile, slow, or not there, and what a real one gives back.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { asciiName, plainAddress, reverseName } from '../../src/dns/names.ts';
import { lineOf, txt } from '../../src/dns/record.ts';
import { answering, parseServer, Resolver } from '../../src/dns/resolver.ts';
import { testLong } from '../support/long.ts';
import { needsNameServer, startNameServer } from '../support/nameserver.ts';

/** Answers each datagram with what `replies` makes of it. */
async function withServer(
  replies: (query: Buffer) => readonly Buffer[],
  work: (port: number) => Promise<void>,
): Promise<void> {
  const socket = createSocket('udp4');
  socket.on('message', (query: Buffer, from: RemoteInfo) => {
    for (const reply of replies(query)) socket.send(reply, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  try {
    await work(socket.address().port);
  } finally {
    socket.close();
  }
}

const on = (port: number) => new Resolver({ host: '127.0.0.1', port }, randomBytes);

/** Returns the query as an answer: with flags, and with records after the question. */
function answer(query: Buffer, flags: number, ...records: readonly Buffer[]): Buffer {
  const reply = Buffer.concat([query, ...records]);
  reply.writeUInt16BE(flags, 2);
  reply.writeUInt16BE(records.length, 6);
  return reply;
}

const ADDRESS = Buffer.from('c00c00010001000000010004c0000207', 'hex'); // A 192.0.2.7, name by a pointer
const [GOOD, AD, TRUNCATED] = [0x8180, 0x0020, 0x0200];

test('answers to other questions and what is no answer are passed over', async () => {
  const wrongId = (query: Buffer) => {
    const reply = answer(query, GOOD | AD, Buffer.from('c00c00010001000000010004c6336401', 'hex'));
    reply[0] = (reply[0] ?? 0) ^ 0xff;
    return reply;
  };
  const wrongName = (query: Buffer) => {
    const reply = answer(query, GOOD, ADDRESS);
    reply[13] = 'z'.charCodeAt(0);
    return reply;
  };
  const loop = (query: Buffer) =>
    answer(query, GOOD, Buffer.concat([Buffer.from([0xc0, query.length]), ADDRESS]));
  const garbage = [Buffer.alloc(0), Buffer.from('hello'), randomBytes(512)];
  await withServer(
    (query) => [...garbage, wrongId(query), wrongName(query), loop(query), answer(query, GOOD, ADDRESS)],
    async (port) => {
      const found = await on(port).ask('a.example', 'A');
      assert.deepEqual(found, { values: ['192.0.2.7'], isSigned: false, isAlias: false });
    },
  );
});

test('a resolver that refuses, and one whose TCP is closed, are no answer "there is nothing"', async () => {
  await withServer(
    (query) => [answer(query, GOOD | 5)],
    async (port) => {
      assert.deepEqual(await on(port).ask('a.example', 'A'), {
        why: 'the resolver answers REFUSED',
        kind: 'failed',
      });
    },
  );
  await withServer(
    (query) => [answer(query, GOOD | TRUNCATED)],
    async (port) => {
      const found = await on(port).ask('a.example', 'A');
      assert.ok('why' in found && /cannot be asked \(ECONNREFUSED\)/.test(found.why), JSON.stringify(found));
    },
  );
});

test('what comes over TCP may be cut anywhere, but not at its end', async () => {
  await withServer(
    (query) => [answer(query, GOOD | TRUNCATED)],
    async (port) => {
      let isWhole = true;
      const server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', (bytes: Buffer) => {
          const reply = answer(bytes.subarray(2), GOOD | AD, ADDRESS);
          const framed = Buffer.concat([Buffer.from([0, reply.length]), reply]);
          if (!isWhole) return void socket.end(framed.subarray(0, -1));
          for (const byte of framed) socket.write(Buffer.of(byte));
        });
      });
      await once(server.listen(port, '127.0.0.1'), 'listening');
      try {
        const found = await on(port).ask('a.example', 'A');
        assert.deepEqual(found, { values: ['192.0.2.7'], isSigned: true, isAlias: false });
        isWhole = false;
        const cut = await on(port).ask('a.example', 'A');
        assert.ok('why' in cut && /what it sent over TCP is no answer/.test(cut.why), JSON.stringify(cut));
      } finally {
        server.close();
      }
    },
  );
});

test('a name that cannot be asked for is not', async () => {
  await withServer(
    (query) => [answer(query, GOOD, ADDRESS)],
    async (port) => {
      for (const name of [
        '',
        'a..b',
        `${'a'.repeat(64)}.example`,
        '\u{fffd}.example',
        `${'a.'.repeat(126)}bcd`,
      ])
        assert.ok('why' in (await on(port).ask(name, 'A')), name);
    },
  );
});

testLong('the next resolver is asked when one says nothing', async () => {
  await withServer(
    () => [],
    async (silent) => {
      await withServer(
        (query) => [answer(query, GOOD)],
        async (port) => {
          const servers = [silent, port].map((each) => ({ host: '127.0.0.1', port: each }));
          const found = await answering(servers, 'a.example', randomBytes);
          assert.ok(found instanceof Resolver && found.name === `127.0.0.1:${port}`);
          const none = await answering(servers.slice(0, 1), 'a.example', randomBytes);
          assert.deepEqual(none, { why: `the resolver 127.0.0.1:${silent} gives no answer`, kind: 'silent' });
        },
      );
    },
  );
});

test('every byte of a text, and a long one, come back as they were', needsNameServer(), async () => {
  const bytes = String.fromCharCode(...Array.from({ length: 128 }, (_, n) => n));
  const text = `${bytes}"\\;$ö${'x'.repeat(400)}`;
  const server = await startNameServer([{ name: 'a.example', text: `${lineOf(txt('a.example', text))}\n` }]);
  try {
    const found = await on(server.port).ask('a.example', 'TXT');
    const wanted = Buffer.from(text, 'utf8').toString('latin1');
    assert.deepEqual(found, { values: [wanted], isSigned: false, isAlias: false });
  } finally {
    await server.stop();
  }
});

test('names and addresses have one spelling', () => {
  assert.equal(asciiName('Bücher.Example.'), 'xn--bcher-kva.example');
  assert.equal(asciiName('a_b.example'), 'a_b.example');
  assert.equal(asciiName('xn--zzzzzz.example'), undefined);
  assert.equal(plainAddress('2001:DB8:0:0::1'), '2001:db8::1');
  assert.equal(plainAddress('::ffff:192.0.2.1'), '::ffff:c000:201');
  assert.equal(reverseName('192.0.2.1'), '1.2.0.192.in-addr.arpa');
  // RFC 3596 §2.5
  assert.equal(
    reverseName('4321:0:1:2:3:4:567:89ab'),
    'b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa',
  );
  assert.equal(reverseName('::'), `${'0.'.repeat(32)}ip6.arpa`);
  assert.deepEqual(parseServer('[::1]:5353'), { host: '::1', port: 5353 });
  assert.deepEqual(parseServer('192.0.2.1'), { host: '192.0.2.1', port: 53 });
  assert.deepEqual(parseServer('::1'), { host: '::1', port: 53 });
});
