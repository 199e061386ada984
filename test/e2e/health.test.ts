// /healthz and /readyz of a real server, and what keeps it from being ready.

import assert from 'node:assert/strict';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { startChild } from '../support/child.ts';
import { testLong } from '../support/long.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';

test('a server is alive, and ready only while its keys, its store and its recipients can be asked', async (t) => {
  const { certificate } = await makeKey(ALICE);
  const users = createServer((_, response) => response.writeHead(404).end());
  await new Promise<void>((resolve) => users.listen(0, '127.0.0.1', resolve));
  const { port } = users.address() as AddressInfo;
  const server = await startChild({
    keys: { [ALICE]: certificate },
    toml: {
      processes: 2,
      recipients: `source = "http"\ntimeout = "1s"\nhttp.url = "http://127.0.0.1:${port}/{address}"`,
    },
  });
  t.after(async () => {
    users.close();
    await server.stop();
  });
  const ask = async (path: string) => {
    const response = await fetch(`${server.metrics()}${path}`);
    return `${response.status} ${await response.text()}`;
  };
  const becomes = (wanted: string) => until(wanted, async () => (await ask('/readyz')) === wanted);
  assert.equal(await ask('/healthz'), '200 alive\n');
  await becomes('200 ready\n');
  for (const [name, said] of [
    ['keys', 'keys.directory cannot be used (ENOENT)'],
    ['mail', 'store.maildir cannot be used (ENOENT)'],
  ] as const) {
    await rename(join(server.directory, name), join(server.directory, 'away'));
    await becomes(`503 ${said}\n`);
    assert.equal(await ask('/healthz'), '200 alive\n');
    await rename(join(server.directory, 'away'), join(server.directory, name));
    await becomes('200 ready\n');
  }
  await rm(join(server.directory, 'mail'), { recursive: true });
  await writeFile(join(server.directory, 'mail'), '');
  users.close();
  users.closeAllConnections();
  await until('both are told', async () =>
    /^503 store\.maildir .*\n?recipients\.source .*/s.test(await ask('/readyz')),
  );
  assert.equal((await fetch(`${server.metrics()}/readyz`, { method: 'HEAD' })).status, 503);
  assert.match(await ask('/other'), /^404 only GET \/metrics, \/healthz and \/readyz are here/);
});

testLong(
  'it is not ready while all mail would be deferred: no key file, a bad key of the site, no room',
  async (t) => {
    const { certificate } = await makeKey(ALICE);
    const server = await startChild({
      keys: { [ALICE]: certificate },
      toml: { rest: 'also = ["DIR/also.asc"]', store: 'min_free_space = "1KiB"' },
      prepare: (directory) => writeFile(join(directory, 'also.asc'), certificate),
    });
    t.after(server.stop);
    const isReady = async () => (await (await fetch(`${server.metrics()}/readyz`)).text()).trimEnd();
    const becomes = (wanted: string) => until(wanted, async () => (await isReady()) === wanted);
    await becomes('ready');
    await writeFile(join(server.directory, 'also.asc'), 'no key');
    await becomes('keys.also cannot be used (a key of it cannot be used)');
    await writeFile(join(server.directory, 'also.asc'), certificate);
    await becomes('ready');
    await rename(join(server.directory, `keys/${ALICE}.asc`), join(server.directory, 'away'));
    await becomes('keys.directory cannot be used (it holds no key file)');
    await rename(join(server.directory, 'away'), join(server.directory, `keys/${ALICE}.asc`));
    await becomes('ready');
    const config = join(server.directory, 'sealdir.toml');
    await writeFile(config, (await readFile(config, 'utf8')).replace('"1KiB"', '"1000000GiB"'));
    server.process.signal('SIGHUP');
    await becomes('store.maildir cannot be used (less than store.min_free_space is free)');
  },
);
