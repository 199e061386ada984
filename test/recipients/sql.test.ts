// The same recipients in PostgreSQL, MariaDB and SQLite, with real servers: who is found, hostile addresses,
// servers that are killed, stopped or out of connections, and the tables of the panels that have a preset.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { within } from '../../src/core/deadline.ts';
import type { Dialect } from '../../src/recipients/database.ts';
import type { RecipientSource } from '../../src/recipients/source.ts';
import { openSql, type SqlOptions } from '../../src/recipients/sql.ts';
import { needsUsers, SERVER_UID } from '../support/checking.ts';
import { exampleWith } from '../support/examples.ts';
import { testLong } from '../support/long.ts';
import { startMariadb } from '../support/mariadb.ts';
import { leftOut, needs, needsPackage } from '../support/peers.ts';
import { postgresqlPath, processesOf, type SqlServer, startPostgresql } from '../support/postgresql.ts';
import { freeze, run } from '../support/process.ts';
import { makeTraversable } from '../support/traversable.ts';
import { PANELS } from './panels.ts';

const SAME = { localCase: 'ignore', defaultDomain: 'mx.example.com' } as const;
const WAIT_MS = 2000;
const QUERY =
  'SELECT account, path AS maildir, quota, used, pgp AS "key" FROM users WHERE address = :address ORDER BY pgp';
const TABLE = `
CREATE TABLE users (address varchar(300), account varchar(300), path varchar(300), quota bigint, used bigint,
  pgp text);
INSERT INTO users VALUES
  ('alice@example.com', NULL, '/var/vmail/alice', 9000000000, 4000000000, NULL),
  ('several@example.com', 'alice@example.com', NULL, NULL, NULL, 'KEY 1'),
  ('several@example.com', 'alice@example.com', NULL, NULL, NULL, 'KEY 2'),
  ('@example.net', 'alice@example.com', NULL, NULL, NULL, NULL),
  ('müller@example.com', NULL, NULL, NULL, NULL, NULL),
  ('odd@example.com', 'no address', NULL, NULL, NULL, NULL);`;

const HOSTILE = [
  `'; DROP TABLE users; --@example.com`,
  `alice@example.com' OR '1'='1`,
  `" OR ""="@example.com`,
  `\\'; DROP TABLE users; --@example.com`,
  `*)(uid=*@example.com`,
  `../../etc/passwd@example.com`,
  `${'x'.repeat(10_000)}@example.com`,
  `%@example.com`,
  `_lice@example.com`,
  `:address@example.com`,
  `$1@example.com`,
  `?@example.com`,
];

interface Served {
  readonly dialect: Dialect;
  url(): string;
  /** Makes an empty database. */
  database(name: string): Promise<{ readonly url: string; sql(statements: string): Promise<void> }>;
}

function open(served: Served, more: Partial<SqlOptions> = {}): Promise<RecipientSource> {
  const query = served.dialect === 'mysql' ? QUERY.replaceAll('"', '`') : QUERY;
  const own = {
    url: served.url(),
    passwordFile: '',
    query,
    preset: 'none',
    connections: 2,
    waitMs: WAIT_MS,
  } as const;
  return openSql({ ...own, ...more }, SAME);
}

