// The parent of the writers, as its unit runs it, when writers do what their users want: they do not end, or
// end too early. And without a unit, where its directory is not root's.

import assert from 'node:assert/strict';
import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { WriterLink } from '../../src/owners/link.ts';
import { needsUnits, startUnit } from '../support/asunit.ts';
import { CLI } from '../support/child.ts';
import { testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { childPids } from '../support/proc.ts';
import { freeze, type Running, run, start } from '../support/process.ts';
import { until } from '../support/until.ts';

const SEALDIR = 64_000;
const ALICE = { uid: 64_001, gid: 64_001 };
const BOB = { uid: 64_002, gid: 64_002 };
/** With one process of a server. */
const MOST_OF_USER = 3;

/** What a process has open, as the kernel names it. */
function openIn(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
}

const configurationOf = (directory: string, socket: string, more = '') => `hostname = "mx.example.com"
processes = 1
store = { maildir = "${directory}/mail/{domain}/{local}", state = "${directory}/state" }
keys = { directory = "${directory}/keys" }
recipients = { roots = ["${directory}/home"] }
owners = { socket = "${socket}"${more} }
`;

const { skip } = await needsUnits();

describe('the parent of the writers', { skip }, () => {
  let directory = '';
  let owners: Running;
  const links: WriterLink[] = [];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-parent-'));
    await chmod(directory, 0o755);
    for (const name of ['home', 'run-owners', 'keys', 'mail']) await mkdir(join(directory, name));
    await mkdir(join(directory, 'home/alice/Maildir/new'), { recursive: true });
    await writeFile(join(directory, 'sealdir.toml'), configurationOf(directory, socket()));
    owners = await startUnit({
      unit: 'sealdir-owners.service',
      directory,
      args: ['owners', '-c', join(directory, 'sealdir.toml')],
      writable: [join(directory, 'home')],
      socket: { path: socket(), user: `${SEALDIR}:${SEALDIR}` },
    });
  });

  after(async () => {
    for (const link of links) link.end();
    await owners?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const socket = () => join(directory, 'run-owners/socket');

  function linkFor(owner: typeof ALICE): WriterLink {
    const link = new WriterLink({ path: socket(), owner, replyMs: 20_000 });
    links.push(link);
    return link;
  }

  /** Begins a writer, and returns its process. */
  async function begin(owner: typeof ALICE): Promise<{ link: WriterLink; pid: number }> {
    const known = childPids(owners.pid);
    const link = linkFor(owner);
    await link.begun;
    const [pid = 0] = childPids(owners.pid).filter((each) => !known.includes(each));
    return { link, pid };
  }

  const noneLeft = () => until('no writer is left', () => childPids(owners.pid).length === 0);

  test('a writer has its connection and nothing that leads to its parent, which has nothing of it', async () => {
    const idle = openIn(owners.pid).sort();
    const { link, pid } = await begin(ALICE);
    assert.equal(openIn(pid).filter((name) => name.startsWith('socket:')).length, 1);
    assert.deepEqual(openIn(owners.pid).sort(), idle);
    link.end();
    await noneLeft();
  });

  test('nothing is written as the user that may connect', async () => {
    await assert.rejects(linkFor({ uid: SEALDIR, gid: SEALDIR }).begun, /user 64000 is who connects here/);
  });

  test('a writer has few threads', async () => {
    const { link, pid } = await begin(ALICE);
    assert.ok(readdirSync(`/proc/${pid}/task`).length < 25);
    link.end();
    await noneLeft();
  });

  test('writers that do not end are counted, and end when their user needs more of them', async () => {
    const stopped: number[] = [];
    for (let n = 0; n < MOST_OF_USER; n++) {
      const { link, pid } = await begin(ALICE);
      await freeze(pid);
      link.end(); // it does not hear of it
      stopped.push(pid);
    }
    await assert.rejects(linkFor(ALICE).begun, /user 64001 has 3 writers already/);
    await (await begin(BOB)).link.request({ call: 'isDirectory', path: join(directory, 'home') });
    await until('the oldest has ended', () => !childPids(owners.pid).includes(stopped[0] ?? 0));
    const { link } = await begin(ALICE);
    assert.equal(await link.request({ call: 'isDirectory', path: join(directory, 'home') }), true);
    for (const pid of stopped.slice(1)) process.kill(pid, 'SIGKILL');
    for (const each of links) each.end();
    await noneLeft();
  });

  test('a writer that ends before it has begun is told of at once, and nothing of it stays open', async () => {
    const idle = openIn(owners.pid).sort();
    for (let n = 0; n < 3; n++) {
      const link = linkFor(ALICE);
      await until('it is there', () => childPids(owners.pid).length > 0);
      for (const pid of childPids(owners.pid)) process.kill(pid, 'SIGKILL');
      await assert.rejects(link.begun, /the writer has ended/);
      await noneLeft();
    }
    assert.deepEqual(openIn(owners.pid).sort(), idle);
  });

  test(
    'a parent with no descriptor left for a writer says so, and goes on later',
    needs('prlimit'),
    async () => {
      const limit = async (most: number) => {
        const { code } = await run('prlimit', ['--pid', `${owners.pid}`, `--nofile=${most}:16384`]);
        assert.equal(code, 0);
      };
      const open = readdirSync(`/proc/${owners.pid}/fd`).map(Number);
      // one is for the connection: a writer takes two more, for a moment
      const free = Array.from({ length: open.length + 2 }, (_, fd) => fd).filter((fd) => !open.includes(fd));
      await limit((free[1] ?? 0) + 1);
      await assert.rejects(linkFor(ALICE).begun, /no writer could be started/);
      await limit(16_384);
      const { link } = await begin(ALICE);
      link.end();
      await noneLeft();
    },
  );

  testLong('a parent that is stopped does not wait for a writer that is kept busy', async () => {
    const { link, pid } = await begin(ALICE);
    let isOver = false;
    const busy = async () => {
      while (!isOver) await link.request({ call: 'isDirectory', path: join(directory, 'home') });
    };
    const all = Promise.allSettled([busy(), busy(), busy()]);
    const stopping = performance.now();
    assert.equal(await owners.stop(), 0);
    assert.ok(performance.now() - stopping < 5000);
    await until('its writer has ended', () => link.hasEnded && !readdirSync('/proc').includes(`${pid}`));
    isOver = true;
    await all;
  });
});

describe('sealdir owners without systemd', needs('root'), () => {
  let directory = '';

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-parent-'));
    for (const name of ['run', 'own', 'open', 'keys', 'mail', 'home']) await mkdir(join(directory, name));
    await chown(join(directory, 'own'), SEALDIR, SEALDIR);
    await chmod(join(directory, 'open'), 0o775);
  });

  after(() => rm(directory, { recursive: true }));

  async function argsFor(name: string, more: string): Promise<string[]> {
    const file = join(directory, `${name}.toml`);
    await writeFile(file, configurationOf(directory, join(directory, name, 'socket'), more));
    return ['owners', '-c', file];
  }

  const refused: readonly (readonly [string, string, RegExp])[] = [
    ['own', `, user = ${SEALDIR}`, /own belongs to user 64000, not to user 0/],
    ['open', `, user = ${SEALDIR}`, /open has to belong to root, and nobody else may write to it/],
    ['run', '', /set owners\.user, or let systemd pass the socket/],
  ];
  for (const [name, more, reason] of refused) {
    test(`no socket is made in a directory that others have a hand in, or for nobody (${name})`, async () => {
      const { code, stderr } = await run(process.execPath, [CLI, ...(await argsFor(name, more))]);
      assert.equal(code, 78);
      assert.match(stderr, reason);
      assert.deepEqual(readdirSync(join(directory, name)), []);
    });
  }

  test('in a directory of root, the socket belongs to the user of the settings alone', async () => {
    const args = await argsFor('run', `, user = ${SEALDIR}`);
    const ready = (output: string) => output.includes('"msg":"listening"');
    const owners = await start(process.execPath, [CLI, ...args], { ready });
    const { uid, gid, mode } = statSync(join(directory, 'run/socket'));
    assert.deepEqual([uid, gid, mode & 0o777], [SEALDIR, 0, 0o600]);
    await owners.stop();
  });
});
