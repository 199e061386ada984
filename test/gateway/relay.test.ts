// What passes between a client and the process of its user, and a client that does not read it.

import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { relay } from '../../src/gateway/relay.ts';
import { Input } from '../../src/imap/input.ts';

/** A side that says this, and then nothing until it is ended. It takes what comes only if `isReading`. */
function sideOf(says: string, isReading: boolean) {
  let heard = '';
  const stream = new Duplex({
    read() {},
    write(piece: Buffer, _, done) {
      if (!isReading) return;
      heard += piece.toString();
      done();
    },
    final(done) {
      this.push(null);
      done();
    },
  });
  stream.on('error', () => undefined);
  if (says !== '') stream.push(says);
  return { stream, heard: () => heard, side: { stream, input: new Input(stream) } };
}

test('each side is told what the other one says', async () => {
  const [client, user] = [sideOf('a NOOP\r\n', true), sideOf('a OK\r\n', true)];
  const ended = relay(client.side, user.side, 20);
  while (client.heard() === '' || user.heard() === '') await new Promise(setImmediate);
  await new Promise((resolve) => setTimeout(resolve, 60)); // nobody has to say anything
  assert.ok(!client.stream.destroyed);
  client.stream.push(null);
  await ended;
  assert.deepEqual([client.heard(), user.heard()], ['a OK\r\n', 'a NOOP\r\n']);
});

test('a client that reads nothing of what there is for it has its session ended', {
  timeout: 10_000,
}, async () => {
  const [client, user] = [sideOf('a FETCH\r\n', false), sideOf('* 1 FETCH\r\n', true)];
  await relay(client.side, user.side, 20);
  assert.ok(client.stream.destroyed && user.stream.destroyed);
});

test('a process that is slow to read does not have it ended', { timeout: 10_000 }, async () => {
  const [client, user] = [sideOf('a APPEND\r\n', true), sideOf('+ OK\r\n', false)];
  const ended = relay(client.side, user.side, 20);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(!client.stream.destroyed && !user.stream.destroyed);
  user.stream.push(null);
  await ended;
});
