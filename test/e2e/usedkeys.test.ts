// Exchanges of a key that last for one delivery and that inotify or a look may miss: a real server of one
// process and of several logs them, and the owner is told.

import assert from 'node:assert/strict';
import { link, mkdir, readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Entry } from '../../src/keylog/entry.ts';
import { CLI } from '../support/child.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { isLong, shortOf, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { childrenWith } from '../support/proc.ts';
import { type Running, run, start } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
const [OLD, NEW, BOBS] = [await makeKey(ALICE), await makeKey(ALICE), await makeKey(BOB)];
const MESSAGE = Buffer.from('Subject: x\r\n\r\nfor alice alone\r\n');
const FILE = `${ALICE}.asc`;

/** Of one size, so that one can be written over the other in place. */
const SIZE = 8192;
const padded = ({ certificate }: TestKey) =>
  Buffer.from(Buffer.from(certificate).toString().padEnd(SIZE, '\n'));

const OVERWRITE = `
import mmap, sys
f = open(sys.argv[1], 'r+b')
m = mmap.mmap(f.fileno(), 0)
m[:] = open(sys.argv[2], 'rb').read()
m.flush()
`;

async function overwrite(path: string, by: string): Promise<void> {
  const { code, stderr } = await run('python3', ['-c', OVERWRITE, path, by]);
  assert.equal(code, 0, stderr.toString());
}

/** A site with both keys in files beside the key directory. */
async function makeExchangeable(): Promise<string> {
  const directory = await makeSite({ [BOB]: BOBS.certificate });
  await writeFile(join(directory, 'old'), padded(OLD));
  await writeFile(join(directory, 'new'), padded(NEW));
  await writeFile(join(directory, 'keys', FILE), padded(OLD));
  return directory;
}

interface Way {
  /** Before the server starts. */
  prepare(directory: string): Promise<void>;
  exchange(directory: string): Promise<void>;
  putBack(directory: string): Promise<void>;
}

const WAYS: Record<string, Way> = {
  'through mmap': {
    prepare: async () => {},
    exchange: (directory) => overwrite(join(directory, 'keys', FILE), join(directory, 'new')),
    putBack: (directory) => overwrite(join(directory, 'keys', FILE), join(directory, 'old')),
  },
  'through another name of the file': {
    prepare: async (directory) => {
      await unlink(join(directory, 'keys', FILE));
      await link(join(directory, 'old'), join(directory, 'keys', FILE));
    },
    exchange: (directory) => writeFile(join(directory, 'old'), padded(NEW)),
    putBack: (directory) => writeFile(join(directory, 'old'), padded(OLD)),
  },
  'by renaming the directory': {
    prepare: async (directory) => {
      await mkdir(join(directory, 'others'));
      await writeFile(join(directory, 'others', FILE), padded(NEW));
    },
    exchange: async (directory) => {
      await rename(join(directory, 'keys'), join(directory, 'aside'));
      await rename(join(directory, 'others'), join(directory, 'keys'));
    },
    putBack: async (directory) => {
      await rename(join(directory, 'keys'), join(directory, 'others'));
      await rename(join(directory, 'aside'), join(directory, 'keys'));
    },
  },
};

async function startAt(directory: string, processes: number): Promise<Running> {
  const config = join(directory, 'sealdir.toml');
  await writeFile(config, tomlFor(directory, { toml: { processes } }));
  const hasLooked = (output: string) => /"msg":"keys"/.test(output);
  return start(process.execPath, [CLI, 'serve', '-c', config], { ready: hasLooked });
}

async function mailOf(directory: string): Promise<Buffer[]> {
  const folder = join(directory, 'mail/example.com/alice/new');
  const names = await readdir(folder).catch(() => []);
  return Promise.all(names.map((name) => readFile(join(folder, name))));
}

/** What of it a key opens. */
async function readable(messages: readonly Buffer[], key: TestKey): Promise<string[]> {
  const read = messages.map((each) => readSealed(each, key).then(String, () => undefined));
  return (await Promise.all(read)).filter((each) => each !== undefined);
}

async function entriesOf(directory: string): Promise<Entry[]> {
  const lines = (await readFile(join(directory, 'keystate/key.log'), 'utf8')).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Entry).filter(({ address }) => address === ALICE);
}

