// Sockets to listen on: inherited from systemd, stale files, and two servers that want the same path.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Listener } from '../../src/core/listener.ts';
import { claimPaths, listenOn } from '../../src/edge/sockets.ts';
import { startActivated } from '../support/activate.ts';
import { CLI } from '../support/child.ts';
import { connectLmtp, deliver, openSession } from '../support/lmtp.ts';
import { needs } from '../support/peers.ts';
import { start } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
});
after(() => rm(directory, { recursive: true, force: true }));

/** Claims and binds a path as a server does; the path is free again when the server is closed. */
async function open(server: Server, address: Listener, mode = 0o660): Promise<Server> {
  const claim = await claimPaths([address]);
  server.once('close', () => claim.release());
  await listenOn(server, address, mode);
  return server;
}

test('a socket left by a killed server is replaced; the socket of a running one, or a file, is not', async () => {
  const path = join(directory, 'a.sock');
  const first = await open(createServer(), { type: 'unix', path });
  assert.equal((await stat(path)).mode & 0o777, 0o660);
  await assert.rejects(open(createServer(), { type: 'unix', path }), /another server listens here/);
  (await connectLmtp(path)).socket.destroy();
  first.close();
  await once(first, 'close');

  // SIGKILL leaves a socket file on which nobody listens
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('ready'))`;
  const killed = await start(process.execPath, ['-e', script], {
    ready: (output) => output.includes('ready'),
  });
  killed.signal('SIGKILL');
  await killed.ended;
  assert.ok(existsSync(path));
  (await open(createServer(), { type: 'unix', path }, 0o600)).close();

  const foreign = createServer().listen(join(directory, 'foreign.sock'));
  await once(foreign, 'listening');
  const listening = { type: 'unix', path: join(directory, 'foreign.sock') } as const;
  await assert.rejects(open(createServer(), listening), /another program listens here/);
  foreign.close();
  (await open(createServer(), listening)).close();

  const file = join(directory, 'file');
  await writeFile(file, 'precious');
  await assert.rejects(open(createServer(), { type: 'unix', path: file }), /is no socket/);
});

test('what makes no sense of systemd is ignored with a warning, and mail is taken', {
  timeout: 120_000,
}, async () => {
  const site = await makeSite();
  const config = join(site, 'sealdir.toml');
  await writeFile(config, tomlFor(site));
  const command = 'LISTEN_PID=$$ LISTEN_FDS=999999999 NOTIFY_SOCKET= exec "$@"';
  const server = await start('sh', ['-c', command, 'sh', process.execPath, CLI, 'serve', '-c', config], {
    ready: (output) => output.includes('"msg":"listening"'),
  });
  try {
    assert.match(server.output(), /"error":"LISTEN_FDS is 999999999, but .*"msg":"systemd"/);
    assert.match(server.output(), /"error":"NOTIFY_SOCKET is empty: .*"msg":"systemd"/);
    assert.doesNotMatch(server.output(), /"socket not used"/);
    await (await openSession(join(site, 'lmtp.sock'))).vanish();
  } finally {
    assert.equal(await server.stop(), 0);
    await rm(site, { recursive: true, force: true });
  }
});

test('a path of lmtp.listen on which systemd listens is an error that says what to write', {
  ...needs('python3'),
  timeout: 120_000,
}, async () => {
  const site = await makeSite();
  const config = join(site, 'sealdir.toml');
  await writeFile(config, tomlFor(site));
  const path = join(site, 'lmtp.sock');
  await assert.rejects(startActivated(path, [CLI, 'serve', '-c', config]), (error: Error) => {
    const text = `lmtp.listen: ${path}: another program listens here; systemd has passed a socket that no setting uses (unknown): if it is this one, write "systemd" instead of the path`;
    assert.ok(error.message.includes(`sealdir: ${text}\n`), error.message);
    return true;
  });
  await rm(site, { recursive: true, force: true });
});

test('"systemd" serves the sockets that systemd passes', {
  ...needs('python3'),
  timeout: 120_000,
}, async () => {
  const key = await makeKey('alice@example.com');
  const site = await makeSite({ 'alice@example.com': key.certificate });
  const config = join(site, 'sealdir.toml');
  await writeFile(config, tomlFor(site).replace(/^listen = \[.*$/m, 'listen = ["systemd"]'));
  const path = join(site, 'inherited.sock');
  const server = await startActivated(path, [CLI, 'serve', '-c', config]);
  try {
    const session = await openSession(path);
    const message = Buffer.from('Subject: x\r\n\r\nx\r\n');
    assert.match((await deliver(session, { to: ['alice@example.com'], message })).final[0] ?? '', /^250 /);
    await session.vanish();
  } finally {
    assert.equal(await server.stop(), 0);
    await rm(site, { recursive: true, force: true });
  }
});
