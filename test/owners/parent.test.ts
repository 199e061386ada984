// What the parent of the writers takes, and a link to a writer that is not what it should be.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { realWorld } from '../../src/edge/world.ts';
import { FrameReader, frame } from '../../src/owners/frames.ts';
import { WriterLink } from '../../src/owners/link.ts';
import { openOwnedDisk } from '../../src/owners/owneddisk.ts';
import { Owners } from '../../src/owners/parent.ts';

async function socketPath(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-owners-'));
  t.after(() => rm(directory, { recursive: true }));
  return join(directory, 'socket');
}

async function startOwners(t: TestContext): Promise<string> {
  const path = await socketPath(t);
  const owners = new Owners({ minUid: 1000, minGid: 100, mostWriters: 0, log: () => {} });
  t.after(() => owners.close());
  await new Promise<void>((resolve) => owners.server.listen(path, resolve));
  return path;
}

const refusals: readonly (readonly [string, object, RegExp])[] = [
  ['root', { uid: 0, gid: 1000 }, /user 0 is below owners\.min_uid, 1000/],
  ['a user of the system', { uid: 999, gid: 1000 }, /user 999 is below/],
  ['the group of root', { uid: 1000, gid: 0 }, /group 0 is below owners\.min_gid, 100/],
  ['a group of the system', { uid: 1000, gid: 99 }, /group 99 is below/],
  ['-1, which setuid(2) takes for "as before"', { uid: 4_294_967_295, gid: 1000 }, /not a greeting/],
  ['a number below zero', { uid: -1, gid: 1000 }, /not a greeting/],
  ['a fraction', { uid: 1000.5, gid: 1000 }, /not a greeting/],
  ['a text', { uid: '1000', gid: 1000 }, /not a greeting/],
  ['nothing', {}, /not a greeting/],
  ['more users than there may be writers', { uid: 1000, gid: 1000 }, /0 writers are at work already/],
];
for (const [what, owner, reason] of refusals) {
  test(`the parent refuses ${what}, and says so`, async (t) => {
    const path = await startOwners(t);
    const link = new WriterLink({ path, owner: owner as { uid: number; gid: number } }, () => {});
    await assert.rejects(link.begun, reason);
    await assert.rejects(link.request({ call: 'stat', path: '/' }));
  });
}

test('what is no greeting, or a long one, ends the connection', async (t) => {
  const path = await startOwners(t);
  for (const bytes of [
    Buffer.from('GET / HTTP/1.0\r\n\r\n'),
    Buffer.alloc(1000),
    ...[frame({ x: 'x'.repeat(200) })].map((each) => Buffer.concat(each)),
  ]) {
    const socket = connect(path);
    socket.write(bytes);
    socket.resume();
    await new Promise((resolve) => socket.once('close', resolve));
  }
});

/** A writer that its user has in their hands. */
async function startOdd(t: TestContext, answer: (socket: Socket, id: number) => void): Promise<string> {
  const path = await socketPath(t);
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    const reader = new FrameReader(10_000_000);
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      for (const { head } of reader.update(bytes)) {
        const { id } = head as { readonly id?: number };
        if (id === undefined) socket.write(Buffer.concat(frame({ id: 0, result: true })));
        else answer(socket, id);
      }
    });
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return path;
}

const reply = (head: unknown) => (socket: Socket) => void socket.write(Buffer.concat(frame(head)));
const oddities: readonly (readonly [string, (socket: Socket, id: number) => void])[] = [
  ['garbage', (socket) => void socket.write('x'.repeat(1000))],
  ['a frame without end', (socket) => void socket.write(Buffer.alloc(8, 255))],
  ['another id', reply({ id: 77, result: true })],
  ['no result', (socket, id) => reply({ id })(socket)],
  ['nothing of an answer', (socket, id) => reply({ id, result: null })(socket)],
  ['fewer answers', (socket, id) => reply({ id, result: { answers: [] } })(socket)],
  ['answers that are none', (socket, id) => reply({ id, result: { answers: [null] } })(socket)],
  ['trouble without words', (socket, id) => reply({ id, trouble: null })(socket)],
  ['an end', (socket) => void socket.end()],
];
for (const [what, answer] of oddities) {
  test(`a writer that answers with ${what} has not stored anything`, async (t) => {
    const path = await startOdd(t, answer);
    const world = realWorld('mx.example.com');
    const disk = openOwnedDisk({ path, owner: { uid: 1000, gid: 1000 }, hungMs: 1000, world });
    t.after(() => disk.close());
    await assert.rejects(disk.deliver('/a/tmp/x', '/a/new/x', 0o600, [Buffer.from('x')], () => true));
    await assert.rejects(disk.list('/a'));
    await assert.rejects(disk.stat('/a'));
    await assert.rejects(disk.create('/a/tmp/y', 0o600));
  });
}

test('without the socket every call fails, with its name in the reason', async (t) => {
  const path = await socketPath(t);
  const world = realWorld('mx.example.com');
  const disk = openOwnedDisk({ path, owner: { uid: 1000, gid: 1000 }, hungMs: 1000, world });
  t.after(() => disk.close());
  await assert.rejects(disk.stat('/'), /owners\.socket: connect ENOENT/);
  await assert.rejects(
    disk.deliver('/a', '/b', 0o600, [], () => true),
    /owners\.socket/,
  );
});