function behavesAlike(served: Served): void {
  test('found, unknown, several keys, what takes the rest, and an answer that makes no sense', async () => {
    const source = await open(served);
    assert.deepEqual(await source.find('alice@example.com'), {
      address: 'alice@example.com',
      maildir: '/var/vmail/alice',
      quota: 9_000_000_000,
      used: 4_000_000_000,
    });
    assert.equal(await source.find('nobody@example.com'), undefined);
    const { keys } = (await source.find('several@example.com')) ?? {};
    assert.deepEqual(keys, ['KEY 1', 'KEY 2']);
    assert.deepEqual(await source.find('@example.net'), { address: 'alice@example.com' });
    assert.deepEqual(await source.find('müller@example.com'), { address: 'müller@example.com' });
    await assert.rejects(source.find('odd@example.com'), /bad account/);
    await source.close?.();
  });

  test('a hostile address is an address that nobody has, or cannot be asked for, and changes nothing', async () => {
    const source = await open(served);
    for (const address of HOSTILE) assert.equal(await source.find(address), undefined, address);
    // PostgreSQL refuses NUL in text; the others look for it and find nobody
    const found = await source.find('a\u0000lice@example.com').catch(() => undefined);
    assert.equal(found, undefined);
    assert.ok(await source.find('alice@example.com'));
    await source.close?.();
  });

  test('a query that the database refuses is an error, never nobody', async () => {
    const source = await open(served, { query: 'SELECT account FROM missing WHERE address = :address' });
    await assert.rejects(source.find('alice@example.com'));
    await source.close?.();
  });

  for (const panel of PANELS.filter(({ dialects }) => dialects.includes(served.dialect))) {
    test(`preset ${panel.preset}: who is found in its tables, in which state`, async () => {
      const own = await served.database(panel.preset);
      await own.sql(panel.tables(served.dialect));
      const source = await open(served, { url: own.url, query: '', preset: panel.preset });
      for (const [address, expected] of Object.entries(panel.expected)) {
        if (expected === 'error') await assert.rejects(source.find(address), Error, address);
        else {
          const wanted = expected && { address, ...expected };
          assert.deepEqual(await source.find(address), wanted, address);
        }
      }
      await source.close?.();
    });
  }
}

