// Whose deliveries a server knows: those into its own store, from a state directory that is its own and fit.

import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseSettings } from '../../src/config/load.ts';
import { createLog } from '../../src/edge/log.ts';
import { serve } from '../../src/server/serve.ts';
import { ALICE, BEFORE, filesOf, keysOf, ON, SEALED, send, serveAt } from '../support/attempts.ts';
import { testLong } from '../support/long.ts';
import { type Running, run } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';

test('F27: without a state directory the server says so once, it shows, and mail goes on', {
  timeout: 240_000,
}, async () => {
  const directory = await makeSite(await keysOf(ALICE));
  await writeFile(join(directory, 'state'), 'in the way\n');
  const server = await serveAt(directory);
  try {
    const replies = new Set<string>();
    for (let n = 0; n < 6; n++) replies.add((await send(join(directory, 'lmtp.sock'))).slice(0, 16));
    assert.deepEqual([...replies], ['250 2.0.0 Sealed']);
    assert.equal((await filesOf(directory)).length, 2); // one by each, which knows its own
    assert.equal(server.output().match(/state is no directory.*store\.state: /g)?.length, 1);
    assert.match(await metricsOf(server), /^sealdir_state_failing 2$/m);
  } finally {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
});

async function metricsOf(server: Running): Promise<string> {
  const [, metrics] = /"metrics":"([^"]+)"/.exec(server.output()) ?? [];
  return (await fetch(`http://${metrics}/metrics`)).text();
}

/** A server of one process, in this one. */
async function serveHere(directory: string, state = join(directory, 'state')) {
  const toml = tomlFor(directory, { toml: ON }).replace(/^state = .*$/m, `state = ${JSON.stringify(state)}`);
  const loaded = parseSettings(toml, 'test.toml', { hostname: 'localhost' });
  if (!loaded.ok) throw new Error('the configuration is refused');
  const log: string[] = [];
  const running = await serve(
    loaded.settings,
    createLog('info', {}, { write: (line) => log.push(line) }),
    [],
  );
  const metrics = async () => (await fetch(`http://${running.metrics}/metrics`)).text();
  return { log, metrics, stop: () => running.stop(0) };
}

for (const name of ['secret', 'delivered.1', 'lock']) {
  test(`F27: with a FIFO in place of ${name} the server starts, delivers and stops`, async () => {
    const directory = await makeSite(await keysOf(ALICE));
    await mkdir(join(directory, 'state'), 0o700);
    await run('mkfifo', [join(directory, 'state', name)]);
    const server = await serveHere(directory);
    try {
      assert.match(await send(join(directory, 'lmtp.sock')), /^250 2\.0\.0 Sealed [0-9a-f]{16}$/);
      assert.match(await server.metrics(), /^sealdir_state_failing 1$/m);
    } finally {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    }
  });
}

test('F26: of two servers with one state directory the second remembers alone and says so; both store', async () => {
  const [one, two] = [await makeSite(await keysOf(ALICE)), await makeSite(await keysOf(ALICE))];
  const first = await serveHere(one);
  const second = await serveHere(two, join(one, 'state'));
  try {
    for (const directory of [one, two]) {
      assert.match(await send(join(directory, 'lmtp.sock')), /^250 2\.0\.0 Sealed [0-9a-f]{16}$/);
      assert.equal((await filesOf(directory)).length, 1);
    }
    const said = second.log.filter((line) => /is in use by another server.*store\.state: /.test(line));
    assert.equal(said.length, 1);
    assert.match(await first.metrics(), /^sealdir_state_failing 0$/m);
    assert.match(await second.metrics(), /^sealdir_state_failing 1$/m);
    assert.match(await send(join(one, 'lmtp.sock')), BEFORE);
    assert.match(await send(join(two, 'lmtp.sock')), BEFORE, 'it knows its own');
  } finally {
    await second.stop();
    await first.stop();
    for (const directory of [one, two]) await rm(directory, { recursive: true, force: true });
  }
});

testLong(
  'F26: a server started again with a new, empty store acknowledges nothing that is not in it',
  async () => {
    const directory = await makeSite(await keysOf(ALICE));
    const mail = join(directory, 'mail');
    const socketPath = join(directory, 'lmtp.sock');
    try {
      const first = await serveHere(directory);
      assert.match(await send(socketPath), SEALED);
      await first.stop();
      await rm(mail, { recursive: true });
      await mkdir(mail);
      const second = await serveHere(directory);
      try {
        assert.match(await send(socketPath), /^250 2\.0\.0 Sealed [0-9a-f]{16}$/);
        assert.equal((await filesOf(directory)).length, 1);
        assert.match(await send(socketPath), BEFORE);
      } finally {
        await second.stop();
      }
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
);
