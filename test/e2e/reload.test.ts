// SIGHUP and the server as a process: what changes and for whom, what needs a restart, and that a bad
// configuration changes nothing and is reported by the log and /metrics.

import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ChildServer, startChild } from '../support/child.ts';
import { connectLmtp, deliver, openSession } from '../support/lmtp.ts';
import { Load } from '../support/load.ts';
import { isLong, testLong } from '../support/long.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const KEY = await makeKey(ALICE);
const MESSAGE = Buffer.from('Subject: x\r\n\r\nx\r\n');

const configOf = (server: ChildServer) => join(server.directory, 'sealdir.toml');

/** Changes the configuration, sends SIGHUP, and returns the log lines up to the one that ends the reload. */
async function reload(server: ChildServer, change: (toml: string) => string): Promise<string> {
  await writeFile(configOf(server), change(await readFile(configOf(server), 'utf8')));
  const before = server.process.output().length;
  const lines = () => server.process.output().slice(before);
  server.process.signal('SIGHUP');
  await until('it is written down', () => /"configuration (and keys reloaded|refused)/.test(lines()));
  return lines();
}

async function refusedReload(server: ChildServer): Promise<number> {
  const text = await (await fetch(`${server.metrics()}/metrics`)).text();
  return Number(/^sealdir_reload_refused (\d)$/m.exec(text)?.[1]);
}

/** The message size that the reply to LHLO announces. */
async function announcedSize(server: ChildServer): Promise<number> {
  const client = await connectLmtp(server.socketPath);
  await client.reply();
  const reply = await client.say('LHLO x');
  await client.vanish();
  return Number(/SIZE (\d+)/.exec(reply)?.[1]);
}

for (const processes of isLong ? [1, 2] : [2]) {
  test(`${processes} process(es): reloads under load fail no delivery`, {
    timeout: 240_000,
  }, async () => {
    const server = await startChild({ keys: { [ALICE]: KEY.certificate }, toml: { processes } });
    try {
      const load = new Load(server.socketPath, ALICE, 4);
      const reloads = async () => {
        for (let n = 0; n < (isLong ? 20 : 3); n += 1) {
          const before = load.acknowledged;
          await reload(server, (toml) => toml);
          await until('mail flows', () => load.acknowledged > before);
        }
      };
      await reloads().finally(() => load.end());
      const { tries, acknowledged } = await load.end();
      assert.equal(tries, acknowledged.length);
    } finally {
      await server.stop();
    }
  });

  const name = processes === 1 ? 'one process' : 'two workers';

  test(`${name}: after SIGHUP the settings that can change count for new connections and new transactions`, {
    timeout: 240_000,
  }, async () => {
    const server = await startChild({
      keys: { [ALICE]: KEY.certificate },
      toml: { processes, lmtp: 'max_message_size = "1MiB"' },
    });
    try {
      const old = await openSession(server.socketPath);
      const busy = await openSession(server.socketPath);
      for (const line of ['MAIL FROM:<>', `RCPT TO:<${ALICE}>`, 'DATA']) await busy.say(line);
      assert.equal(await announcedSize(server), 1024 * 1024);
      // another key directory, in which alice has no key and bob has one
      const keys = join(server.directory, 'keys2');
      await mkdir(keys);
      await writeFile(join(keys, 'bob@example.com.asc'), KEY.certificate);
      const lines = await reload(server, (toml) =>
        toml
          .replace('"1MiB"', '"2KiB"')
          .replace('/keys"', '/keys2"')
          .replace(/^processes = \d/m, 'processes = 5')
          .concat('[log]\nlevel = "error"\n'),
      );
      assert.match(lines, /"settings":\["processes"\],"msg":"changed settings need a restart"/);
      assert.match(lines, /"changed":\["lmtp\.max_message_size","keys\.directory","log\.level"\]/);
      for (let each = 0; each < 4; each++) assert.equal(await announcedSize(server), 2048);

      // in an older session the next transaction is a new one
      assert.match(await old.say('MAIL FROM:<> SIZE=4096'), /^552 5\.3\.4 /);
      const { rcpt, final } = await deliver(old, { to: [ALICE, 'bob@example.com'], message: MESSAGE });
      assert.match(rcpt[0] ?? '', /^550 5\.1\.1 /);
      assert.match(final[0] ?? '', /^250 2\.0\.0 /);
      // a transaction that was under way ends as it began
      busy.write(`Subject: x\r\n\r\n${'line\r\n'.repeat(2000)}.\r\n`);
      assert.match(await busy.reply(), /^250 2\.0\.0 /);
      assert.ok(!server.process.output().includes('"verdict"'), 'the level of the log is new, too');
      await Promise.all([old.vanish(), busy.vanish()]);
      assert.equal(await server.stop(), 0);
    } finally {
      await server.stop();
    }
  });

  testLong(
    `${name}: with a bad configuration the old one stays, and log and metric say so until there is a good one`,
    {
      timeout: 240_000,
    },
    async () => {
      const server = await startChild({
        keys: { [ALICE]: KEY.certificate },
        toml: { processes, lmtp: 'max_message_size = "1MiB"' },
      });
      try {
        assert.equal(await refusedReload(server), 0);
        const good = await readFile(configOf(server), 'utf8');
        const line = good.split('\n').findIndex((text) => text.startsWith('max_message_size')) + 1;
        for (const [bad, complaint] of [
          [
            good.replace('"1MiB"', '"much"'),
            `${configOf(server)}:${line}: lmtp.max_message_size: \\"much\\" is not`,
          ],
          [
            good.replace('max_message_size', 'max_mesage_size'),
            `${configOf(server)}:${line}: unknown setting`,
          ],
          [good.replace('/keys"', '/missing"'), 'keys.directory: '],
        ] as const) {
          const lines = await reload(server, () => bad);
          assert.ok(lines.includes(`"errors":["${complaint}`), lines);
          assert.match(lines, /"level":50,.*"msg":"configuration refused, the running one stays"/);
          await until('/metrics shows it', async () => (await refusedReload(server)) === 1);
          assert.equal(await announcedSize(server), 1024 * 1024);
        }
        const session = await openSession(server.socketPath);
        assert.match((await deliver(session, { to: [ALICE], message: MESSAGE })).final[0] ?? '', /^250 /);
        await session.vanish();
        await reload(server, () => good);
        await until('/metrics shows it', async () => (await refusedReload(server)) === 0);
        assert.equal(await server.stop(), 0);
      } finally {
        await server.stop();
      }
    },
  );
}

testLong('a worker that is replaced after a reload has the new settings', { timeout: 240_000 }, async () => {
  const server = await startChild({
    keys: { [ALICE]: KEY.certificate },
    toml: { processes: 2, lmtp: 'max_message_size = "1MiB"' },
  });
  try {
    const before = server.workers();
    await reload(server, (toml) => toml.replace('"1MiB"', '"2MiB"'));
    const [victim = 0] = before;
    process.kill(victim, 'SIGKILL');
    const isNew = (pid: number) => !before.includes(pid);
    await until('there is another', () => server.workers().some(isNew));
    await until('it delivers', async () => {
      const session = await openSession(server.socketPath);
      await deliver(session, { to: [ALICE], message: MESSAGE });
      await session.vanish();
      const stored = await readdir(join(server.directory, 'mail/example.com/alice/new'));
      return stored.some((name) => isNew(Number(/P(\d+)Q/.exec(name)?.[1])));
    });
    for (let each = 0; each < 4; each++) assert.equal(await announcedSize(server), 2 * 1024 * 1024);
    assert.equal(await server.stop(), 0);
  } finally {
    await server.stop();
  }
});