function endures(server: () => SqlServer, served: Served): void {
  test('a server that is killed is an error, and asked again when it is back', async () => {
    const source = await open(served);
    assert.ok(await source.find('alice@example.com'));
    await server().kill();
    await assert.rejects(source.find('alice@example.com'));
    await server().restart();
    assert.ok(await source.find('alice@example.com'));
    await source.close?.();
  });

  testLong('a server that is stopped is an error in time, and for no longer than it is stopped', async () => {
    const source = await open(served);
    assert.ok(await source.find('alice@example.com'));
    const stopped = processesOf(server().pid);
    for (const pid of stopped) await freeze(pid);
    const begun = performance.now();
    await assert.rejects(source.find('alice@example.com'));
    assert.ok(performance.now() - begun < 3 * WAIT_MS);
    for (const pid of stopped) process.kill(pid, 'SIGCONT');
    assert.ok(await source.find('alice@example.com'));
    await source.close?.();
  });

  testLong('connections that go silent are given up after one wait, and new ones are made', async (t) => {
    const proxy = await startProxy(Number(new URL(server().url).port));
    t.after(() => proxy.stop());
    const url = server().url.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${proxy.port}`);
    const source = await open(served, { url, waitMs: 1000 });
    const ask = (count: number) => Array.from({ length: count }, () => source.find('alice@example.com'));
    assert.ok((await Promise.all(ask(20))).every(Boolean));
    proxy.silence();
    // those that wait for a connection meanwhile may still have one in time
    const asked = await within(Promise.allSettled(ask(20)), 10_000);
    assert.ok(asked !== 'late' && asked.filter(({ status }) => status === 'rejected').length >= 2);
    for (const one of ask(20)) assert.ok(await one);
    await source.close?.();
  });

  test('more look-ups at one time than there are connections all have their answer', async () => {
    const source = await open(served, { waitMs: 60_000 });
    const found = await Promise.all(Array.from({ length: 200 }, () => source.find('alice@example.com')));
    assert.ok(found.every((recipient) => recipient?.quota === 9_000_000_000));
    await source.close?.();
  });
}

/** A proxy whose connections can be made silent for ever, as those of a broken network: none is closed. */
async function startProxy(target: number) {
  const sockets = new Set<Socket>();
  let silent = new Set<Socket>();
  const proxy = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => undefined);
      from.on('data', (data) => silent.has(from) || to.write(data));
      from.on('end', () => silent.has(from) || to.end());
    }
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    port: (proxy.address() as AddressInfo).port,
    silence() {
      silent = new Set(sockets);
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await once(proxy, 'close');
    },
  };
}

describe('SQLite', needsPackage('better-sqlite3'), () => {
  let directory = '';
  const path = (name: string) => join(directory, `${name}.sqlite`);
  const database = async (name: string) => {
    const { default: Sqlite } = await import('better-sqlite3');
    const file = new Sqlite(path(name));
    return {
      url: `sqlite:${path(name)}`,
      async sql(statements: string) {
        file.exec(statements);
        file.close();
      },
    };
  };
  const served: Served = { dialect: 'sqlite', url: () => `sqlite:${path('users')}`, database };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-sqlite-'));
    await (await database('users')).sql(TABLE);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  behavesAlike(served);

  test('a file that is missing, is none, or is exchanged: an error, and then what the new one says', async () => {
    const url = `sqlite://${path('exchanged')}`;
    const source = await open(served, { url });
    await assert.rejects(source.find('alice@example.com'));
    await writeFile(path('exchanged'), 'no database');
    await assert.rejects(source.find('alice@example.com'));
    await (await database('one')).sql(TABLE);
    await rename(path('one'), path('exchanged'));
    assert.ok(await source.find('alice@example.com'));
    await (await database('two')).sql(`${TABLE} DELETE FROM users WHERE address LIKE 'alice%';`);
    await rename(path('two'), path('exchanged'));
    assert.equal(await source.find('alice@example.com'), undefined);
    await source.close?.();
  });

  test('a file that somebody else has locked is an error soon', async () => {
    const { default: Sqlite } = await import('better-sqlite3');
    const writer = new Sqlite(path('users'));
    writer.exec('BEGIN EXCLUSIVE');
    const source = await open(served);
    await assert.rejects(source.find('alice@example.com'), /locked|busy/i);
    writer.exec('ROLLBACK');
    writer.close();
    assert.ok(await source.find('alice@example.com'));
    await source.close?.();
  });

  testLong(
    'many look-ups while a file is locked wait no longer together than one, and then one waits again',
    async () => {
      const { default: Sqlite } = await import('better-sqlite3');
      const writer = new Sqlite(path('users'));
      const source = await open(served);
      const refusedAfterMs = async () => {
        const begun = performance.now();
        await assert.rejects(source.find('alice@example.com'), /locked|busy/i);
        return performance.now() - begun;
      };
      writer.exec('BEGIN EXCLUSIVE');
      let waitedMs = 0;
      for (let i = 0; i < 40; i++) waitedMs += await refusedAfterMs();
      assert.ok(waitedMs < 1500, `${waitedMs} ms`);
      writer.exec('ROLLBACK');
      assert.ok(await source.find('alice@example.com'));
      await pause(1100);
      writer.exec('BEGIN EXCLUSIVE');
      assert.ok((await refusedAfterMs()) > 50);
      writer.exec('ROLLBACK');
      writer.close();
      assert.ok(await source.find('alice@example.com'));
      await source.close?.();
    },
  );

  test(
    'in WAL mode, in a directory that is closed to us, it is read while a writer has it open, and then says why not',
    needsUsers(),
    async (t) => {
      const directory = await mkdtemp(join(tmpdir(), 'sealdir-wal-'));
      t.after(() => rm(directory, { recursive: true, force: true }));
      await makeTraversable(directory);
      const { default: Sqlite } = await import('better-sqlite3');
      const path = join(directory, 'users.sqlite');
      const writer = new Sqlite(path);
      writer.pragma('journal_mode = WAL');
      writer.exec(TABLE);
      for (const file of await readdir(directory)) await chmod(join(directory, file), 0o644);
      const options = {
        url: `sqlite:${path}`,
        query: QUERY,
        passwordFile: '',
        preset: 'none',
        connections: 1,
      };
      const program = `
      import { openSql } from '${new URL('../../src/recipients/sql.js', import.meta.url)}';
      const source = await openSql(${JSON.stringify({ ...options, waitMs: 1000 })}, ${JSON.stringify(SAME)});
      const found = await source.find('alice@example.com').catch((error) => error.message);
      console.log(found.maildir ?? found);`;
      const asOther = async () => {
        const user = [`--reuid=${SERVER_UID}`, `--regid=${SERVER_UID}`, '--clear-groups'];
        const node = [process.execPath, '--input-type=module', '-e', program];
        const { stdout, stderr } = await run('setpriv', [...user, ...node]);
        return `${stdout}${stderr}`;
      };
      assert.equal(await asOther(), '/var/vmail/alice\n');
      writer.close();
      assert.match(await asOther(), /users\.sqlite is in WAL mode, and no other program has it open/);
      await chmod(directory, 0o777);
      assert.equal(await asOther(), '/var/vmail/alice\n');
    },
  );
});

