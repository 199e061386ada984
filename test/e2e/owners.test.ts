// Mail that belongs to the users of the system, in their homes: the server and those who write for it run as
// their units run them, without a right that the units do not give.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { needsUnits, startUnit, statusOf } from '../support/asunit.ts';
import { examples } from '../support/examples.ts';
import { HungMount, needsHungMount } from '../support/hungmount.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { testLong } from '../support/long.ts';
import { childPids } from '../support/proc.ts';
import type { Running } from '../support/process.ts';
import { makeSite } from '../support/sealdir.ts';
import { makeKey, readSealed } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const SEALDIR = 64_000;
/** Each has the group of the same number. */
const USERS = {
  alice: 64_001,
  bob: 64_002,
  carol: 64_003,
  linked: 64_004,
  foreign: 64_005,
  shared: 64_006,
  hung: 64_007,
};
type User = keyof typeof USERS;
const NAMES = Object.keys(USERS) as User[];
/** Each is another message: one that comes again is not stored again. */
const small = () => Buffer.from(`Subject: ${randomUUID()}\r\n\r\nsmall\r\n`);
const LARGE = Buffer.from(`Subject: x\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(10_000)}`);

/** The example of README, with the paths of the test. */
function exampleOf(directory: string): string {
  const [found = ''] = examples().filter((text) => text.includes('sealdir-owners/socket'));
  assert.match(found, /source = "passwd"/);
  return found
    .replace('/run/sealdir-owners', `${directory}/run-owners`)
    .replace('"/home"', `"${directory}/home"`);
}

const { skip } = await needsUnits();
const { skip: noHungMount } = await needsHungMount();

