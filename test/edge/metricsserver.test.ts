// /metrics over HTTP, and clients that ask for too much of it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createMetricsServer, type MetricsServer } from '../../src/edge/metricsserver.ts';
import { testLong } from '../support/long.ts';
import { until } from '../support/until.ts';

/** A source that counts how often it is asked; its text is that count. */
function countingSource() {
  let asked = 0;
  return {
    contentType: 'text/plain; version=0.0.4',
    get asked() {
      return asked;
    },
    async text() {
      return `asked ${++asked}\n`;
    },
  };
}

async function listen(t: TestContext, { server, close }: MetricsServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(close);
  return (server.address() as AddressInfo).port;
}

/** Everything a connection says until it is closed, which may be by force. */
async function converse(port: number, said: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  let text = '';
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
  });
  socket.write(said);
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

const GET = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n';

for (const [version, request] of [
  ['1.1', GET],
  ['1.0 with keep-alive', 'GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'],
] as const) {
  test(`of 66 kB of requests in one piece (HTTP ${version}) one is answered, and the connection is closed`, async (t) => {
    const source = countingSource();
    const port = await listen(t, createMetricsServer(source));
    const startedAt = performance.now();
    const flood = request.repeat(Math.ceil(66_000 / request.length));
    const answers = await Promise.all(Array.from({ length: 8 }, () => converse(port, flood)));
    for (const answer of answers) assert.ok(answer.split('HTTP/1.').length <= 2, answer);
    assert.match(await converse(port, request), /\r\nconnection: close\r\n.*asked \d+\n$/is);
    const seconds = (performance.now() - startedAt) / 1000;
    assert.ok(source.asked <= 1 + seconds, `asked ${source.asked} times in ${seconds} s`);
  });
}

test('those who ask at the same time, and within a second after, share one answer; later ones get a new one', async (t) => {
  let asked = 0;
  let give = (_text: string) => {};
  const first = new Promise<string>((resolve) => {
    give = resolve;
  });
  const text = async () => (asked++ === 0 ? first : 'second');
  const port = await listen(t, createMetricsServer({ contentType: 'text/plain', text }));
  const waiting = Array.from({ length: 20 }, () => converse(port, GET));
  await until('the source is asked', () => asked > 0);
  give('first');
  for (const answer of await Promise.all(waiting)) assert.match(answer, /first$/);
  assert.equal(asked, 1);
  assert.match(await converse(port, GET), /first$/);
  await until('it is asked again', async () => (await converse(port, GET)).endsWith('second'));
});

test('a source that fails is 500, and the next request asks it again', async (t) => {
  let asked = 0;
  const text = async () => {
    if (asked++ === 0) throw new Error('not now');
    return 'fine';
  };
  const port = await listen(t, createMetricsServer({ contentType: 'text/plain', text }));
  assert.match(await converse(port, GET), /^HTTP\/1\.1 500 /);
  assert.match(await converse(port, GET), /^HTTP\/1\.1 200 .*fine$/s);
});

test('HEAD is answered as GET is, without a body; other methods and paths are not there', async (t) => {
  const port = await listen(t, createMetricsServer(countingSource()));
  const ask = (method: string, path = '/metrics') =>
    fetch(`http://127.0.0.1:${port}${path}`, { method, redirect: 'manual' });
  const get = await ask('GET');
  const head = await ask('HEAD');
  assert.equal(head.status, 200);
  const headersOf = ({ headers }: Response) => [...headers].filter(([name]) => name !== 'date');
  assert.deepEqual(headersOf(head), headersOf(get));
  assert.equal(Number(head.headers.get('content-length')), (await get.text()).length);
  assert.equal(await head.text(), '');
  const post = await ask('POST');
  assert.equal(post.status, 405);
  assert.equal(post.headers.get('allow'), 'GET, HEAD');
  assert.equal((await ask('GET', '/')).status, 404);
  assert.equal((await ask('GET', '/metrics?name[]=x')).status, 200);
});

testLong(
  'a connection that asks nothing, or not to the end, is closed after a few seconds',
  {
    timeout: 120_000,
  },
  async (t) => {
    const source = countingSource();
    const port = await listen(t, createMetricsServer(source));
    await Promise.all(['', 'GET /metrics HTTP/1.1\r\nHost:'].map((said) => converse(port, said)));
    assert.equal(source.asked, 0);
  },
);

test('more than 32 connections at one time are closed, and there is room again when the others are gone', {
  timeout: 120_000,
}, async (t) => {
  const port = await listen(t, createMetricsServer(countingSource()));
  const held = Array.from({ length: 32 }, () => connect(port, '127.0.0.1'));
  await Promise.all(held.map((socket) => once(socket, 'connect')));
  await until('the next one is closed', async () => (await converse(port, GET)) === '');
  for (const socket of held) socket.destroy();
  await until('there is room', async () => (await converse(port, GET)).startsWith('HTTP/1.1 200 '));
});
