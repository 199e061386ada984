// A client that got no reply sends again: to the same process, to another one, and to one started after a
// crash.

import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { messageWith, newCanaries, searchFiles } from '../support/canary.ts';
import { CLI, childrenOf } from '../support/child.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { type Running, start } from '../support/process.ts';
import { makeSite, startSealdir, tomlFor } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';
import { asData } from '../support/wireform.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
const ON = { duplicates: '1h' };
const BEFORE = /^250 2\.0\.0 Sealed before [0-9a-f]{16}$/;
const SEALED = /^250 2\.0\.0 Sealed [0-9a-f]+$/;
const MESSAGE = Buffer.from('Subject: once\r\n\r\nonce\r\n');

const keysOf = async (...addresses: string[]) =>
  Object.fromEntries(
    await Promise.all(addresses.map(async (a) => [a, (await makeKey(a)).certificate] as const)),
  );

const filesOf = (directory: string) => readdir(join(directory, 'mail/example.com/alice/new'));

interface Attempt {
  readonly to?: string;
  readonly from?: string;
  readonly message?: Buffer;
}

/** Makes a whole attempt in a session of its own; returns the last reply. */
async function send(
  socketPath: string,
  { to = ALICE, message = MESSAGE, ...rest }: Attempt = {},
): Promise<string> {
  const session = await openSession(socketPath);
  const { final } = await deliver(session, { to: [to], message, ...rest });
  await session.vanish();
  return final[0] ?? '';
}

test('a client that leaves without reading its reply and sends again has one copy in new/', async () => {
  const server = await startSealdir({ keys: await keysOf(ALICE), toml: ON });
  try {
    const session = await openSession(server.socketPath);
    await session.say('MAIL FROM:<sender@example.org> BODY=8BITMIME SMTPUTF8');
    await session.say(`RCPT TO:<${ALICE}>`);
    await session.say('DATA');
    session.socket.pause(); // it reads nothing from now on
    session.write(asData(MESSAGE));
    await until('the copy is stored', () => server.outcomes().some(({ why }) => why === 'stored'));
    await session.vanish();
    assert.match(await send(server.socketPath), BEFORE);
    assert.equal((await server.files(ALICE, 'new')).length, 1);
    assert.deepEqual(await server.files(ALICE, 'tmp'), []);
    const text = await (await fetch(`${server.metrics}/metrics`)).text();
    assert.match(text, /^sealdir_recipients_total\{verdict="stored",why="duplicate"\} 1$/m);
    assert.match(text, /^sealdir_recipients_total\{verdict="stored",why="stored"\} 1$/m);
    assert.match(text, /^sealdir_state_failing 0$/m);

    const [path = ''] = await server.files(ALICE, 'new');
    await rm(path); // as if its owner had read and deleted it
    assert.match(await send(server.socketPath), BEFORE);
    assert.deepEqual(await server.files(ALICE, 'new'), []);
  } finally {
    await server.stop();
  }
});

test('another sender, recipient or message is no duplicate', async () => {
  const server = await startSealdir({ keys: await keysOf(ALICE, BOB), toml: ON });
  try {
    const others = [
      {},
      { to: BOB },
      { from: 'other@example.org' },
      { message: Buffer.from('Subject: two\r\n\r\n') },
    ];
    for (const other of others) assert.match(await send(server.socketPath, other), SEALED);
    assert.equal((await server.files(ALICE, 'new')).length, 3);
    assert.equal((await server.files(BOB, 'new')).length, 1);
  } finally {
    await server.stop();
  }
});

test('with duplicates = "off" each attempt is a copy, and no state directory is made', async () => {
  const server = await startSealdir({ keys: await keysOf(ALICE), toml: { duplicates: 'off' } });
  try {
    for (let n = 0; n < 2; n++) assert.match(await send(server.socketPath), SEALED);
    assert.equal((await server.files(ALICE, 'new')).length, 2);
    assert.ok(!(await readdir(server.directory)).includes('state'));
  } finally {
    await server.stop();
  }
});

/** Starts `sealdir serve` with two workers in a directory that stays after its end. */
async function serveAt(directory: string): Promise<Running> {
  const config = join(directory, 'sealdir.toml');
  await writeFile(config, tomlFor(directory, { toml: { processes: 2, ...ON } }));
  const ready = (output: string) => output.includes('"msg":"listening"');
  return start(process.execPath, [CLI, 'serve', '-c', config], { ready });
}

test('a worker knows what the other one delivered, and the next server what both did before they were killed', {
  timeout: 60_000,
}, async () => {
  const canaries = newCanaries();
  const message = messageWith(canaries, '\r\nonce\r\n');
  const directory = await makeSite(await keysOf(ALICE));
  const socketPath = join(directory, 'lmtp.sock');
  const sendAgain = async () => {
    // Workers get connections in turn, so both get some of these.
    for (let n = 0; n < 4; n++) assert.match(await send(socketPath, { message }), BEFORE);
    assert.equal((await filesOf(directory)).length, 1);
  };
  try {
    const first = await serveAt(directory);
    try {
      assert.match(await send(socketPath, { message }), SEALED);
      await sendAgain();
    } finally {
      for (const pid of [first.pid, ...childrenOf(first.pid)]) process.kill(pid, 'SIGKILL');
      await first.stop();
    }
    const second = await serveAt(directory);
    try {
      await sendAgain();
    } finally {
      assert.equal(await second.stop(), 0);
    }
    assert.deepEqual((await readdir(join(directory, 'state'))).sort(), [
      'delivered.0',
      'delivered.1',
      'secret',
    ]);
    assert.deepEqual(await searchFiles(directory, canaries), []);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test('without a state directory each worker logs it once, a metric shows it, and mail goes on', {
  timeout: 60_000,
}, async () => {
  const directory = await makeSite(await keysOf(ALICE));
  await writeFile(join(directory, 'state'), 'in the way\n');
  const server = await serveAt(directory);
  try {
    const replies = new Set<string>();
    for (let n = 0; n < 6; n++) replies.add((await send(join(directory, 'lmtp.sock'))).slice(0, 16));
    assert.deepEqual([...replies], ['250 2.0.0 Sealed']);
    assert.equal((await filesOf(directory)).length, 2); // one by each worker, which knows only its own
    assert.equal(server.output().match(/ENOTDIR.*store\.state: /g)?.length, 2);
    const [, metrics] = /"metrics":"([^"]+)"/.exec(server.output()) ?? [];
    assert.match(await (await fetch(`http://${metrics}/metrics`)).text(), /^sealdir_state_failing 2$/m);
  } finally {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
});
