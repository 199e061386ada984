// `store.seal_folders` beside a real Dovecot: what clients put into folders is sealed soon after, under the
// same UID, and a client that is logged in goes on.

import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ImapFlow } from 'imapflow';
import { needsUnits, startUnit } from '../support/asunit.ts';
import { CLI } from '../support/child.ts';
import { type Dovecot, startDovecotImap } from '../support/dovecot.ts';
import { isLong, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { type Running, run, start } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { complaints, connectClient } from '../support/storedmail.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
const CAROL = 'carol@example.com';

describe('store.seal_folders beside Dovecot', { ...needs('dovecot'), timeout: 900_000 }, () => {
  let directory = '';
  let dovecot: Dovecot;
  let server: Running;
  let key: TestKey;
  const maildir = (address: string, ...names: string[]) =>
    join(directory, 'mail', ...address.split('@').reverse(), ...names);

  before(async () => {
    key = await makeKey(ALICE);
    const lapsed = await makeKey(BOB, { date: new Date(Date.now() - 86_400_000), expiresAfter: 60 });
    directory = await makeSite({
      [ALICE]: key.certificate,
      [BOB]: lapsed.certificate,
      [CAROL]: key.certificate,
    });
    for (const name of ['state', 'keystate']) await mkdir(join(directory, name), { mode: 0o700 });
    await writeFile(join(directory, 'secret'), key.secretKey);
    await configure('seal_folders = ["Sent", "Drafts"]\nseal_drafts_after = "8s"');
    dovecot = await startDovecotImap({ dir: directory, maildir: `${directory}/mail/%d/%n` });
    await dovecot.adopt(directory);
    const without = await connectClient(dovecot.port, BOB);
    await without.mailboxCreate('Sent');
    await without.append('Sent', text('bob'));
    await without.logout();
    server = await serve();
  });
  after(async () => {
    await server?.stop();
    await dovecot?.stop();
    await rm(directory, { recursive: true });
  });

  test('a message in Sent is sealed within seconds, and the client that put it there goes on', async () => {
    const client = await connectClient(dovecot.port, ALICE);
    await client.mailboxCreate('Sent');
    await restarted(); // the folder is new, and the next sweep is minutes away
    const lock = await client.getMailboxLock('Sent');
    const date = new Date('2019-03-04T05:06:07Z');
    const first = await client.append('Sent', text('one'), ['\\Seen', '$Mine'], date);
    const begun = Date.now();
    await sealed(ALICE, '.Sent', 1);
    assert.ok(Date.now() - begun < 10_000, 'within seconds');
    const second = await client.append('Sent', text('two'), ['\\Seen']);
    await sealed(ALICE, '.Sent', 2);
    const seen = await fetched(client);
    assert.deepEqual([...seen.keys()], [uidOf(first), uidOf(second)]);
    for (const [uid, number] of [
      [uidOf(first), 'one'],
      [uidOf(second), 'two'],
    ] as const) {
      const source = seen.get(uid)?.source ?? Buffer.alloc(0);
      assert.match(String(await readSealed(source, key)), /^Sealed-In-Store: by mx\.example\.com;/m);
      assert.match(String(source), /^Subject: \[\.\.\.\]\r$/m);
      assert.ok((await original(source)).equals(text(number)));
    }
    assert.deepEqual(seen.get(uidOf(first))?.flags, ['$Mine', '\\Seen']);
    assert.equal(seen.get(uidOf(first))?.date, date.toISOString());
    lock.release();
    await client.logout();
    assert.deepEqual(complaints(dovecot.log()), []);
    assert.match(server.output(), /"address":"alice@example.com","folder":"Sent","messages":1/);
    assert.match(await metrics(), /sealdir_folder_messages_total\{result="sealed"\} 2/);
  });

  testLong(
    'a draft is left alone while it is edited, and sealed when nobody touches it any more',
    async () => {
      const client = await connectClient(dovecot.port, CAROL);
      await client.mailboxCreate('Drafts');
      await restarted();
      await client.mailboxOpen('Drafts');
      let last = await client.append('Drafts', text('draft 0'), ['\\Draft']);
      const begun = Date.now();
      for (let n = 1; Date.now() - begun < 12_000; n++) {
        const next = await client.append('Drafts', text(`draft ${n}`), ['\\Draft']);
        await client.messageDelete(`${uidOf(last)}`, { uid: true });
        last = next;
        const [only, ...others] = [...(await fetched(client)).values()];
        assert.equal(others.length, 0);
        assert.ok(only?.source.equals(text(`draft ${n}`)), 'in clear');
        await until('a second went by', () => Date.now() - begun > n * 1000);
      }
      await sealed(CAROL, '.Drafts', 1);
      const [[uid, draft]] = [...(await fetched(client))] as [[number, Seen]];
      assert.equal(uid, uidOf(last));
      assert.match(String(await original(draft.source)), /^X-Number: draft \d+\r\n/m);
      assert.match(String(draft.source), /^Subject: mine\r$/m, 'Thunderbird takes it from outside');
      assert.deepEqual(draft.flags, ['\\Draft']);
      await client.logout();
    },
  );

  testLong(
    'F44: what came while no process was there is found, and a kill at any moment loses nothing',
    async () => {
      const client = await connectClient(dovecot.port, ALICE);
      await server.stop();
      for (let n = 0; n < 40; n++) await client.append('Sent', text(`kill ${n}`), ['\\Seen']);
      server = await serve();
      for (let kills = 0; kills < 3; kills++) {
        const pid = await child();
        const before = await countSealed(ALICE, '.Sent');
        await until(
          'it works',
          async () =>
            (await readdir(maildir(ALICE, '.Sent/tmp'))).length > 0 ||
            (await countSealed(ALICE, '.Sent')) > before,
        );
        process.kill(pid, 'SIGKILL');
        await until('another one is there', async () => (await children()).some((each) => each !== pid));
        if ((await countSealed(ALICE, '.Sent')) === 42) break;
      }
      await sealed(ALICE, '.Sent', 42);
      await client.mailboxOpen('Sent');
      const numbers: string[] = [];
      for (const { source } of (await fetched(client)).values())
        numbers.push(/^X-Number: (.*)\r/m.exec(String(await readSealed(source, key)))?.[1] ?? '');
      assert.deepEqual(
        numbers.sort(),
        ['one', 'two', ...Array.from({ length: 40 }, (_, n) => `kill ${n}`)].sort(),
      );
      await client.logout();
      // a kill between the cache and its log: Dovecot notices, and makes the cache anew
      const mended = /Deleting corrupted cache: reset_id mismatch/;
      assert.deepEqual(
        complaints(dovecot.log()).filter((line) => !mended.test(line)),
        [],
      );
      assert.match(server.output(), /the process that seals folders died, starting it again/);
    },
  );

  test('a mailbox whose owner has no usable key is left, which is said once', async () => {
    const [name = ''] = await readdir(maildir(BOB, '.Sent/cur')).then((names) =>
      names.length > 0 ? names : readdir(maildir(BOB, '.Sent/new')),
    );
    const part = (await readdir(maildir(BOB, '.Sent/cur'))).length > 0 ? 'cur' : 'new';
    await until('it is said', () => server.output().includes('folder left in clear'));
    assert.equal(server.output().split('folder left in clear').length, 2);
    assert.match(
      server.output(),
      /"address":"bob@example.com","folder":"Sent","reasons":"no usable key: [^"]*expired/,
    );
    assert.doesNotMatch(await readFile(maildir(BOB, '.Sent', part, name), 'latin1'), /BEGIN PGP/);
    assert.match(await metrics(), /sealdir_folders_left_in_clear 1/);
  });

  testLong('the process ends with its server, however that ends', async () => {
    const pid = await child();
    server.signal('SIGKILL');
    await server.ended;
    await until('it has ended', () => !isAlive(pid));
    server = await serve();
    const second = await child();
    await server.stop();
    assert.ok(!isAlive(second));
  });

  function configure(store: string): Promise<void> {
    const rest = '[headers]\npolicy = "baseline"';
    return writeFile(join(directory, 'sealdir.toml'), tomlFor(directory, { toml: { store, rest } }));
  }

  /** What the client had put there. */
  async function original(source: Buffer): Promise<Buffer> {
    const args = ['open', '-k', join(directory, 'secret'), '--original'];
    const { code, stdout, stderr } = await run(process.execPath, [CLI, ...args], { stdin: source });
    assert.equal(code, 0, stderr);
    return stdout;
  }

  /** In the long form with no more rights than its unit gives it. */
  async function serve(): Promise<Running> {
    const { uid, gid } = await stat(join(directory, 'mail'));
    const args = ['serve', '-c', join(directory, 'sealdir.toml')];
    if (isLong && (await needsUnits()).skip === false) {
      const unit = { unit: 'sealdir.service', user: `${uid}:${gid}`, writable: [directory] };
      return startUnit({ ...unit, directory, args });
    }
    return start(process.execPath, [CLI, ...args], {
      uid,
      gid,
      ready: (output) => output.includes('"msg":"listening"'),
    });
  }

  /** The mark is of before the folder, so that the first sweep finds it. */
  async function restarted(): Promise<void> {
    await server.stop();
    await rm(join(directory, 'keystate/sealed-folders'), { force: true });
    server = await serve();
    await until('the first sweep is over', async () =>
      (await readdir(join(directory, 'keystate'))).includes('sealed-folders'),
    );
  }

  async function metrics(): Promise<string> {
    const [, url = ''] = /"metrics":"([^"]+)"/.exec(server.output()) ?? [];
    return (await fetch(url.startsWith('http') ? url : `http://${url}/metrics`)).text();
  }

  async function countSealed(address: string, folder: string): Promise<number> {
    let count = 0;
    for (const part of ['new', 'cur'])
      for (const name of await readdir(maildir(address, folder, part))) {
        const bytes = await readFile(maildir(address, folder, part, name)).catch(() => Buffer.alloc(0));
        if (bytes.includes('-----BEGIN PGP MESSAGE-----')) count += 1;
      }
    return count;
  }

  function sealed(address: string, folder: string, count: number): Promise<void> {
    return until(`${count} are sealed`, async () => (await countSealed(address, folder)) === count, 60_000);
  }

  async function children(): Promise<number[]> {
    const found: number[] = [];
    for (const name of (await readdir('/proc')).filter((each) => /^\d+$/.test(each))) {
      const line = await readFile(`/proc/${name}/cmdline`, 'latin1').catch(() => '');
      const status = await readFile(`/proc/${name}/status`, 'latin1').catch(() => '');
      if (line.includes('bundle/folderprocess.js') && status.includes(`\nPPid:\t${server.pid}\n`))
        found.push(Number(name));
    }
    return found;
  }

  async function child(): Promise<number> {
    await until('it is there', async () => (await children()).length === 1);
    return (await children())[0] ?? 0;
  }
});