async function send(directory: string): Promise<void> {
  const session = await openSession(join(directory, 'lmtp.sock'));
  const { final } = await deliver(session, { to: [ALICE], message: MESSAGE });
  assert.match(final[0] ?? '', /^250 2\.0\.0 /);
  await session.vanish();
}

/** The keeper's process. */
function keeperOf({ pid }: Pick<Running, 'pid'>): number {
  return childrenWith(pid, 'keyprocess.js')[0] ?? 0;
}

/** Stops the keeper, and has mail sealed to a key that is there no longer than that. Returns its process. */
async function exchangeUnseen(server: Pick<Running, 'pid'>, directory: string): Promise<number> {
  const keeper = keeperOf(server);
  process.kill(keeper, 'SIGSTOP');
  await overwrite(join(directory, 'keys', FILE), join(directory, 'new'));
  await deliverToNew(directory);
  await overwrite(join(directory, 'keys', FILE), join(directory, 'old'));
  return keeper;
}

/** Delivers until a message is sealed to the key that is there only now. */
async function deliverToNew(directory: string): Promise<void> {
  await until('a message is sealed to the other key', async () => {
    await send(directory);
    const read = await readable(await mailOf(directory), NEW);
    return read.some((each) => each.includes('for alice alone'));
  });
}

async function assertTold(directory: string): Promise<void> {
  const notes = async (key: TestKey) =>
    (await readable(await mailOf(directory), key)).filter((each) => each.includes('has changed'));
  await until('the owner of the old key is told', async () => (await notes(OLD)).length > 0, 30_000);
  await until('the way back is logged', async () => (await entriesOf(directory)).length >= 3, 30_000);
  const entries = await entriesOf(directory);
  const [old] = entries[0]?.after.fingerprints ?? [];
  const [other] = entries[1]?.after.fingerprints ?? [];
  assert.notEqual(old, other);
  assert.deepEqual(
    entries.map(({ event, after }) => [event, ...after.fingerprints]),
    [
      ['first-look', old],
      ['changed', other],
      ['changed', old],
    ],
  );
  const sealed = await mailOf(directory);
  const told = await Promise.all(
    sealed.map(async (each) => [await readable([each], OLD), await readable([each], NEW)] as const),
  );
  const isNote = (read: readonly string[]) => read.some((each) => each.includes('has changed'));
  assert.ok(told.some(([old, fresh]) => isNote(old) && fresh.length === 0));
}

describe('a key exchanged for one delivery and put back while the keeper does not look', {
  timeout: 900_000,
}, () => {
  for (const processes of isLong ? [1, 2] : [2])
    for (const [how, { prepare, exchange, putBack }] of shortOf(Object.entries(WAYS), 1))
      test(`${how}, with ${processes}`, needs('python3'), async () => {
        const directory = await makeExchangeable();
        await prepare(directory);
        const server = await startAt(directory, processes);
        try {
          const keeper = keeperOf(server);
          // it sees nothing of what is there meanwhile
          process.kill(keeper, 'SIGSTOP');
          await exchange(directory);
          await deliverToNew(directory);
          await putBack(directory);
          process.kill(keeper, 'SIGCONT');
          await assertTold(directory);
          assert.equal(await server.stop(), 0);
        } finally {
          await server.stop();
          await rm(directory, { recursive: true, force: true });
        }
      });

  testLong('while the keeper is dead: the next one is told', needs('python3'), async () => {
    const directory = await makeExchangeable();
    const server = await startAt(directory, isLong ? 2 : 1);
    try {
      const keeper = await exchangeUnseen(server, directory);
      process.kill(keeper, 'SIGKILL'); // it was told already, and has logged nothing
      await assertTold(directory);
    } finally {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    }
  });

  testLong('just before the server stops: it is logged by its end', needs('python3'), async () => {
    const directory = await makeExchangeable();
    let server = await startAt(directory, isLong ? 2 : 1);
    try {
      const keeper = await exchangeUnseen(server, directory);
      const ended = server.stop();
      process.kill(keeper, 'SIGCONT');
      assert.equal(await ended, 0);
      assert.ok((await entriesOf(directory)).length >= 2);
      server = await startAt(directory, isLong ? 2 : 1);
      await assertTold(directory);
    } finally {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    }
  });
});