describe('files that belong to users', { skip: skip || noHungMount }, () => {
  let directory = '';
  let owners: Running;
  let server: Running;
  let hung: HungMount;
  const key = makeKey('alice@example.com');

  before(async () => {
    const { certificate } = await key;
    directory = await makeSite(Object.fromEntries(NAMES.map((name) => [`${name}@example.com`, certificate])));
    for (const name of ['home', 'run', 'state', 'run-owners', 'elsewhere'])
      await mkdir(join(directory, name));
    await chmod(join(directory, 'home'), 0o711); // as on systems where users do not see each other
    for (const name of ['run', 'state', 'mail', 'keys', 'run-owners'])
      await chown(join(directory, name), SEALDIR, SEALDIR);
    for (const name of NAMES) await makeHome(name);
    hung = await HungMount.open(join(directory, 'home/hung'));
    await chown(join(directory, 'home/hung'), USERS.hung, USERS.hung);
    await writeFile(join(directory, 'passwd'), passwd());
    await writeFile(join(directory, 'sealdir.toml'), configuration());
    const bind = [`${join(directory, 'passwd')}:/etc/passwd`];
    const args = ['-c', join(directory, 'sealdir.toml')];
    owners = await startUnit({
      unit: 'sealdir-owners.service',
      directory,
      args: ['owners', ...args],
      writable: [join(directory, 'home')],
      socket: { path: join(directory, 'run-owners/socket'), user: `${SEALDIR}:${SEALDIR}` },
    });
    server = await startUnit({
      unit: 'sealdir.service',
      directory,
      args: ['serve', ...args],
      user: `${SEALDIR}:${SEALDIR}`,
      writable: ['run', 'state', 'mail'].map((name) => join(directory, name)),
      bind,
    });
  });

  after(async () => {
    await hung?.close();
    await server?.stop();
    await owners?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function makeHome(name: User): Promise<void> {
    const home = join(directory, 'home', name);
    await mkdir(home, { mode: 0o700 });
    await chown(home, USERS[name], USERS[name]);
    if (name === 'shared') await chmod(home, 0o770);
    if (name === 'foreign') await chown(home, USERS.alice, USERS.alice);
    if (name !== 'linked') return;
    await rm(home, { recursive: true });
    await symlink('alice', home);
    const { lchown } = await import('node:fs/promises');
    await lchown(home, USERS.linked, USERS.linked);
  }

  function passwd(): string {
    const lines = NAMES.map(
      (name) => `${name}:x:${USERS[name]}:${USERS[name]}::${directory}/home/${name}:/bin/sh`,
    );
    return `${readFileSync('/etc/passwd', 'utf8').trimEnd()}\n${lines.join('\n')}\n`;
  }

  const configuration = () => `hostname = "mx.example.com"
processes = 2
lmtp = { listen = ["${directory}/run/lmtp.sock"], stall_timeout = "1s", transaction_timeout = "4s" }
store = { maildir = "${directory}/mail/{domain}/{local}", state = "${directory}/state/s", duplicates = "1h", maildirsize = true }
keys = { directory = "${directory}/keys" }
folders = { rules = ["header X-Spam-Flag is YES -> Junk"] }
metrics = { listen = "off" }
${exampleOf(directory)}`;

  /** A line of the log may reach us a moment after the reply. */
  const logged = (words: RegExp) => until(`${words} in the log`, () => words.test(server.output()));

  async function send(to: readonly User[], message: Buffer): Promise<string[]> {
    const session = await openSession(join(directory, 'run/lmtp.sock'));
    try {
      const { rcpt, final } = await deliver(session, {
        to: to.map((name) => `${name}@example.com`),
        message,
      });
      return [...rcpt.filter((reply) => !reply.startsWith('250')), ...final];
    } finally {
      await session.vanish();
    }
  }

  const inbox = (name: User) => join(directory, 'home', name, 'Maildir/new');

  test('three users get a small and a large message, in files of their own that nobody else can read', async () => {
    const messages = [small(), LARGE];
    for (const message of messages) {
      const replies = await send(['alice', 'bob', 'carol'], message);
      assert.deepEqual(
        replies.map((reply) => reply.slice(0, 9)),
        Array(3).fill('250 2.0.0'),
      );
    }
    for (const name of ['alice', 'bob', 'carol'] as const) {
      const files = await readdir(inbox(name));
      assert.equal(files.length, 2);
      for (const path of [
        join(inbox(name), '..'),
        inbox(name),
        ...files.map((file) => join(inbox(name), file)),
      ]) {
        const { uid, gid, mode } = statSync(path);
        assert.deepEqual([uid, gid, mode & 0o077], [USERS[name], USERS[name], 0], path);
      }
      assert.deepEqual(await readdir(join(inbox(name), '../tmp')), []);
      const opened = await Promise.all(
        files.map(async (file) => readSealed(await readFile(join(inbox(name), file)), await key)),
      );
      assert.deepEqual(
        opened.map(({ length }) => length).sort(),
        messages.map(({ length }) => length).sort(),
      );
    }
  });

  test('a message that comes again is stored once', async () => {
    const message = Buffer.from('Subject: again\r\n\r\nx\r\n');
    const before = (await readdir(inbox('bob'))).length;
    assert.match((await send(['bob'], message)).join(), /^250 2\.0\.0 Sealed /);
    assert.match((await send(['bob'], message)).join(), /^250 2\.0\.0 Sealed before/);
    assert.equal((await readdir(inbox('bob'))).length, before + 1);
  });

  test('the size of a message is noted in the maildirsize of its owner', async () => {
    const path = join(inbox('carol'), '../maildirsize');
    await writeFile(path, '1000000S\n');
    await chown(path, USERS.carol, USERS.carol);
    await send(['carol'], small());
    await until('it is noted', async () => /^1000000S\n\d+ 1\n$/.test(await readFile(path, 'utf8')));
  });

  test('a folder of a rule belongs to its user, and counts in the maildirsize of the Maildir', async () => {
    const message = Buffer.from(`X-Spam-Flag: YES\r\n\r\n${randomUUID()}\r\n`);
    assert.match((await send(['carol'], message)).join(), /^250 2\.0\.0 Sealed /);
    assert.match((await send(['carol'], message)).join(), /^250 2\.0\.0 Sealed before/);
    const folder = join(inbox('carol'), '../.Junk');
    const [file = ''] = await readdir(join(folder, 'new'));
    assert.deepEqual(await readdir(join(folder, 'tmp')), []);
    for (const path of ['.', 'tmp', 'new', 'cur', 'maildirfolder', `new/${file}`]) {
      const { uid, gid, mode } = statSync(join(folder, path));
      assert.deepEqual([uid, gid, mode & 0o077], [USERS.carol, USERS.carol, 0], path);
    }
    assert.ok((await readSealed(await readFile(join(folder, 'new', file)), await key)).equals(message));
    const [, size = ''] = /,S=(\d+),/.exec(file) ?? [];
    const sizes = join(folder, '../maildirsize');
    await until('it is noted', async () => (await readFile(sizes, 'utf8')).endsWith(`\n${size} 1\n`));
  });

  test('F33: a folder that is a link of its user defers them, and nothing is made where it leads', async () => {
    const maildir = join(inbox('bob'), '..');
    await mkdir(join(directory, 'elsewhere/junk'), { recursive: true });
    await chown(join(directory, 'elsewhere/junk'), USERS.bob, USERS.bob);
    await symlink(join(directory, 'elsewhere/junk'), join(maildir, '.Junk'));
    const { lchown } = await import('node:fs/promises');
    await lchown(join(maildir, '.Junk'), USERS.bob, USERS.bob);
    const message = Buffer.from(`X-Spam-Flag: YES\r\n\r\n${randomUUID()}\r\n`);
    assert.match((await send(['bob'], message)).join(), /^451 4\.3\.0/);
    await logged(/\.Junk is a symbolic link/);
    assert.deepEqual(await readdir(join(directory, 'elsewhere/junk')), []);
  });

  const refused: readonly (readonly [User, RegExp])[] = [
    ['linked', /home\/linked is a symbolic link/],
    ['foreign', /home\/foreign belongs to user 64001, not to user 64005/],
    ['shared', /home\/shared is writable by its group/],
  ];
  for (const [name, reason] of refused) {
    test(`F33: a home that is not its user's alone (${name}) defers them alone, with the reason in the log`, async () => {
      const [own = '', other = ''] = await send([name, 'carol'], small());
      assert.match(own, /^451 4\.3\.0/);
      assert.match(other, /^250/);
      await logged(reason);
    });
  }

  testLong('F33: a home on a disk that hangs defers its user, and nobody else notices', async () => {
    hung.hang();
    const slow = send(['hung'], small());
    const begun = performance.now();
    for (let n = 0; n < 20; n++) assert.match((await send(['alice'], small())).join(), /^250/);
    assert.ok(performance.now() - begun < 2000);
    assert.match((await slow).join(), /^451/);
    hung.resume();
  });

  test('only the parent can become somebody else, and no writer can become anybody', async () => {
    await send(['alice'], small());
    assert.equal(statusOf(owners.pid, 'CapEff'), '00000000000000e0'); // kill, setgid and setuid
    assert.equal(statusOf(server.pid, 'CapEff'), '0000000000000000');
    const children = childPids(owners.pid);
    const uids = children.map((pid) => statusOf(pid, 'Uid').split('\t')[0]);
    assert.ok(uids.includes(`${USERS.alice}`), uids.join());
    for (const pid of children) {
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
        assert.equal(statusOf(pid, set), '0000000000000000');
      assert.equal(statusOf(pid, 'Groups').trim(), '');
      assert.equal(statusOf(pid, 'NoNewPrivs'), '1');
    }
  });

  testLong('a writer that dies in the middle defers, and the next message begins another', async () => {
    await send(['carol'], small());
    const own = childPids(owners.pid).find((pid) => statusOf(pid, 'Uid').startsWith(`${USERS.carol}\t`));
    assert.ok(own !== undefined);
    process.kill(own, 'SIGKILL');
    await until('it is gone', () => !childPids(owners.pid).includes(own));
    await until('another one writes', async () => (await send(['carol'], small())).join().startsWith('250'));
  });

  testLong('writers end when they have had nothing to do', async () => {
    await until('all are gone', () => childPids(owners.pid).length === 0, 40_000);
  });
});
