// Core dumps of the server as a process: there are none, and where that cannot be had the log says so and a
// core holds no message.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CLI, childrenOf } from '../support/child.ts';
import { openSession } from '../support/lmtp.ts';
import { isLong, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { type Running, start } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const KEY = await makeKey(ALICE);
const CANARY = 'canary that must not be in a core';
/** As high as it may be, whatever this test was started with. */
const DUMPING = 'ulimit -c "$(ulimit -H -c)"; exec "$0" "$@"';

interface Site {
  readonly directory: string;
  readonly server: Running;
}

async function startDumping(processes: number, env: Record<string, string> = {}): Promise<Site> {
  const directory = await makeSite({ [ALICE]: KEY.certificate });
  const config = join(directory, 'sealdir.toml');
  await writeFile(config, tomlFor(directory, { toml: { processes } }));
  const ready = (output: string) => output.includes('"msg":"listening"');
  const args = ['-c', DUMPING, process.execPath, CLI, 'serve', '-c', config];
  const server = await start('sh', args, { ready, env, cwd: directory });
  return { directory, server };
}

const coreLimit = (pid: number) =>
  /^Max core file size +(\S+) +(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.slice(1);
const coreFilter = (pid: number) =>
  Number.parseInt(readFileSync(`/proc/${pid}/coredump_filter`, 'latin1'), 16);

for (const processes of isLong ? [1, 2] : [2]) {
  const name = processes === 1 ? 'one process' : 'two workers';
  test(`${name}: no process of a server may dump core, and the log has no complaint`, {
    ...needs('prlimit'),
    timeout: 240_000,
  }, async () => {
    const { directory, server } = await startDumping(processes);
    for (const pid of [server.pid, ...childrenOf(server.pid)]) {
      assert.deepEqual(coreLimit(pid), ['0', '0'], String(pid));
      assert.equal(coreFilter(pid), 0);
    }
    assert.ok(!server.output().includes('core dumps'));
    assert.equal(await server.stop(), 0);
    await rm(directory, { recursive: true, force: true });
  });
}

/**
 * Tells why no core can be looked at here, if so: none is written, or it does not hold what the process held.
 */
async function whyNoCores(): Promise<string | undefined> {
  if (readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim() !== 'core') return 'cores go elsewhere';
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  const script = `globalThis.held = Buffer.from(${JSON.stringify(CANARY)}.repeat(1000)); process.abort();`;
  spawnSync('sh', ['-c', DUMPING, process.execPath, '-e', script], { cwd: directory });
  const holds = coresIn(directory).some((core) => readFileSync(core).includes(CANARY));
  await rm(directory, { recursive: true, force: true });
  return holds ? undefined : 'no cores are written here';
}

const coresIn = (directory: string) =>
  readdirSync(directory)
    .filter((name) => name.startsWith('core'))
    .map((name) => join(directory, name));

/** Aborts a server that has most of a message in its memory. Returns the cores in its directory. */
async function abortWithMail({ directory, server }: Site): Promise<string[]> {
  const session = await openSession(join(directory, 'lmtp.sock'));
  for (const line of ['MAIL FROM:<>', `RCPT TO:<${ALICE}>`, 'DATA']) await session.say(line);
  session.write(`Subject: x\r\n\r\n${`${CANARY}\r\n`.repeat(50_000)}`);
  const staged = join(directory, 'mail/example.com/alice/tmp');
  await until('a part of it is on disk', () => existsSync(staged) && readdirSync(staged).length > 0);
  server.signal('SIGABRT');
  await server.ended;
  await session.vanish();
  return coresIn(directory);
}

async function withCores(t: TestContext, look: () => Promise<void>): Promise<void> {
  const reason = await whyNoCores();
  if (reason === undefined) await look();
  else t.skip(reason);
}

testLong(
  'a server that is aborted with mail in its memory leaves no core',
  {
    ...needs('prlimit'),
    timeout: 240_000,
  },
  (t) =>
    withCores(t, async () => {
      const site = await startDumping(1);
      assert.deepEqual(await abortWithMail(site), []);
      await site.server.stop();
      await rm(site.directory, { recursive: true, force: true });
    }),
);

test('without prlimit the log warns, the server starts, and a core holds no byte of a message', {
  timeout: 240_000,
}, async (t) => {
  const site = await startDumping(1, { PATH: '/nonexistent' });
  const [soft] = coreLimit(site.server.pid) ?? [];
  const warning = '"msg":"core dumps are not turned off: one may hold mail in clear"';
  assert.equal(site.server.output().includes(warning), soft !== '0');
  assert.equal(coreFilter(site.server.pid), 0);
  await withCores(t, async () => {
    const cores = await abortWithMail(site);
    assert.ok(cores.length > 0 && cores.every(existsSync));
    for (const core of cores) assert.ok(!readFileSync(core).includes(CANARY));
  });
  await site.server.stop();
  await rm(site.directory, { recursive: true, force: true });
});
