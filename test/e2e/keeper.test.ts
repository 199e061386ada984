// The keeper of the keys of a real server: keys that are exchanged by hand, and what may become of the keeper
// itself. Mail goes on in each case.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { hashOf } from '../../src/keylog/entry.ts';
import { CLI } from '../support/child.ts';
import { HungMount, needsHungMount } from '../support/hungmount.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { isLong, shortOf, testLong } from '../support/long.ts';
import { armorOf, gpgDecrypt } from '../support/openpgp-programs.ts';
import { needs } from '../support/peers.ts';
import { childrenWith } from '../support/proc.ts';
import { type Running, run, start } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { repositoryRoot } from '../support/shared.ts';
import { makeKey, readSealed } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
const [OLD, NEW, BOBS] = [await makeKey(ALICE), await makeKey(ALICE), await makeKey(BOB)];
const KEYS = { [ALICE]: OLD.certificate, [BOB]: BOBS.certificate };
const MESSAGE = Buffer.from('Subject: x\r\n\r\nx\r\n');
const FILE = 'alice@example.com.asc';

async function send(socketPath: string, to = BOB): Promise<string> {
  const session = await openSession(socketPath);
  const { rcpt, final } = await deliver(session, { to: [to], message: MESSAGE });
  await session.vanish();
  return final[0] ?? rcpt[0] ?? '';
}

/** As root would exchange a key. */
async function exchange(directory: string, certificate: string): Promise<void> {
  await writeFile(join(directory, 'incoming'), certificate);
  await rename(join(directory, 'incoming'), join(directory, 'keys', FILE));
}

const mailOf = async (directory: string, user: string) => {
  const folder = join(directory, 'mail/example.com', user, 'new');
  const names = await readdir(folder).catch(() => []);
  return Promise.all(names.map((name) => readFile(join(folder, name))));
};

const hasLooked = (output: string) => /"msg":"keys"/.test(output);

async function startAt(directory: string, options = {}): Promise<Running> {
  const config = join(directory, 'sealdir.toml');
  await writeFile(config, tomlFor(directory, options));
  return start(process.execPath, [CLI, 'serve', '-c', config], { ready: hasLooked });
}

/** The keeper's process. */
function keeperOf(server: Pick<Running, 'pid'>): number {
  return childrenWith(server.pid, 'keyprocess.js')[0] ?? 0;
}

async function verified(directory: string, ...more: string[]) {
  const args = [CLI, 'key', 'log', '-c', join(directory, 'sealdir.toml'), ...more];
  const { code, stdout, stderr } = await run(process.execPath, args);
  return { code, text: `${stdout}${stderr}` };
}

for (const processes of isLong ? [1, 2] : [2])
  test(`a key exchanged by hand is logged while a server of ${processes} runs and while it does not; its owner can read of it`, {
    timeout: 480_000,
    ...needs('gpg'),
  }, async () => {
    const directory = await makeSite(KEYS);
    let server = await startAt(directory, { toml: { processes } });
    try {
      await exchange(directory, NEW.certificate);
      await until('the first notice is there', async () => (await mailOf(directory, 'alice')).length === 1);
      const [notice = Buffer.alloc(0)] = await mailOf(directory, 'alice');
      const secretKeyFile = join(directory, 'old.asc');
      await writeFile(secretKeyFile, OLD.secretKey, { mode: 0o600 });
      const text = (await gpgDecrypt(secretKeyFile, armorOf(notice))).toString();
      await writeFile(secretKeyFile, NEW.secretKey);
      await assert.rejects(gpgDecrypt(secretKeyFile, armorOf(notice)), /No secret key|decryption failed/i);
      const [, head = ''] = /--verify --head ([0-9a-f]{64})/.exec(text) ?? [];

      assert.match(server.output(), new RegExp(`"event":"changed".*"head":"${head}"`));
      const metrics = `http://${/"metrics":"([^"]+)"/.exec(server.output())?.[1]}/metrics`;
      const scraped = async () => (await fetch(metrics)).text();
      await until('/metrics counts it', async () => /^sealdir_key_changes_total 1$/m.test(await scraped()));
      assert.match(await scraped(), /^sealdir_keys\{state="valid"\} 2$/m);
      assert.match(await scraped(), /^sealdir_key_log_entries 3$/m);
      assert.doesNotMatch(await scraped(), /^sealdir_key_expiry_timestamp_seconds /m, 'no key ends');

      assert.equal(await server.stop(), 0);
      await exchange(directory, OLD.certificate);
      server = await startAt(directory, { toml: { processes } });
      await until('the second notice is there', async () => (await mailOf(directory, 'alice')).length === 2);
      const both = await mailOf(directory, 'alice');
      const second = both.find((each) => !each.equals(notice)) ?? notice;
      assert.match((await readSealed(second, NEW)).toString(), /has changed/);
      await assert.rejects(readSealed(second, OLD));
      const { code, text: verdict } = await verified(directory, '--verify', '--head', head);
      assert.equal(code, 0, verdict);
      assert.match(verdict, /^4 entries, unbroken; entry 3 has the hash/);
      assert.match(await send(join(directory, 'lmtp.sock')), /^250 2\.0\.0 /);
    } finally {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    }
  });

