// Sealdir as a service of systemd: sockets by name, what it tells, and a restart that no client notices.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chown, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { commandOfUnit, needsUnits } from '../support/asunit.ts';
import { CLI, childrenOf } from '../support/child.ts';
import { connectLmtp, deliver, openSession } from '../support/lmtp.ts';
import { Load } from '../support/load.ts';
import { isLong, testLong } from '../support/long.ts';
import { needs, programPath } from '../support/peers.ts';
import { freeze, start } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { startService } from '../support/supervise.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const MESSAGE = Buffer.from('Subject: x\r\n\r\nx\r\n');
const WATCHDOG_MS = 900;
const USER = 64_000;
const RESTARTS = isLong ? 3 : 1;
const NEW = 'mail/example.com/alice/new';

const units = await needsUnits();

describe('as a service of systemd', { ...needs('python3', 'systemd-notify'), timeout: 480_000 }, () => {
  let site = '';
  const path = (name: string) => join(site, name);

  beforeEach(async () => {
    site = await makeSite({ [ALICE]: (await makeKey(ALICE)).certificate });
  });
  afterEach(() => rm(site, { recursive: true, force: true }));

  /** Writes a configuration whose sockets systemd has. */
  async function configured(listen: string, processes = 1): Promise<string> {
    const toml = tomlFor(site, { toml: { processes } }).replace(/^listen = \[.*$/m, `listen = ${listen}`);
    await writeFile(path('sealdir.toml'), toml);
    return path('sealdir.toml');
  }

  async function stores(socket: string): Promise<void> {
    const session = await openSession(socket);
    const { final } = await deliver(session, { to: [ALICE], message: MESSAGE });
    assert.match(final[0] ?? '', /^250 /);
    await session.vanish();
  }

  test('each setting gets the sockets of its name, and "systemd" those that are left', {
    ...needs('systemd-socket-activate'),
  }, async () => {
    const names = ['a', 'b', 'c', 'metrics', 'maps'];
    const config = await configured('["systemd", "systemd:b"]');
    const toml = readFileSync(config, 'utf8')
      .replace('listen = "127.0.0.1:0"', 'listen = "systemd:metrics"')
      .replace('[recipients]', '[recipients]\nmap_listen = "systemd:maps"');
    await writeFile(config, toml);
    const sockets = names.flatMap((name) => ['-l', path(`${name}.sock`)]);
    const server = await start(
      'systemd-socket-activate',
      [...sockets, `--fdname=${names.join(':')}`, process.execPath, CLI, 'serve', '-c', config],
      { ready: (output) => output.includes('Listening on') },
    );
    try {
      for (const name of ['a', 'b', 'c']) await stores(path(`${name}.sock`));
      assert.match(await said(path('metrics.sock'), 'GET /metrics HTTP/1.0\r\n\r\n'), /sealdir_connections /);
      assert.match(await said(path('maps.sock'), `${9 + ALICE.length}:enrolled ${ALICE},`), /OK alice/);
      assert.doesNotMatch(server.output(), /socket not used/);
    } finally {
      assert.equal(await server.stop(), 0);
    }
  });

  testLong(
    'a name that systemd did not pass is a clear error, and a socket that nobody uses a warning',
    async () => {
      const sockets = [{ name: 'x', path: path('x.sock') }];
      const notify = path('notify');
      const config = await configured('["systemd:y"]');
      await assert.rejects(
        startService({ sockets, notify }, ['-c', config]),
        /lmtp\.listen: it is \\?"systemd:y\\?", but systemd passed x/,
      );
      await configured(JSON.stringify([path('lmtp.sock')]));
      await rm(path('x.sock'));
      await rm(notify);
      const server = await startService({ sockets, notify }, ['-c', config]);
      assert.equal(await server.stop(), 0);
      assert.match(server.output(), /"name":"x","msg":"socket not used"/);
    },
  );

  for (const processes of isLong ? [1, 2] : [1]) {
    test(`${processes} process(es): systemd is told of the start, of life, and of the stop`, async () => {
      const notify = path('notify');
      const config = await configured(JSON.stringify([path('lmtp.sock')]), processes);
      const server = await startService({ sockets: [], notify, watchdog: WATCHDOG_MS }, ['-c', config]);
      try {
        await stores(path('lmtp.sock')); // it is ready when it says so
        await until('it gives signs of life', () => server.told('WATCHDOG=1') >= 3);
        assert.equal(server.told('READY=1'), 1);
      } finally {
        assert.equal(await server.stop(), 0);
      }
      assert.equal(server.told('STOPPING=1'), 1);
    });
  }

  testLong('systemd is told of the start again until it has heard it', async () => {
    const notify = path('notify');
    const config = await configured(JSON.stringify([path('lmtp.sock')]));
    await mkdir(path('bin'));
    const once = `#!/bin/sh\n[ -e ${path('tried')} ] || { >${path('tried')}; exit 1; }\nexec ${programPath('systemd-notify')} "$@"\n`;
    await writeFile(path('bin/systemd-notify'), once, { mode: 0o755 });
    const env = { PATH: `${path('bin')}:${process.env.PATH}` };
    const server = await startService({ sockets: [], notify }, ['-c', config], undefined, env);
    assert.equal(await server.stop(), 0);
    assert.match(server.output(), /"msg":"systemd"/);
    assert.equal(server.told('READY=1'), 1);
  });

  test('under the rights of its unit it can tell systemd, too, and looks after its keys', {
    ...units,
  }, async () => {
    const notify = path('notify');
    const config = await configured(JSON.stringify([path('run/lmtp.sock')]));
    const writable = ['run', 'mail', 'state', 'keystate'];
    for (const name of writable) {
      await mkdir(path(name), { recursive: true });
      await chown(path(name), USER, USER);
    }
    const command = await commandOfUnit({
      unit: 'sealdir.service',
      directory: site,
      args: ['serve', '-c', config],
      user: `${USER}:${USER}`,
      writable: writable.map(path),
    });
    const server = await startService({ sockets: [], notify, watchdog: WATCHDOG_MS }, [], command);
    try {
      await until('it gives signs of life', () => server.told('WATCHDOG=1') >= 3);
      await stores(path('run/lmtp.sock'));
      await until('the keeper has looked at all keys', () =>
        /"valid":1,.*"msg":"keys"/.test(server.output()),
      );
    } finally {
      await server.stop();
    }
    assert.equal(server.told('STOPPING=1'), 1);
    assert.doesNotMatch(server.output(), /"msg":"systemd"|keeper/);
  });

  testLong('with all workers stopped there is no sign of life; with one of them there is', async () => {
    const notify = path('notify');
    const config = await configured(JSON.stringify([path('lmtp.sock')]), 2);
    const server = await startService({ sockets: [], notify, watchdog: WATCHDOG_MS }, ['-c', config]);
    const [, metrics = ''] = /"metrics":"([^"]+)"/.exec(server.output()) ?? [];
    const workers = childrenOf(childrenOf(server.pid)[0] ?? 0);
    const scrape = async () => (await fetch(`http://${metrics}/metrics`)).text();
    try {
      assert.equal(workers.length, 2);
      for (const pid of workers) await freeze(pid);
      await until('both are silent', async () => /^sealdir_workers_silent 2$/m.test(await scrape()));
      const before = server.told('WATCHDOG=1');
      // each of these waits for the workers for longer than two signs are apart
      for (let n = 0; n < 3; n += 1) await scrape();
      assert.equal(server.told('WATCHDOG=1'), before);
      process.kill(workers[0] ?? 0, 'SIGCONT');
      await until('one of them is enough', () => server.told('WATCHDOG=1') > before + 1, 30_000);
    } finally {
      for (const pid of workers) process.kill(pid, 'SIGCONT');
      assert.equal(await server.stop(), 0);
    }
  });

  for (const processes of isLong ? [1, 2] : [2]) {
    test(`${processes} process(es): restarts under load refuse no connection and lose no message`, async () => {
      const socket = path('lmtp.sock');
      const notify = path('notify');
      const config = await configured('["systemd"]', processes);
      const service = { sockets: [{ name: 'lmtp', path: socket }], notify };
      const server = await startService(service, ['-c', config]);
      const load = new Load(socket, ALICE, 4);
      const flows = () => {
        const before = load.acknowledged;
        return until('mail flows', () => load.acknowledged > before + (isLong ? 20 : 5), 30_000);
      };
      const restarts = async () => {
        for (let n = 1; n <= RESTARTS; n += 1) {
          await flows();
          await server.restart();
        }
        await flows();
      };
      await restarts().finally(() => load.end());
      const { acknowledged, refused } = await load.end();
      assert.equal(await server.stop(), 0);
      assert.equal(refused, 0);
      assert.equal(server.told('READY=1'), 1 + RESTARTS);
      const stored = (await readdir(path(NEW))).map(async (name) => {
        const [, subject] = /^Subject: (.*)\r?$/m.exec(await readFile(join(path(NEW), name), 'utf8')) ?? [];
        return subject;
      });
      assert.deepEqual((await Promise.all(stored)).sort(), [...acknowledged].sort());
    });
  }
});

/** Returns what a server says on a Unix socket until it closes, or to a first question. */
async function said(socket: string, question: string): Promise<string> {
  const client = await connectLmtp(socket);
  client.write(question);
  const [bytes] = (await once(client.socket, 'data')) as [Buffer];
  await client.vanish();
  return bytes.toString();
}
