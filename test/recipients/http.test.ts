// Recipients that a service of the site knows, over HTTP: what is sent, and what each answer means.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { HttpSource, urlFor } from '../../src/recipients/http.ts';
import { valuesOf } from '../../src/recipients/query.ts';

const SAME = { localCase: 'ignore', defaultDomain: 'mx.example.com' } as const;

async function openSource(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  more: { tokenFile?: string; waitMs?: number } = {},
) {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/users/{address}`;
  return new HttpSource({ url, tokenFile: '', waitMs: 2000, ...more }, SAME);
}

test('200 is the answer, 404 and 410 are nobody, and all else is an error', async (t) => {
  const answers: Record<string, [number, string]> = {
    alice: [200, '{"quota": "5G", "used": 1}'],
    several: [200, '[{"key": "KEY 1"}, {"key": "KEY 2"}]'],
    unknown: [404, '{"error": "no such user"}'],
    gone: [410, ''],
    broken: [500, '{}'],
    moved: [302, ''],
    text: [200, 'no JSON'],
    list: [200, '["alice"]'],
    nothing: [200, 'null'],
    large: [200, `{"account": "${'x'.repeat(2_000_000)}"}`],
    empty: [204, ''],
  };
  const source = await openSource(t, ({ url = '' }, response) => {
    const [, name = ''] = /^\/users\/(\w+)%40example\.com$/.exec(url) ?? [];
    const [status, body] = answers[name] ?? [599, ''];
    response.writeHead(status, { location: '/elsewhere' }).end(body);
  });
  const find = (name: string) => source.find(`${name}@example.com`);
  assert.deepEqual(await find('alice'), { address: 'alice@example.com', quota: 5 * 2 ** 30, used: 1 });
  assert.deepEqual((await find('several'))?.keys, ['KEY 1', 'KEY 2']);
  for (const name of ['unknown', 'gone']) assert.equal(await find(name), undefined);
  for (const name of ['broken', 'moved', 'text', 'list', 'nothing', 'large', 'empty'])
    await assert.rejects(find(name), Error, name);
});

test('the token of a file is sent, and a service that does not answer is an error in time', async (t) => {
  const tokenFile = join(tmpdir(), `sealdir-token-${process.pid}`);
  await writeFile(tokenFile, 'secret\n', { mode: 0o600 });
  const source = await openSource(
    t,
    ({ headers }, response) =>
      void response.writeHead(headers.authorization === 'Bearer secret' ? 200 : 401).end('{}'),
    { tokenFile },
  );
  assert.ok(await source.find('alice@example.com'));
  const silent = await openSource(t, () => {}, { waitMs: 100 });
  await assert.rejects(silent.find('alice@example.com'));
});

test('an address that would be another URL is nobody, and not asked for', async (t) => {
  const source = await openSource(
    t,
    ({ url }, response) => void response.writeHead(url === '' ? 500 : 200).end('{}'),
  );
  for (const local of ['.', '..']) assert.equal(await source.find(`${local}@example.com`), undefined);
});

test('no address is more than a part of the URL', () => {
  const url = 'http://h/d/{domain}/u/{local}?a={address}';
  assert.equal(
    urlFor(url, valuesOf('../x?y#z&a=b@example.com')),
    'http://h/d/example.com/u/..%2Fx%3Fy%23z%26a%3Db?a=..%2Fx%3Fy%23z%26a%3Db%40example.com',
  );
});
