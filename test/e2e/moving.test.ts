// What README says about backups, about moving to another host, and about several hosts on one store, done
// with its own commands: nothing that was acknowledged is lost, and what is remembered of keys goes along.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CLI } from '../support/child.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { type Running, run, start } from '../support/process.ts';
import { repositoryRoot } from '../support/shared.ts';
import { makeKey, readSealed } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const KEY = await makeKey(ALICE);
const README = readFileSync(join(repositoryRoot(), 'README.md'), 'utf8');

/** The commands of the block under a heading that has these words. */
function commandsUnder(heading: string): string {
  const section = README.slice(README.indexOf(`### ${heading}\n`));
  return /```sh\n([\s\S]*?)```/.exec(section)?.[1] ?? '';
}

/** Runs commands of README on hosts that are directories. What systemd does is left to the test. */
async function follow(commands: string, host: string, other: string): Promise<void> {
  const script = commands
    .split('\n')
    .filter((line) => !/^systemctl|^apt-get/.test(line))
    .join('\n')
    .replaceAll(/(?<= )\/(?=\{)/g, `${host}/./`)
    .replaceAll(/(?<= )\/(?=var|run|$)/gm, `${host}/`)
    .replaceAll(/(?:backup|new):\/(?:srv\/sealdir\/)?/g, `${other}/`)
    .replaceAll('sealdir:', `${process.getuid?.()}:${process.getgid?.()}`);
  assert.match(script, /rsync/);
  const { code, stderr } = await run('bash', ['-euc', script]);
  // 24: a file has vanished, as files of tmp/ do while the server delivers
  assert.ok(code === 0 || code === 24, `${code} ${stderr}\n${script}`);
}

/** As the package lays it out, below a directory. */
async function layOut(host: string): Promise<void> {
  for (const directory of ['etc/sealdir/keys', 'var/lib/sealdir', 'var/mail/sealdir', 'run/sealdir'])
    await mkdir(join(host, directory), { recursive: true });
  await writeFile(join(host, 'etc/sealdir/keys', `${ALICE}.asc`), KEY.certificate);
}

/** `host`: where its own files are; `store`: where mail and keys are. */
async function serve(host: string, store = host): Promise<Running> {
  const config = join(host, 'sealdir.toml');
  await writeFile(
    config,
    `processes = 1
[lmtp]
listen = ["${host}/lmtp.sock"]
[store]
maildir = "${store}/var/mail/sealdir/{domain}/{local}"
state = "${host}/run/sealdir/state"
[keys]
directory = "${store}/etc/sealdir/keys"
state = "${host}/var/lib/sealdir"
[metrics]
listen = "off"
`,
  );
  const ready = (output: string) => /"msg":"listening"/.test(output) && /"msg":"keys"/.test(output);
  return start(process.execPath, [CLI, 'serve', '-c', config], { ready });
}

async function send(host: string, ...subjects: string[]): Promise<string[]> {
  const session = await openSession(join(host, 'lmtp.sock'));
  const replies: string[] = [];
  for (const subject of subjects) {
    const message = Buffer.from(`Subject: ${subject}\r\n\r\n${subject}\r\n`);
    replies.push(...(await deliver(session, { to: [ALICE], message })).final);
  }
  await session.vanish();
  return replies;
}

/** The subjects of all messages in new/, each opened. */
async function mailOf(host: string): Promise<string[]> {
  const directory = join(host, 'var/mail/sealdir/example.com/alice/new');
  const subjects: string[] = [];
  for (const name of await readdir(directory)) {
    const opened = await readSealed(await readFile(join(directory, name)), KEY);
    subjects.push(/^Subject: (.*?)\r?$/m.exec(opened.toString())?.[1] ?? '');
  }
  return subjects.sort();
}

async function keyLog(host: string): Promise<string> {
  const args = [CLI, 'key', 'log', '-c', join(host, 'sealdir.toml'), '--verify'];
  return (await run(process.execPath, args)).stdout.toString();
}

const numbered = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name}${n}`);

test(
  'a backup is made while mail arrives; what was acknowledged before is restored, keys log and all, and mail goes on',
  needs('rsync'),
  async () => {
    const [host, copy] = [
      await mkdtemp(join(tmpdir(), 'sealdir-')),
      await mkdtemp(join(tmpdir(), 'sealdir-')),
    ];
    await layOut(host);
    let server = await serve(host);
    try {
      const before = numbered('before', 5);
      assert.ok((await send(host, ...before)).every((reply) => reply.startsWith('250')));
      const [backup = '', restore = ''] = commandsUnder('Backup and restore').split(/(?=^systemctl stop)/m);
      const [replies] = await Promise.all([
        send(host, ...numbered('during', 30)),
        follow(backup, host, copy),
      ]);
      assert.ok(replies.every((reply) => reply.startsWith('250')));
      await server.stop();
      const log = await keyLog(host);
      for (const lost of ['etc', 'var']) await rm(join(host, lost), { recursive: true });
      for (const kept of ['etc', 'var/lib', 'var/mail']) await mkdir(join(host, kept), { recursive: true });
      await follow(restore, host, copy);
      assert.deepEqual(
        await readdir(join(host, 'run/sealdir')),
        [],
        'nothing is taken for delivered that is not there',
      );
      server = await serve(host);
      const [again = ''] = await send(host, 'before0');
      assert.match(again, /^250 2\.0\.0 Sealed [0-9a-f]/);
      const mail = await mailOf(host);
      assert.deepEqual(
        before.filter((subject) => !mail.includes(subject)),
        [],
      );
      assert.equal(mail.filter((subject) => subject === 'before0').length, 2);
      assert.equal(await keyLog(host), log);
      assert.doesNotMatch(server.output(), /key change|key notice/);
    } finally {
      await server.stop();
      for (const directory of [host, copy]) await rm(directory, { recursive: true, force: true });
    }
  },
);

testLong(
  'a server moves to another host: what was acknowledged is there once, and nobody is told of a change of keys',
  needs('rsync'),
  async () => {
    const [old, fresh] = [
      await mkdtemp(join(tmpdir(), 'sealdir-')),
      await mkdtemp(join(tmpdir(), 'sealdir-')),
    ];
    await layOut(old);
    await layOut(fresh);
    let server = await serve(old);
    try {
      const [first = '', last = ''] = commandsUnder('Move to another host').split(/(?=^systemctl stop)/m);
      await send(old, ...numbered('before', 5));
      const [replies] = await Promise.all([send(old, ...numbered('during', 30)), follow(first, old, fresh)]);
      assert.ok(replies.every((reply) => reply.startsWith('250')));
      await server.stop();
      await follow(last.split(/^# on the new/m)[0] ?? '', old, fresh);
      server = await serve(fresh);
      const log = await keyLog(fresh);
      await send(fresh, 'after');
      assert.deepEqual(
        await mailOf(fresh),
        ['after', ...numbered('before', 5), ...numbered('during', 30)].sort(),
      );
      assert.match(log, /^1 entries, unbroken|^2 entries, unbroken/);
      assert.equal(await keyLog(fresh), await keyLog(old));
      assert.doesNotMatch(server.output(), /key change|key notice/);
    } finally {
      await server.stop();
      for (const directory of [old, fresh]) await rm(directory, { recursive: true, force: true });
    }
  },
);

testLong(
  'two servers deliver into one store at one time, and no message is lost; only a message that is sent again to the other comes twice',
  async () => {
    const [one, other] = [
      await mkdtemp(join(tmpdir(), 'sealdir-')),
      await mkdtemp(join(tmpdir(), 'sealdir-')),
    ];
    await layOut(one);
    await layOut(other);
    const servers = await Promise.all([serve(one), serve(other, one)]);
    try {
      const subjects = [numbered('one', 40), numbered('other', 40)] as const;
      const replies = await Promise.all([send(one, ...subjects[0]), send(other, ...subjects[1])]);
      assert.ok(
        replies.flat().every((reply) => reply.startsWith('250')),
        replies.join(),
      );
      assert.match((await send(one, 'one0')).join(), /Sealed before/);
      assert.doesNotMatch((await send(other, 'one0')).join(), /Sealed before/);
      assert.deepEqual(await mailOf(one), [...subjects.flat(), 'one0'].sort());
    } finally {
      for (const server of servers) await server.stop();
      for (const directory of [one, other]) await rm(directory, { recursive: true, force: true });
    }
  },
);
