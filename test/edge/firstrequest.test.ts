// What an HTTP server gets to see of a connection, however the bytes come.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { FirstRequest } from '../../src/edge/firstrequest.ts';

const FIRST = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n';

/** Writes the pieces one by one to a connection, and reads it as a server does that answers and closes. */
async function readThrough(pieces: readonly string[], isEnough: (seen: string) => boolean) {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1').setNoDelay(true);
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [Socket];
  const request = new FirstRequest(socket);
  let seen = '';
  let said = '';
  client.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  // not once(): the client may fail to write what nobody reads any more
  const closed = Promise.all(
    [client, request].map((each) => new Promise<void>((resolve) => each.once('close', () => resolve()))),
  );
  request.on('data', (bytes: Buffer) => {
    seen += bytes.toString('latin1');
    if (isEnough(seen)) setImmediate(() => request.end('answer'));
  });
  for (const piece of pieces) {
    client.write(piece, 'latin1');
    await new Promise(setImmediate);
  }
  await closed;
  server.close();
  return { seen, said };
}

test('the first request is seen, and nothing after it, wherever pieces begin', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(FIRST.length * 3), { maxLength: 6 }),
      fc.constantFrom('\r\n', '\n'),
      async (cuts, lineEnd) => {
        const first = FIRST.replaceAll('\r\n', lineEnd);
        const text = first.repeat(3);
        const places = [
          0,
          ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b),
          text.length,
        ];
        const pieces = places.slice(1).map((end, n) => text.slice(places[n], end));
        const { seen, said } = await readThrough(pieces, (soFar) => soFar.length >= first.length);
        assert.equal(seen, first);
        assert.equal(said, 'answer');
      },
    ),
    { numRuns: 50 },
  );
});