testLong(
  'a log that was edited is found out, by its lines or by a head from a notice; so is one that was cut',
  async () => {
    const directory = await makeSite(KEYS);
    const server = await startAt(directory);
    try {
      await exchange(directory, NEW.certificate);
      await until('the notice is there', async () => (await mailOf(directory, 'alice')).length === 1);
      await server.stop();
      const [notice = Buffer.alloc(0)] = await mailOf(directory, 'alice');
      const [, head = ''] = /--head ([0-9a-f]{64})/.exec((await readSealed(notice, OLD)).toString()) ?? [];
      const path = join(directory, 'keystate/key.log');
      const [one = '', two = '', three = ''] = (await readFile(path, 'utf8')).split('\n');
      const hidden = JSON.stringify({ ...JSON.parse(three), event: 'first-look' });
      const cases = [
        [[one, two, three], /unbroken/, /entry 3 has the hash/],
        [[one, two], /^2 entries, unbroken/, /no entry has the hash/],
        [[one, two, hidden], /^3 entries, unbroken/, /no entry has the hash/],
        [[one.replace('.com', '.org'), two, three], /line 2 does not continue line 1/, /line 2 does not/],
        [[two, one, three], /line 1 has lines missing before it/, /line 1/],
        [[one, three], /line 2 does not continue line 1/, /line 2/],
      ] as const;
      for (const [lines, plain, headed] of shortOf(cases, 2)) {
        await writeFile(path, `${lines.join('\n')}\n`);
        for (const [more, wanted] of [
          [[], plain],
          [['--head', head], headed],
        ] as const) {
          const { code, text } = await verified(directory, '--verify', ...more);
          assert.match(text, wanted);
          assert.equal(code, /unbroken/.test(text) ? 0 : 1, text);
        }
      }
      await writeFile(path, `${one}\n${two}\n${three}\n`);
      assert.equal(hashOf(three), head);
      const example = await readFile(join(repositoryRoot(), 'README.md'), 'utf8');
      const [, shown = '', output = ''] =
        /^\$ sealdir key log (--verify .*)\n([\s\S]*?)```/m.exec(example) ?? [];
      const wanted = (text: string) => text.replaceAll(/[0-9a-f]{64}/g, head);
      const as = await verified(directory, ...wanted(shown).split(' '));
      assert.equal(as.text, wanted(output), 'README shows what it prints');
      const printed = await verified(directory, 'ALICE@example.com');
      assert.match(
        printed.text,
        /^\d+ {2}\S+ {2}first-look {2}alice@example\.com {2}[0-9A-F]{40} {2}directory\n3 /,
      );
      const [json = ''] = (await verified(directory, '--json', ALICE)).text.trimEnd().split('\n').slice(-1);
      assert.equal(JSON.parse(json).hash, head);
    } finally {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    }
  },
);

testLong(
  'F37: a keeper that dies is started again, and mail goes on (250 2.0.0)',
  {
    timeout: 240_000,
  },
  async () => {
    const directory = await makeSite(KEYS);
    const server = await startAt(directory);
    try {
      const first = keeperOf(server);
      process.kill(first, 'SIGKILL');
      assert.match(await send(join(directory, 'lmtp.sock')), /^250 2\.0\.0 /);
      await exchange(directory, NEW.certificate);
      await until('another one has told', async () => (await mailOf(directory, 'alice')).length === 1);
      assert.notEqual(keeperOf(server), first);
      assert.match(server.output(), /the keeper of the keys died, starting it again/);
      assert.equal(await server.stop(), 0);
    } finally {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    }
  },
);

testLong(
  'a change by `key add` and `key remove` is logged once, with who made it, and its owner is told',
  {
    timeout: 240_000,
  },
  async () => {
    const directory = await makeSite(KEYS);
    const server = await startAt(directory);
    try {
      const config = join(directory, 'sealdir.toml');
      const file = join(directory, 'new.asc');
      await writeFile(file, NEW.certificate);
      const add = ['key', 'add', '-c', config, '--yes', '--as', 'alice@example.com', file];
      assert.equal((await run(process.execPath, [CLI, ...add])).code, 0);
      await until('the owner is told', async () => (await mailOf(directory, 'alice')).length === 1);
      const [notice = Buffer.alloc(0)] = await mailOf(directory, 'alice');
      assert.match((await readSealed(notice, OLD)).toString(), /key add/);
      const remove = ['key', 'remove', '-c', config, '--yes', 'alice@example.com'];
      assert.equal((await run(process.execPath, [CLI, ...remove])).code, 0);
      await until('the owner is told again', async () => (await mailOf(directory, 'alice')).length === 2);
      const log = await run(process.execPath, [
        CLI,
        'key',
        'log',
        '-c',
        config,
        '--json',
        'alice@example.com',
      ]);
      const entries = log.stdout
        .toString()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { event: string; by: { how: string; uid?: number } });
      const uid = process.getuid?.();
      assert.deepEqual(
        entries.map(({ event, by }) => [event, by.how, by.uid]),
        [
          ['first-look', 'directory', undefined],
          ['changed', 'key add', uid],
          ['went', 'key remove', uid],
        ],
      );
      assert.match((await verified(directory, '--verify')).text, /unbroken/);
    } finally {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    }
  },
);

testLong('a keeper ends with its server, however that ends', { timeout: 240_000 }, async () => {
  const directory = await makeSite(KEYS);
  const server = await startAt(directory);
  try {
    const keeper = keeperOf(server);
    server.signal('SIGKILL');
    await server.ended;
    await until('the keeper has ended', () => {
      try {
        return readFileSync(`/proc/${keeper}/stat`, 'latin1').includes(') Z ');
      } catch {
        return true;
      }
    });
  } finally {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
});

testLong('after a reload the keeper looks with the new settings', { timeout: 240_000 }, async () => {
  const directory = await makeSite(KEYS);
  const server = await startAt(directory);
  try {
    await mkdir(join(directory, 'others'));
    await copyFile(join(directory, 'keys', `${BOB}.asc`), join(directory, 'others', `${BOB}.asc`));
    await writeFile(join(directory, 'others', FILE), NEW.certificate);
    const config = join(directory, 'sealdir.toml');
    const toml = await readFile(config, 'utf8');
    await writeFile(config, toml.replace('/keys"', '/others"'));
    server.signal('SIGHUP');
    await until('the other key is told of', async () => (await mailOf(directory, 'alice')).length === 1);
    assert.doesNotMatch(server.output(), /died/);
  } finally {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
});

testLong(
  'a directory that is put in the place of the key directory is noticed',
  {
    timeout: 240_000,
  },
  async () => {
    const directory = await makeSite(KEYS);
    const server = await startAt(directory);
    try {
      const [keys, others] = [join(directory, 'keys'), join(directory, 'others')];
      await mkdir(others);
      await copyFile(join(keys, `${BOB}.asc`), join(others, `${BOB}.asc`));
      await writeFile(join(others, FILE), NEW.certificate);
      await rename(keys, join(directory, 'aside'));
      await rename(others, keys);
      await until('it is told', async () => (await mailOf(directory, 'alice')).length === 1, 30_000);
    } finally {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    }
  },
);

const UNFIT = [
  ['in the way', (path: string) => writeFile(path, 'a file\n')],
  ['open to all', (path: string) => mkdir(path).then(() => run('chmod', ['777', path]))],
] as const;

for (const [what, prepare] of shortOf(UNFIT, 1))
  test(`F38: with something ${what} where keys.state should be, mail goes on (250 2.0.0), and log and check say so`, async () => {
    const directory = await makeSite(KEYS);
    await prepare(join(directory, 'keystate'));
    const config = join(directory, 'sealdir.toml');
    await writeFile(config, tomlFor(directory));
    const says =
      /"error":"[^"]*keystate (is no directory|can be written by others)".*keys\.state: changes of keys are not noticed/;
    const server = await start(process.execPath, [CLI, 'serve', '-c', config], {
      ready: (out) => says.test(out),
    });
    try {
      assert.match(await send(join(directory, 'lmtp.sock')), /^250 2\.0\.0 /);
      const { stdout } = await run(process.execPath, [CLI, 'check', '-c', config]);
      assert.match(
        stdout.toString(),
        /^error: keys\.state: .*\n +why: changes of keys are not noticed, and nobody is told/m,
      );
      assert.equal(await server.stop(), 0);
    } finally {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    }
  });

testLong(
  'F38: two servers with one keys.state: the second says so, and delivers (250 2.0.0)',
  {
    timeout: 240_000,
  },
  async () => {
    const [one, two] = [await makeSite(KEYS), await makeSite(KEYS)];
    const first = await startAt(one);
    const config = join(two, 'sealdir.toml');
    await writeFile(config, tomlFor(two).replace(join(two, 'keystate'), join(one, 'keystate')));
    const says = /is in use by another server \(give each its own keys\.state\)/;
    const second = await start(process.execPath, [CLI, 'serve', '-c', config], {
      ready: (out) => says.test(out),
    });
    try {
      assert.match(await send(join(two, 'lmtp.sock')), /^250 2\.0\.0 /);
    } finally {
      await second.stop();
      await first.stop();
      for (const directory of [one, two]) await rm(directory, { recursive: true, force: true });
    }
  },
);

describe('a key directory that hangs', await needsHungMount(), () => {
  testLong(
    'F39: under the keeper: mail goes on (250 2.0.0), no key has gone, and the keeper ends with its server',
    {
      timeout: 480_000,
    },
    async () => {
      const directory = await makeSite();
      const mount = await HungMount.open(join(directory, 'keys'));
      let server: Running | undefined;
      try {
        for (const [address, bytes] of Object.entries(KEYS))
          await writeFile(join(directory, 'keys', `${address}.asc`), bytes);
        server = await startAt(directory);
        const socketPath = join(directory, 'lmtp.sock');
        assert.match(await send(socketPath), /^250 2\.0\.0 /);
        const before = await readFile(join(directory, 'keystate/key.log'), 'utf8');
        mount.hang();
        const { pid } = server;
        const first = keeperOf(server);
        process.kill(first, 'SIGKILL'); // the next one meets a directory that hangs
        assert.match(await send(socketPath), /^250 2\.0\.0 /);
        await until('another keeper hangs there', () => {
          const next = keeperOf({ pid });
          return (
            next !== 0 &&
            next !== first &&
            /fuse|request_wait/.test(readFileSync(`/proc/${next}/wchan`, 'latin1'))
          );
        });
        assert.match(await send(socketPath), /^250 2\.0\.0 /);
        assert.equal(await readFile(join(directory, 'keystate/key.log'), 'utf8'), before);
        server.signal('SIGTERM');
        const { output } = server;
        await until('it has stopped', () => output().includes('"msg":"stopped"'));
        await until('its keeper, too', () => keeperOf({ pid }) === 0);
        await mount.close(); // a process with a look-up that waits there does not end before
        assert.equal(await server.ended, 0);
      } finally {
        await mount.close();
        await server?.stop();
        await rm(directory, { recursive: true, force: true });
      }
    },
  );
});
