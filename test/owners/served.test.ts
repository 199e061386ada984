// What a writer does for whoever is at the other end of its connection: what a delivery does, no more.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { lockDescriptor } from '../../src/edge/lock.ts';
import { DeliveryPaths } from '../../src/owners/deliverypaths.ts';
import { frame } from '../../src/owners/frames.ts';
import { WriterLink } from '../../src/owners/link.ts';
import { MOST_NAMES, type Request } from '../../src/owners/protocol.ts';
import { Served } from '../../src/owners/served.ts';
import { socketPath } from '../support/oddwriter.ts';
import { until } from '../support/until.ts';

const NAME = '1700000000.M1P2Q3R0123456789abcdef.mx';
const OTHER = '1700000000.M1P2Q4R0123456789abcdef.mx';

interface Home {
  readonly home: string;
  readonly maildir: string;
  readonly link: WriterLink;
  readonly path: string;
  /** The last connection. */
  served(): Served;
}

/** A user's home with a Maildir and a secret, and a link to a writer for it. */
async function openHome(t: TestContext): Promise<Home> {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-served-'));
  t.after(() => rm(root, { recursive: true }));
  const home = join(root, 'alice');
  const maildir = join(home, 'Maildir');
  for (const name of ['tmp', 'new', 'cur']) await mkdir(join(maildir, name), { recursive: true });
  for (const path of [root, home, maildir]) await chmod(path, 0o700);
  await writeFile(join(home, 'secret'), 'secret');
  await writeFile(join(maildir, 'new', `${OTHER},S=1,W=1`), 'x');
  const path = await socketPath(t);
  const all: Served[] = [];
  const options = {
    uid: process.geteuid?.() ?? 0,
    paths: new DeliveryPaths([root]),
    lock: lockDescriptor,
    sweep: () => {},
  };
  const server = createServer((socket) => {
    socket.once('data', () => all.push(new Served(socket, options))); // the greeting
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const link = new WriterLink({ path, owner: { uid: 1, gid: 1 }, replyMs: 5000 });
  await link.begun;
  t.after(() => {
    link.end();
    server.close();
  });
  const served = () => {
    const last = all.at(-1);
    assert.ok(last !== undefined);
    return last;
  };
  return { home, maildir, link, path, served };
}

/** Everything below a directory, with what is in the files. */
function everythingIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => {
    const stats = statSync(join(directory, name));
    return `${name} ${stats.mode} ${stats.isFile() ? readFileSync(join(directory, name)) : ''}`;
  });
}

const batch = (from: string, to: string, more: object = {}): Request => ({
  call: 'perform',
  order: { jobs: [{ from, to, ...more }], syncsAtOnce: 1 },
});