const isPostgresqlThere = postgresqlPath('postgres') !== undefined;
describe('PostgreSQL', isPostgresqlThere ? needs('setpriv') : leftOut('postgresql'), () => {
  let server: Awaited<ReturnType<typeof startPostgresql>>;
  const database = async (name: string) => {
    await server.sql(`CREATE DATABASE ${name};`);
    const url = server.url.replace(/postgres$/, name);
    return { url, sql: (statements: string) => server.sql(`\\c ${name}\n${statements}`) };
  };
  const served: Served = { dialect: 'postgresql', url: () => server.url, database };

  before(async () => {
    server = await startPostgresql();
    await server.sql(TABLE);
  });
  after(() => server.stop());

  behavesAlike(served);
  endures(() => server, served);

  test('with the password from a file, over TCP and a socket', async () => {
    const password = 'p@s:s/w%41d $1?#&';
    await server.sql(`CREATE ROLE pw LOGIN PASSWORD '${password}'; GRANT SELECT ON users TO pw;`);
    const passwordFile = join(tmpdir(), `sealdir-pg-password-${process.pid}`);
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    const find = async (url: string, file: string) => {
      const source = await open(served, { url, passwordFile: file });
      return source.find('alice@example.com').finally(() => source.close?.());
    };
    for (const url of [server.url, server.socketUrl]) {
      const wrong = url.replace('sealdir@', 'pw:wrong@');
      await assert.rejects(find(wrong, ''), /password/);
      assert.ok(await find(wrong, passwordFile));
      assert.ok(await find(url.replace('sealdir@', 'pw@'), passwordFile));
    }
    const nobody = server.url.replace('sealdir@', '');
    await assert.rejects(find(nobody, passwordFile), /recipients\.sql\.url names no user/);
    await rm(passwordFile);
  });

  test('the example of README.md for tables of your own', async () => {
    const { sql: example } = exampleWith('# your own tables').recipients;
    const own = await database('example');
    await own.sql(`CREATE TABLE users (email text, home text, quota_bytes bigint, pgp_key text, active boolean);
      INSERT INTO users VALUES ('alice@example.com', '/var/vmail/alice', 1000, 'KEY', true),
        ('bob@example.com', '/var/vmail/bob', 0, NULL, false);`);
    const source = await open(served, { url: own.url, query: example.query });
    const alice = {
      address: 'alice@example.com',
      maildir: '/var/vmail/alice/Maildir',
      quota: 1000,
      keys: ['KEY'],
    };
    assert.deepEqual(await source.find('alice@example.com'), alice);
    assert.equal(await source.find('bob@example.com'), undefined);
    await source.close?.();
  });
});

describe('MariaDB', needs('mariadbd', 'mariadb-install-db', 'mariadb'), () => {
  let server: SqlServer & { readonly socket: string };
  const database = async (name: string) => {
    await server.sql(`CREATE DATABASE ${name} CHARACTER SET utf8mb4;`);
    const url = server.url.replace(/sealdir$/, name);
    return { url, sql: (statements: string) => server.sql(`USE ${name};\n${statements}`) };
  };
  const served: Served = { dialect: 'mysql', url: () => server.url, database };

  before(async () => {
    server = await startMariadb();
    await server.sql(TABLE);
  });
  after(() => server.stop());

  behavesAlike(served);
  endures(() => server, served);

  test('over its socket, with the password from a file', async () => {
    const password = join(tmpdir(), `sealdir-password-${process.pid}`);
    await writeFile(password, 'pass\n', { mode: 0o600 });
    const url = `mariadb://sealdir@localhost/sealdir?socketPath=${server.socket}`;
    const source = await open(served, { url, passwordFile: password });
    assert.ok(await source.find('alice@example.com'));
    await source.close?.();
    await rm(password);
  });
});
