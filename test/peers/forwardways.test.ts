// Mail that is passed on, with real programs around it: a Postfix before it, databases that say where the
// mail of a recipient goes, and strace, which sees all that leaves the process.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { messageWith, newCanaries, searchFiles, shownIn } from '../support/canary.ts';
import { CLI, childrenOf } from '../support/child.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { freshKey } from '../support/freshkey.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { postfixMta } from '../support/mta.ts';
import { type NextHopOptions, startNextHop } from '../support/nexthop.ts';
import { leftOut, needs, needsPackage } from '../support/peers.ts';
import { startPostfix } from '../support/postfix.ts';
import { postgresqlPath, startPostgresql } from '../support/postgresql.ts';
import { start } from '../support/process.ts';
import { makeSite, type ServerOptions, startSealdir, tomlFor } from '../support/sealdir.ts';
import { readTrace, straceInto } from '../support/strace.ts';
import { until } from '../support/until.ts';

const [ALICE, BOB, CAROL] = ['alice@example.com', 'bob@example.com', 'carol@example.com'] as const;

async function temporary(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-ways-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

async function hopOf(t: TestContext, options: NextHopOptions = {}) {
  const hop = await startNextHop(options);
  t.after(() => hop.stop());
  return hop;
}

async function sealdirFor(t: TestContext, toml: ServerOptions['toml']) {
  const { certificate } = await freshKey(ALICE);
  const keys = Object.fromEntries([ALICE, BOB, CAROL].map((each) => [each, certificate]));
  const sealdir = await startSealdir({ keys, ...(toml === undefined ? {} : { toml }) });
  t.after(() => sealdir.stop());
  return sealdir;
}

test('Postfix logs three outcomes for three recipients of a message', {
  ...needs('root', 'postfix'),
}, async (t) => {
  let isBobBusy = true;
  const hop = await hopOf(t, {
    script(step, line) {
      if (step !== 'RCPT') return undefined;
      if (line.includes(CAROL)) return '550 5.1.1 unknown';
      return line.includes(BOB) && isBobBusy ? '450 4.2.0 later' : undefined;
    },
  });
  const sealdir = await sealdirFor(t, { duplicates: '1h', store: `forward = "${hop.address}"` });
  const dir = await temporary(t);
  const transport = `lmtp:inet:127.0.0.1:${sealdir.port}`;
  const postfix = await startPostfix({ dir, transport, domains: ['example.com'] });
  t.after(() => postfix.stop());
  const mta = postfixMta(postfix);
  await mta.send({ to: [ALICE, BOB, CAROL], message: messageOfSize(10_000) });
  const verdicts = () => Promise.all([ALICE, BOB, CAROL].map((each) => mta.verdicts(each)));
  await until('all have an answer', async () => (await verdicts()).every((each) => each.length > 0));
  assert.deepEqual(await verdicts(), [['delivered'], ['deferred'], ['bounced']]);
  assert.match(await mta.log(), /said: 550 5\.1\.1 The mailbox server has no such mailbox/);
  isBobBusy = false;
  await mta.flush();
  await until('the rest is delivered', async () => (await mta.verdicts(BOB)).includes('delivered'));
  assert.deepEqual(
    hop.taken.map(({ rcpt }) => rcpt),
    [`<${ALICE}>`, `<${BOB}>`],
  );
});

/** A table, and where to find it. */
const DATABASES = {
  SQLite: {
    needs: needsPackage('better-sqlite3'),
    async open(t: TestContext, statements: string) {
      const { default: Sqlite } = await import('better-sqlite3');
      const file = join(await temporary(t), 'users.sqlite');
      const database = new Sqlite(file);
      database.exec(statements);
      database.close();
      return { url: `sqlite:${file}`, stop: async () => undefined };
    },
  },
  PostgreSQL: {
    needs: postgresqlPath('postgres') === undefined ? leftOut('postgresql') : needs('setpriv'),
    async open(_t: TestContext, statements: string) {
      const server = await startPostgresql();
      await server.sql(statements).catch(async (error: unknown) => {
        await server.stop();
        throw error;
      });
      return server;
    },
  },
};

for (const [name, { needs: needed, open }] of Object.entries(DATABASES))
  test(`a column of ${name} says where the mail of a recipient goes`, needed, async (t) => {
    const [site, other] = [await hopOf(t), await hopOf(t)];
    const { url, stop } = await open(
      t,
      `CREATE TABLE users (address text, forward text);
INSERT INTO users VALUES ('${ALICE}', NULL), ('${BOB}', '${other.address}'), ('${CAROL}', 'off');`,
    );
    const sealdir = await sealdirFor(t, {
      store: `forward = "${site.address}"`,
      recipients: `source = "sql"
sql.url = "${url}"
sql.query = "SELECT address AS account, forward FROM users WHERE address = :address"`,
    }).finally(() => t.after(stop)); // once its client has stopped: it waits for that
    const session = await openSession(sealdir.socketPath);
    const { final } = await deliver(session, { to: [ALICE, BOB, CAROL], message: messageOfSize(5000) });
    await session.vanish();
    assert.deepEqual(
      final.map((reply) => reply.slice(0, 3)),
      ['250', '250', '250'],
    );
    const rcpts = [site, other].map(({ taken }) => taken.map(({ rcpt }) => rcpt));
    assert.deepEqual(rcpts, [[`<${ALICE}>`], [`<${BOB}>`]]);
    const inMaildirs = await Promise.all([ALICE, BOB, CAROL].map((each) => sealdir.files(each, 'new')));
    assert.deepEqual(
      inMaildirs.map(({ length }) => length),
      [0, 0, 1],
    );
  });

test('no write of a copy that is passed on holds plaintext, wherever it goes, except for the visible header', {
  ...needs('strace'),
  timeout: 480_000,
}, async (t) => {
  const hop = await hopOf(t);
  const canaries = newCanaries();
  const site = await makeSite({ [ALICE]: (await freshKey(ALICE)).certificate });
  t.after(() => rm(site, { recursive: true, force: true }));
  const [config, trace] = [join(site, 'sealdir.toml'), join(site, 'trace')];
  const toml = { processes: 2, duplicates: '1h', store: `forward = "${hop.address}"` };
  await writeFile(config, tomlFor(site, { toml }));
  const args = [...straceInto(trace), process.execPath, CLI, 'serve', '-c', config];
  const server = await start('strace', args, {
    ready: (output) => output.includes('"msg":"listening"'),
    readyWithinMs: 60_000,
  });
  t.after(() => server.stop());
  const session = await openSession(join(site, 'lmtp.sock'));
  // one that is held, and one that is sent as it is made
  for (const more of ['', '\r\nfiller'.repeat(60_000)]) {
    const { final } = await deliver(session, { to: [ALICE], message: messageWith(canaries, more) });
    assert.match(final[0] ?? '', /^250 /);
  }
  await session.vanish();
  for (const pid of childrenOf(server.pid)) process.kill(pid, 'SIGTERM');
  assert.equal(await server.ended, 0);
  assert.equal(hop.taken.length, 2);
  const { written, hidden } = await readTrace(trace);
  assert.deepEqual(hidden, []);
  const showing = written.filter(({ bytes }) => shownIn(bytes, canaries).length > 0);
  assert.ok(showing.length > 0, 'the trace has seen the copies');
  for (const { to, bytes } of showing) {
    assert.match(to, /^socket:|^TCP:/);
    assert.deepEqual(shownIn(bytes, canaries), [canaries.subject]);
  }
  await rm(trace);
  assert.deepEqual(await searchFiles(site, canaries), []);
});