describe('store.seal_folders with indexes elsewhere', { ...needs('dovecot'), timeout: 480_000 }, () => {
  testLong('folders are left until it is said where the indexes are, and a reload is enough', async () => {
    const key = await makeKey(ALICE);
    const directory = await makeSite({ [ALICE]: key.certificate });
    for (const name of ['state', 'keystate', 'index']) await mkdir(join(directory, name), { mode: 0o700 });
    const config = join(directory, 'sealdir.toml');
    const configure = (store: string) => writeFile(config, tomlFor(directory, { toml: { store } }));
    await configure('seal_folders = ["Sent"]');
    const dovecot = await startDovecotImap({
      dir: directory,
      maildir: `${directory}/mail/%d/%n:INDEX=${directory}/index/%d/%n`,
    });
    let server: Running | undefined;
    try {
      await dovecot.adopt(directory);
      const client = await connectClient(dovecot.port, ALICE);
      await client.mailboxCreate('Sent');
      const appended = await client.append('Sent', text('one'), ['\\Seen']);
      await client.mailboxOpen('Sent');
      await fetched(client);
      const { uid, gid } = await stat(join(directory, 'mail'));
      server = await start(process.execPath, [CLI, 'serve', '-c', config], {
        uid,
        gid,
        ready: (output) => /index is not in [^"]*\.Sent: store\.seal_index/.test(output),
      });
      assert.ok((await fetched(client)).get(uidOf(appended))?.source.equals(text('one')));
      await configure(`seal_folders = ["Sent"]\nseal_index = "${directory}/index/{domain}/{local}"`);
      server.signal('SIGHUP');
      const output = server.output;
      await until('it is sealed', () => output().includes('"msg":"folder sealed"'), 20_000);
      const [[number, { source }]] = [...(await fetched(client))] as [[number, Seen]];
      assert.equal(number, uidOf(appended));
      assert.ok((await readSealed(source, key)).equals(text('one')));
      await configure('');
      server.signal('SIGHUP');
      await until('it is told', () => output().split('configuration and keys reloaded').length === 3);
      await client.logout();
      assert.deepEqual(complaints(dovecot.log()), []);
    } finally {
      await server?.stop();
      await dovecot.stop();
      await rm(directory, { recursive: true });
    }
  });
});

interface Seen {
  readonly source: Buffer;
  readonly flags: readonly string[];
  readonly date: string;
}

async function fetched(client: ImapFlow): Promise<Map<number, Seen>> {
  await client.noop();
  const seen = new Map<number, Seen>();
  for await (const { uid, source, flags, internalDate } of client.fetch('1:*', {
    uid: true,
    source: true,
    flags: true,
    internalDate: true,
  }))
    seen.set(uid, {
      source: source ?? Buffer.alloc(0),
      flags: [...(flags ?? [])].filter((flag) => flag !== '\\Recent').sort(),
      date: new Date(internalDate ?? 0).toISOString(),
    });
  return seen;
}

function uidOf(appended: Awaited<ReturnType<ImapFlow['append']>>): number {
  return appended === false ? 0 : (appended.uid ?? 0);
}

function text(number: string): Buffer {
  return Buffer.from(
    `From: a@example.com\r\nSubject: mine\r\nX-Number: ${number}\r\n\r\n${'Some text.\r\n'.repeat(50)}`,
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