const forbidden: readonly (readonly [string, (home: string) => Request])[] = [
  ['makes a file in a home', (home) => ({ call: 'create', path: `${home}/${NAME}` })],
  ['gives a file a name of its own', (home) => ({ call: 'create', path: `${home}/Maildir/tmp/x` })],
  ['makes a file in new/', (home) => ({ call: 'create', path: `${home}/Maildir/new/${NAME}` })],
  ['makes a file elsewhere', () => ({ call: 'create', path: `/tmp/${NAME}` })],
  ['leaves the roots', (home) => ({ call: 'create', path: `${home}/../../x/tmp/${NAME}` })],
  ['leaves a root by its name', (home) => ({ call: 'create', path: `${home}/../tmp/${NAME}` })],
  ['removes a file', (home) => ({ call: 'unlink', path: `${home}/secret` })],
  ['removes a message', (home) => ({ call: 'unlink', path: `${home}/Maildir/new/${OTHER},S=1,W=1` })],
  ['lists a home', (home) => ({ call: 'list', path: home, from: 0 })],
  ['lists tmp/', (home) => ({ call: 'list', path: `${home}/Maildir/tmp`, from: 0 })],
  ['asks about a file', (home) => ({ call: 'stat', path: `${home}/secret` })],
  ['asks about a file of the system', () => ({ call: 'stat', path: '/etc/passwd' })],
  ['makes a directory elsewhere', () => ({ call: 'mkdir', path: '/tmp/sealdir-forbidden' })],
  ['adds to a file', (home) => ({ call: 'append', path: `${home}/secret`, line: '1 1' })],
  ['adds a line', (home) => ({ call: 'append', path: `${home}/Maildir/maildirsize`, line: 'x' })],
  ['adds two lines', (home) => ({ call: 'append', path: `${home}/Maildir/maildirsize`, line: '1 1\n1 1' })],
  ['marks a home as a folder', (home) => ({ call: 'makeEmpty', path: `${home}/maildirfolder` })],
  ['marks a Maildir', (home) => ({ call: 'makeEmpty', path: `${home}/Maildir/maildirfolder` })],
  ['marks what is no folder', (home) => ({ call: 'makeEmpty', path: `${home}/Maildir/new/maildirfolder` })],
  ['makes another empty file', (home) => ({ call: 'makeEmpty', path: `${home}/.ssh/authorized_keys` })],
  ['makes an empty file of a file', (home) => ({ call: 'makeEmpty', path: `${home}/secret` })],
  ['makes an empty file elsewhere', () => ({ call: 'makeEmpty', path: '/tmp/.x/maildirfolder' })],
  ['leaves a folder', (home) => ({ call: 'makeEmpty', path: `${home}/Maildir/../.x/maildirfolder` })],
  ['asks for no path', () => ({ call: 'list', path: 1 as unknown as string, from: 0 })],
  ['asks for what there is not', () => ({ call: 'chmod' }) as unknown as Request],
];
for (const [what, request] of forbidden) {
  test(`whoever ${what} is refused, and nothing has changed`, async (t) => {
    const { home, maildir, link } = await openHome(t);
    await writeFile(join(maildir, 'maildirsize'), '1S\n');
    const before = everythingIn(home);
    await assert.rejects(
      link.request(request(home)),
      /nothing that a delivery touches|not made|no such call/,
    );
    assert.deepEqual(everythingIn(home), before);
  });
}

const batches: readonly (readonly [string, (home: string) => Request])[] = [
  ['a secret', (home) => batch(`${home}/secret`, `${home}/Maildir/new/${NAME},S=1,W=1`)],
  [
    'a file of somebody else',
    (home) => batch(`${home}/Maildir/tmp/${OTHER}`, `${home}/Maildir/new/${OTHER},S=2,W=2`),
  ],
  [
    'a new file out of its Maildir',
    (home) => batch(`${home}/Maildir/tmp/${NAME}`, `${home}/x`, { mode: 0o6755, bytes: 1 }),
  ],
  [
    'a new file to another name',
    (home) => batch(`${home}/Maildir/tmp/${NAME}`, `${home}/Maildir/new/x,S=1,W=1`, { mode: 0, bytes: 1 }),
  ],
  [
    'a new file over a message',
    (home) =>
      batch(`${home}/Maildir/tmp/${OTHER}`, `${home}/Maildir/new/${OTHER},S=1,W=1`, { mode: 0, bytes: 1 }),
  ],
];
for (const [what, request] of batches) {
  test(`whoever renames ${what} is refused, and nothing has changed`, async (t) => {
    const { home, link } = await openHome(t);
    const before = everythingIn(home);
    const done = (await link.request(request(home), [Buffer.from('y')])) as {
      answers: { message: string }[];
    };
    assert.match(done.answers[0]?.message ?? '', /nothing that a delivery touches|not made|is there already/);
    assert.deepEqual(everythingIn(home), before);
  });
}

test('a delivery does what it needs, and its file is for its user alone, whatever mode is asked for', async (t) => {
  const { home, maildir, link } = await openHome(t);
  const [from, to] = [join(maildir, 'tmp', NAME), join(maildir, 'new', `${NAME},S=1,W=1`)];
  await link.request(batch(from, to, { mode: 0o6777, bytes: 1 }), [Buffer.from('y')]);
  assert.equal(statSync(to).mode & 0o7777, 0o600);
  await link.request({ call: 'unlink', path: to }); // a delivery that is given up
  const file = (await link.request({ call: 'create', path: from })) as number;
  await link.request({ call: 'writev', file }, [Buffer.from('z')]);
  await link.request({ call: 'sync', file });
  await link.request({ call: 'close', file });
  await link.request(batch(from, to));
  assert.equal(readFileSync(to, 'utf8'), 'z');
  await link.request({ call: 'mkdir', path: join(home, 'other') });
  await link.request({ call: 'syncDirectory', path: home });
  await link.request({ call: 'stat', path: to });
  await link.request({ call: 'stat', path: home });
  assert.deepEqual(
    ((await link.request({ call: 'list', path: join(maildir, 'new'), from: 0 })) as string[]).sort(),
    [`${NAME},S=1,W=1`, `${OTHER},S=1,W=1`],
  );
});

