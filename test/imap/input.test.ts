// Input reads what comes in any pieces, also from memory that is used again for the next piece.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { RoomySocket } from '../../src/gateway/roomysocket.ts';
import { Input } from '../../src/imap/input.ts';
import { cut, someCut } from '../support/chunks.ts';

test('lines and literals are those that came, though each piece goes when the next one comes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ maxLength: 50 }), { maxLength: 8 }),
      someCut,
      async (texts, lengths) => {
        const lines = texts.map((text) => Buffer.from(text.replaceAll(/[\r\n]/g, '.')));
        const wire = Buffer.concat(
          lines.flatMap((line) => [line, Buffer.from('\r\n'), Buffer.from('literal')]),
        );
        const room = Buffer.alloc(wire.length);
        const input = new Input(
          (async function* () {
            for (const piece of cut(wire, lengths)) {
              room.fill(0xff);
              piece.copy(room);
              yield room.subarray(0, piece.length);
            }
          })(),
        );
        for (const line of lines) {
          assert.deepEqual(Buffer.from(await input.line(10_000)), line);
          assert.equal((await input.bytes(7)).toString(), 'literal');
        }
      },
    ),
  );
});

test('what comes from a Unix socket comes whole, however much of it', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'sealdir-roomy-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const sent = Buffer.alloc(3_000_000, 'one after the other, ');
  const server = createServer((socket) => void socket.end(Buffer.concat([Buffer.from('+\r\n'), sent])));
  server.listen(join(dir, 'socket'));
  await once(server, 'listening');
  const socket = new RoomySocket(join(dir, 'socket'));
  const input = new Input(socket);
  assert.equal((await input.line(8)).toString(), '+');
  const pieces: Buffer[] = [];
  for await (const piece of input.rest()) {
    pieces.push(Buffer.from(piece));
    piece.fill(0);
  }
  assert.ok(Buffer.concat(pieces).equals(sent));
  assert.deepEqual(await socket.next(), { done: true, value: undefined });
  server.close();
});
