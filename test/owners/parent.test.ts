// What the parent of the writers takes from a server, and what it refuses.

import assert from 'node:assert/strict';
import { chown } from 'node:fs/promises';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { frame } from '../../src/owners/frames.ts';
import { WriterLink } from '../../src/owners/link.ts';
import { Owners } from '../../src/owners/parent.ts';
import { socketPath } from '../support/oddwriter.ts';
import { needs } from '../support/peers.ts';

async function startOwners(t: TestContext): Promise<string> {
  const path = await socketPath(t);
  const owners = new Owners({
    socket: path,
    minUid: 1000,
    minGid: 100,
    mostWriters: 0,
    mostOfUser: 1,
    roots: ['/home'],
    say: () => {},
  });
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
  ['nobody', { uid: 65_534, gid: 1000 }, /65534 is nobody/],
  ['nogroup', { uid: 1000, gid: 65_534 }, /65534 is nobody/],
  ['-1 of 16 bits', { uid: 65_535, gid: 1000 }, /65535 is nobody/],
  ['more than Node takes', { uid: 2_147_483_648, gid: 1000 }, /the highest number that Node takes/],
  ['a number below zero', { uid: -1, gid: 1000 }, /not a greeting/],
  ['a fraction', { uid: 1000.5, gid: 1000 }, /not a greeting/],
  ['a text', { uid: '1000', gid: 1000 }, /not a greeting/],
  ['nothing', {}, /not a greeting/],
  ['more users than there may be writers', { uid: 1000, gid: 1000 }, /0 writers are at work already/],
];
for (const [what, owner, reason] of refusals) {
  test(`the parent refuses ${what}, and says so`, async (t) => {
    const path = await startOwners(t);
    const link = new WriterLink({ path, owner: owner as { uid: number; gid: number }, replyMs: 5000 });
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

test('the parent refuses to write as the user that its socket is for', needs('root'), async (t) => {
  const path = await startOwners(t);
  await chown(path, 64_000, 64_000);
  const link = new WriterLink({ path, owner: { uid: 64_000, gid: 64_000 }, replyMs: 5000 });
  await assert.rejects(link.begun, /user 64000 is who connects here/);
});