test('a folder is made like a Maildir, with a mark, and of a Maildir only the folders are listed', async (t) => {
  const { home, maildir, link } = await openHome(t);
  const folder = join(maildir, '.Lists.a');
  for (const name of ['', 'tmp', 'new', 'cur'])
    await link.request({ call: 'mkdir', path: join(folder, name) });
  const mark = join(folder, 'maildirfolder');
  await link.request({ call: 'makeEmpty', path: mark });
  assert.deepEqual([statSync(mark).mode & 0o7777, statSync(mark).size], [0o600, 0]);
  await assert.rejects(link.request({ call: 'makeEmpty', path: mark }), { code: 'EEXIST' });
  const [from, to] = [join(folder, 'tmp', NAME), join(folder, 'new', `${NAME},S=1,W=1`)];
  await link.request(batch(from, to, { mode: 0o600, bytes: 1 }), [Buffer.from('y')]);
  assert.equal(readFileSync(to, 'utf8'), 'y');
  await mkdir(join(maildir, '.private'));
  await mkdir(join(maildir, 'also private'));
  await writeFile(join(maildir, '.netrc'), '');
  assert.deepEqual(await link.request({ call: 'list', path: maildir, from: 0 }), ['.Lists.a']);
  for (const path of [home, join(home, 'none'), join(maildir, '.private')])
    await assert.rejects(link.request({ call: 'list', path, from: 0 }), { code: 'ENOENT' });
});

test('a mark does not go where a link leads', async (t) => {
  const { home, maildir, link } = await openHome(t);
  await mkdir(join(maildir, '.a'));
  await symlink(join(home, 'made'), join(maildir, '.a/maildirfolder'));
  const request: Request = { call: 'makeEmpty', path: join(maildir, '.a/maildirfolder') };
  await assert.rejects(link.request(request), { code: 'EEXIST' });
  assert.deepEqual((await readdir(home)).sort(), ['Maildir', 'secret']);
});

test('a mailbox with many messages is listed in parts', async (t) => {
  const { maildir, link } = await openHome(t);
  const long = 'ü'.repeat(120);
  for (let n = 0; n < 100; n++) await writeFile(join(maildir, 'cur', `${n}${long}`), '');
  const names: string[] = [];
  for (;;) {
    const request: Request = { call: 'list', path: join(maildir, 'cur'), from: names.length };
    const some = (await link.request(request)) as string[];
    assert.ok(some.length <= MOST_NAMES);
    if (some.length === 0) break;
    names.push(...some);
  }
  assert.deepEqual(names.sort(), (await readdir(join(maildir, 'cur'))).sort());
});

test('a file that is made while its connection ends is gone, and not left open', async (t) => {
  const { maildir, path } = await openHome(t);
  for (let n = 0; n < 20; n++) {
    const name = NAME.replace('Q3', `Q${n}`);
    const socket: Socket = connect(path);
    socket.write('greeting');
    await new Promise((resolve) => socket.once('data', resolve));
    socket.end(Buffer.concat(frame({ id: 1, call: 'create', path: join(maildir, 'tmp', name) })));
    await new Promise((resolve) => socket.once('close', resolve));
  }
  await until('nothing is left', () => readdirSync(join(maildir, 'tmp')).length === 0);
  await until('nothing is open', () =>
    readdirSync('/proc/self/fd').every((fd) => !targetOf(fd).startsWith(maildir)),
  );
});

function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ''; // that of the list itself
  }
}

test('a writer that is told to end answers what is under way, refuses what comes then, and ends', async (t) => {
  const { maildir, link, served } = await openHome(t);
  const [from, to] = [join(maildir, 'tmp', NAME), join(maildir, 'new', `${NAME},S=1,W=1`)];
  const before = link.request({ call: 'stat', path: join(maildir, 'new') });
  await link.request({ call: 'create', path: from });
  served().end();
  const later = link.request(batch(from, to));
  await before;
  await assert.rejects(later);
  assert.equal((await link.ended).message, 'the writer has ended');
  await until('tmp/ is empty', () => readdirSync(join(maildir, 'tmp')).length === 0);
});
