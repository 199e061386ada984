// A writer does what its user likes: it takes nothing from the server, and nobody but its user has less mail.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Disk } from '../../src/disk/disk.ts';
import { realWorld } from '../../src/edge/world.ts';
import { CurrentLink, WriterLink } from '../../src/owners/link.ts';
import { openOwnedDisk } from '../../src/owners/owneddisk.ts';
import { WriterCalls } from '../../src/owners/writercalls.ts';
import { type Answer, reply, socketPath, startOdd } from '../support/oddwriter.ts';

const OWNER = { uid: 1000, gid: 1000 };

function diskOn(t: TestContext, path: string): Disk {
  const disk = openOwnedDisk({ path, owner: OWNER, hungMs: 1000, world: realWorld('mx.example.com') });
  t.after(() => disk.close());
  return disk;
}

function deliver(disk: Disk, name = 'x'): Promise<number> {
  return disk.deliver(`/a/tmp/${name}`, `/a/new/${name}`, 0o600, [Buffer.from('x')], () => true);
}

const result =
  (value: unknown): Answer =>
  (socket, { id }) =>
    reply(socket, { id, result: value });
const trouble =
  (value: unknown): Answer =>
  (socket, { id }) =>
    reply(socket, { id, trouble: value });
const one = (answer: unknown, fsyncMs: unknown = 1) => result({ answers: [answer], fsyncMs });
/** The first bytes of a frame. */
function prefix(length: number): Buffer {
  const bytes = Buffer.alloc(9, ' ');
  bytes.writeUInt32BE(length, 0);
  bytes.writeUInt32BE(length, 4);
  return bytes;
}

const oddities: readonly (readonly [string, Answer])[] = [
  ['garbage', (socket) => void socket.write('x'.repeat(1000))],
  ['a frame without end', (socket) => void socket.write(Buffer.alloc(8, 255))],
  ['a frame that will be long', (socket) => void socket.write(prefix(65_537))],
  ['another id', (socket) => reply(socket, { id: 77, result: true })],
  ['an id that is none', (socket) => reply(socket, { id: 'x', result: true })],
  ['no object', (socket) => reply(socket, null)],
  ['no result', (socket, { id }) => reply(socket, { id })],
  ['nothing of an answer', result(null)],
  ['fewer answers', result({ answers: [] })],
  ['answers that are none', one(null)],
  ['a time before it began', one(-1e300)],
  ['a time of years', one(1e300)],
  ['the message of an answer that is no text', one({ message: { toString: 0 } })],
  ['trouble without words', trouble(null)],
  ['a message of trouble that is no text', trouble({ message: { toString: 0, valueOf: 0 } })],
  ['an end', (socket) => void socket.end()],
];
for (const [what, answer] of oddities) {
  test(`a writer that answers with ${what} has not stored anything`, async (t) => {
    const { path } = await startOdd(t, answer);
    const disk = diskOn(t, path);
    await assert.rejects(deliver(disk));
    await assert.rejects(disk.find('/a', () => true));
    await assert.rejects(disk.stat('/a'));
    await assert.rejects(disk.create('/a/tmp/y', 0o600));
  });
}

test('what a writer says of an error is short, and nothing but words', async (t) => {
  const long = { message: 'm'.repeat(60_000), code: 'ENOSPC', errno: -28, syscall: 'write' };
  for (const answer of [trouble(long), one(long)]) {
    const { path } = await startOdd(t, answer);
    const error = await deliver(diskOn(t, path)).catch((failure: unknown) => failure);
    const { message, code, errno, syscall } = error as NodeJS.ErrnoException;
    assert.deepEqual([message, code, errno, syscall], ['m'.repeat(300), 'ENOSPC', -28, 'write']);
  }
  const { path } = await startOdd(t, trouble({ message: 'm', code: 'x\ny', errno: 1.5, syscall: {} }));
  const error = await deliver(diskOn(t, path)).catch((failure: unknown) => failure);
  assert.deepEqual(Object.keys(error as object), []);
});

test('a writer that never ends its reply, or gives none, is waited for only so long', async (t) => {
  for (const answer of [() => {}, (socket: Socket) => void socket.write(prefix(60_000))]) {
    const { path } = await startOdd(t, answer);
    const link = new WriterLink({ path, owner: OWNER, replyMs: 100 });
    await assert.rejects(link.request({ call: 'stat', path: '/a' }), /the writer does not answer/);
    assert.equal((await link.ended).message, 'the writer does not answer');
  }
});

test('a writer that greets and says more in one go is given up, and the next one is begun', async (t) => {
  let isOdd = true;
  const odd = await startOdd(t, one(1), (socket) => {
    reply(socket, { id: 0, result: true });
    if (isOdd) reply(socket, { id: 99, result: true });
    isOdd = false;
  });
  const disk = diskOn(t, odd.path);
  await assert.rejects(deliver(disk));
  assert.equal(await deliver(disk), 1);
});

test('a writer that begins and ends each time is not begun again and again for one message', async (t) => {
  const odd = await startOdd(
    t,
    () => {},
    (socket) => {
      reply(socket, { id: 0, result: true });
      socket.end();
    },
  );
  await assert.rejects(deliver(diskOn(t, odd.path)));
  assert.equal(odd.links(), 1);
});

test('a file that could not be removed does not keep its link', async (t) => {
  const { path } = await startOdd(t, (socket, { id, call }) =>
    reply(socket, call === 'create' ? { id, result: 1 } : { id, trouble: { message: 'no', code: 'EIO' } }),
  );
  const current = new CurrentLink({ path, owner: OWNER, replyMs: 5000 });
  t.after(() => current.end());
  const { calls } = new WriterCalls(current);
  await calls.create('/a/tmp/x', 0o600);
  const link = current.get();
  assert.equal(link.unfinished.size, 1);
  await assert.rejects(calls.unlink('/a/tmp/x'), { code: 'EIO' });
  assert.equal(link.unfinished.size, 0);
});

test('names are asked for a few at a time, until the one is found or all are seen', async (t) => {
  const names = Array.from({ length: 95 }, (_, n) => `name${n}`);
  const asked: number[] = [];
  const { path } = await startOdd(t, (socket, request) => {
    const { id, from } = request as unknown as { readonly id: number; readonly from: number };
    asked.push(from);
    reply(socket, { id, result: names.slice(from, from + 40) });
  });
  const disk = diskOn(t, path);
  assert.equal(await disk.find('/a/new', (name) => name === 'name45'), 'name45');
  assert.equal(await disk.find('/a/new', (name) => name === 'x'), undefined);
  assert.deepEqual(asked, [0, 40, 0, 40, 80, 95]);
});

test('without the socket every call fails, with its name in the reason', async (t) => {
  const disk = diskOn(t, await socketPath(t));
  await assert.rejects(disk.stat('/'), /owners\.socket: connect ENOENT/);
  await assert.rejects(deliver(disk), /owners\.socket/);
});
