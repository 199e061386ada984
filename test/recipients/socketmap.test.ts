// Recipients over Postfix's socketmap protocol, asked of a server that answers as told.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { NetstringReader, netstring } from '../../src/core/netstring.ts';
import { SocketmapSource } from '../../src/recipients/socketmap.ts';

const SAME = { localCase: 'ignore', defaultDomain: 'mx.example.com' } as const;

async function openSource(
  t: TestContext,
  answer: (question: string, socket: Socket) => string,
  waitMs = 2000,
) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    const reader = new NetstringReader(20_000);
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      for (const question of reader.update(bytes)) socket.write(answer(question, socket));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const address = { type: 'tcp', host: '127.0.0.1', port } as const;
  const source = new SocketmapSource({ address, map: 'users', connections: 2, waitMs }, SAME);
  t.after(async () => {
    await source.close();
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { source, sockets };
}

const said = (text: string) => netstring(text).toString();

test('the map and the address are asked for; the data is an account or JSON', async (t) => {
  const answers: Record<string, string> = {
    'users alice@example.com': 'OK alice@example.com',
    'users alias@example.com': 'OK Bob@Example.com',
    'users json@example.com': 'OK {"quota": "1K", "unusable": "last-valid"}',
    'users nobody@example.com': 'NOTFOUND ',
    'users trouble@example.com': 'TEMP database is down',
    'users denied@example.com': 'PERM no such map',
    'users odd@example.com': 'WHAT',
  };
  const { source } = await openSource(t, (question) => said(answers[question] ?? 'PERM unexpected'));
  const find = (name: string) => source.find(`${name}@example.com`);
  assert.deepEqual(await find('alice'), { address: 'alice@example.com' });
  assert.deepEqual(await find('alias'), { address: 'bob@example.com' });
  assert.deepEqual(await find('json'), {
    address: 'json@example.com',
    quota: 1024,
    unusable: 'last-valid',
  });
  assert.equal(await find('nobody'), undefined);
  for (const name of ['trouble', 'denied', 'odd']) await assert.rejects(find(name), Error, name);
});

test('look-ups share two connections, and each has its own answer', async (t) => {
  const { source, sockets } = await openSource(t, (question) => said(`OK ${question.split(' ')[1]}`));
  const names = Array.from({ length: 100 }, (_, n) => `user${n}@example.com`);
  const found = await Promise.all(names.map((name) => source.find(name)));
  assert.deepEqual(
    found.map((recipient) => recipient?.address),
    names,
  );
  assert.equal(sockets.length, 2);
});

test('a server that closes, talks nonsense or says nothing is an error, and asked anew', async (t) => {
  let trouble: 'close' | 'nonsense' | 'silence' | undefined;
  const { source } = await openSource(
    t,
    (question, socket) => {
      if (trouble === 'close') socket.destroy();
      if (trouble === 'close' || trouble === 'silence') return '';
      return trouble === 'nonsense' ? 'HTTP/1.1 400\r\n' : said(`OK ${question.split(' ')[1]}`);
    },
    300,
  );
  for (trouble of ['close', 'nonsense', 'silence', undefined] as const) {
    for (let n = 0; n < 3; n++) {
      const asked = source.find('alice@example.com');
      if (trouble === undefined) assert.ok(await asked);
      else await assert.rejects(asked);
    }
  }
});
