// The server of maps and clients that ask badly, too much, or nothing.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { NetstringReader, netstring } from '../../src/core/netstring.ts';
import { createMapServer } from '../../src/edge/mapserver.ts';
import { testLong } from '../support/long.ts';
import { until } from '../support/until.ts';

async function openServer(t: TestContext) {
  const asked = { count: 0 };
  const { server, close } = createMapServer(async (map, key) => {
    asked.count++;
    return key === 'alice@example.com' ? `OK ${map}` : 'NOTFOUND ';
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(close);
  const { port } = server.address() as AddressInfo;
  const open = async (): Promise<Socket> => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  return { asked, open };
}

/** Resolves to all that comes until the server closes. */
async function answersOf(socket: Socket): Promise<string[]> {
  const reader = new NetstringReader(1000);
  const answers: string[] = [];
  for await (const bytes of socket) answers.push(...reader.update(bytes as Buffer));
  return answers;
}

test('questions are answered in order, and after the last one of a client that has closed its side', async (t) => {
  const { open } = await openServer(t);
  const socket = await open();
  const questions = [
    'recipients alice@example.com',
    'recipients bob@example.com',
    'enrolled alice@example.com',
  ];
  socket.end(Buffer.concat(questions.map(netstring)));
  assert.deepEqual(await answersOf(socket), ['OK recipients', 'NOTFOUND ', 'OK enrolled']);
});

test('what is no question, or too long, ends the connection', async (t) => {
  const { open } = await openServer(t);
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '100000:', '5:ab', ',,,,']) {
    const socket = await open();
    socket.end(bytes);
    assert.deepEqual(await answersOf(socket), []);
  }
});

testLong('a client that never reads is not answered on and on', async (t) => {
  const { asked, open } = await openServer(t);
  const socket = await open();
  socket.pause();
  const many = Buffer.concat(Array.from({ length: 1000 }, () => netstring('recipients x@example.com')));
  const pump = () => {
    while (socket.write(many));
    socket.once('drain', pump);
  };
  pump();
  let before = -1;
  await until('it has come to a halt', async () => {
    const isHalted = asked.count === before;
    before = asked.count;
    await new Promise((resolve) => setTimeout(resolve, 300));
    return isHalted && asked.count === before;
  });
  const other = await open();
  other.end(netstring('recipients alice@example.com'));
  assert.deepEqual(await answersOf(other), ['OK recipients']);
});

test('clients that ask nothing keep nobody out', async (t) => {
  const { open } = await openServer(t);
  const silent: Socket[] = [];
  for (let n = 0; n < 256; n++) silent.push(await open());
  const other = await open();
  other.end(netstring('recipients alice@example.com'));
  assert.deepEqual(await answersOf(other), ['OK recipients']);
});
