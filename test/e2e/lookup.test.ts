// Recipients from a database, end to end: where mail goes, with which key, over quota, and what `lookup`,
// `check` and a start say.

import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type Sqlite from 'better-sqlite3';
import { NetstringReader, netstring } from '../../src/core/netstring.ts';
import { type ChildServer, CLI, startChild } from '../support/child.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { testLong } from '../support/long.ts';
import { needsPackage } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const QUERY = `SELECT account, path AS maildir, quota, used, pgp AS 'key',
       CASE address WHEN 'refused@example.net' THEN 'reject' END AS unusable
  FROM users WHERE address = :address`;
const RECIPIENTS = `source = "sql"
roots = ["DIR/vmail"]
cache = "1s"
map_listen = "DIR/map.sock"
sql.url = "sqlite:DIR/users.sqlite"
sql.query = """${QUERY}"""`;
const MESSAGE = Buffer.from('Subject: x\r\n\r\nx\r\n');

/** Asks as a mail server does. */
async function askMap(path: string, question: string): Promise<string> {
  const socket = connect(path);
  socket.write(netstring(question));
  const reader = new NetstringReader(1000);
  try {
    for await (const bytes of socket) for (const answer of reader.update(bytes as Buffer)) return answer;
    throw new Error('no answer');
  } finally {
    socket.destroy();
  }
}

describe('recipients in a database', needsPackage('better-sqlite3'), () => {
  let server: ChildServer;
  let own: TestKey;
  let filed: TestKey;
  let domainWide: TestKey;
  let users: Sqlite.Database;

  before(async () => {
    [own, filed, domainWide] = (await Promise.all(
      ['own@example.com', 'filed@example.com', 'x@example.com'].map((address) => makeKey(address)),
    )) as [TestKey, TestKey, TestKey];
    server = await startChild({
      keys: { 'filed@example.com': filed.certificate, '@example.com': domainWide.certificate },
      toml: { recipients: RECIPIENTS },
      prepare: async (directory) => {
        await mkdir(join(directory, 'vmail'));
        const { default: Database } = await import('better-sqlite3');
        users = new Database(join(directory, 'users.sqlite'));
        users.exec('CREATE TABLE users (address, account, path, quota, used, pgp)');
        const add = users.prepare('INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)');
        add.run('own@example.com', null, 'deep/down/own/Maildir', null, null, own.certificate);
        add.run('filed@example.com', null, null, null, null, null);
        add.run('bare@example.com', null, null, null, null, null);
        add.run('keyless@example.net', null, null, null, null, null);
        add.run('refused@example.net', null, null, null, null, null);
        add.run('outside@example.com', null, '/etc/outside', null, null, null);
        add.run('@example.org', 'filed@example.com', null, null, null, null);
        add.run('full@example.com', null, null, 1000, 990, null);
      },
    });
  });
  after(async () => {
    users?.close();
    await server?.stop();
  });

  const send = async (to: string) => {
    const session = await openSession(server.socketPath);
    const { rcpt, final } = await deliver(session, { to: [to], message: MESSAGE });
    await session.vanish();
    return final[0] ?? rcpt[0] ?? '';
  };
  const opened = async (maildir: string, key: TestKey) => {
    const directory = join(server.directory, maildir, 'new');
    const [file = ''] = await readdir(directory);
    return readSealed(await readFile(join(directory, file)), key);
  };

  test('mail goes where the database says, sealed with the key that it has', async () => {
    assert.match(await send('own+detail@example.com'), /^250 2\.0\.0 /);
    assert.ok((await opened('vmail/deep/down/own/Maildir', own)).equals(MESSAGE));
  });

  testLong(
    'without a path the template counts, without a key the file of the address, or of its domain',
    async () => {
      assert.match(await send('filed@example.com'), /^250 2\.0\.0 /);
      assert.ok((await opened('mail/example.com/filed', filed)).equals(MESSAGE));
      assert.match(await send('bare@example.com'), /^250 2\.0\.0 /);
      assert.ok((await opened('mail/example.com/bare', domainWide)).equals(MESSAGE));
      assert.match(await send('keyless@example.net'), /^451 4\.7\.5 /);
      assert.match(await send('refused@example.net'), /^550 5\.7\.5 /, 'the column unusable says so');
    },
  );

  testLong('whoever takes the rest of a domain gets it in their own mailbox', async () => {
    assert.match(await send('anything@example.org'), /^250 2\.0\.0 /);
    assert.equal((await readdir(join(server.directory, 'mail/example.com/filed/new'))).length, 2);
    assert.match(await send('anything@example.net'), /^550 5\.1\.1 /);
  });

  test('a path under no root is deferred, and nothing is made there', async () => {
    assert.match(await send('outside@example.com'), /^451 4\.3\.0 /);
    await assert.rejects(readdir('/etc/outside'));
  });

  test('over quota is told at RCPT, when the size that is announced does not fit', async () => {
    const session = await openSession(server.socketPath);
    await session.say('MAIL FROM:<> SIZE=5');
    assert.match(await session.say('RCPT TO:<full@example.com>'), /^250 /);
    await session.say('RSET');
    await session.say('MAIL FROM:<> SIZE=500');
    assert.match(await session.say('RCPT TO:<full@example.com>'), /^452 4\.2\.2 /);
    await session.vanish();
  });

  test('F32: a database that is gone defers, and no recipient that was found before', async () => {
    assert.match(await send('filed@example.com'), /^250 2\.0\.0 /);
    const file = join(server.directory, 'users.sqlite');
    const bytes = await readFile(file);
    await rm(file);
    assert.match(await send('new@example.com'), /^451 4\.4\.3 /);
    assert.match(await send('filed@example.com'), /^250 2\.0\.0 /);
    await writeFile(file, bytes);
    assert.match(await send('new@example.com'), /^550 5\.1\.1 /);
  });

  testLong(
    'F32: a reload while the database is gone forgets nobody, and one to a source that is none is refused',
    async () => {
      const config = join(server.directory, 'sealdir.toml');
      const [toml, file] = [await readFile(config, 'utf8'), join(server.directory, 'users.sqlite')];
      const reload = async (what: string) => {
        const before = server.process.output().split(what).length;
        server.process.signal('SIGHUP');
        await until(what, () => server.process.output().split(what).length > before);
      };
      const exists = () => askMap(join(server.directory, 'map.sock'), 'recipients filed@example.com');
      assert.match(await send('filed@example.com'), /^250 2\.0\.0 /);
      assert.equal(await exists(), 'OK filed@example.com');
      const bytes = await readFile(file);
      await rm(file);
      await reload('configuration and keys reloaded');
      assert.equal(await exists(), 'OK filed@example.com');
      assert.match(await send('filed@example.com'), /^250 2\.0\.0 /);
      await writeFile(file, bytes);
      await writeFile(config, toml.replace(/^sql\.query = .*$/m, 'sql.query = "SELECT 1"'));
      await reload('configuration refused');
      assert.match(await send('filed@example.com'), /^250 2\.0\.0 /);
      await writeFile(config, toml);
    },
  );

  test('lookup says what a delivery would find', async () => {
    const lookup = (address: string) =>
      run(process.execPath, [CLI, 'lookup', '-c', join(server.directory, 'sealdir.toml'), address]);
    const found = await lookup('own+x@example.com');
    assert.equal(found.code, 0, found.stderr);
    assert.match(found.stdout.toString(), /account +own@example\.com\nmaildir +deep\/down\/own\/Maildir\n/);
    assert.match(found.stdout.toString(), /keys +usable/);
    assert.match((await lookup('keyless@example.net')).stdout.toString(), /keys +none usable: no key/);
    assert.equal((await lookup('nobody@example.net')).code, 67);
    assert.equal((await lookup('no address')).code, 67);
  });
});

test(
  'check says that a source cannot be asked, and nothing where it can',
  needsPackage('better-sqlite3'),
  async () => {
    const site = await makeSite();
    const config = join(site, 'sealdir.toml');
    const toml = `source = "sql"\nsql.url = "sqlite:DIR/users.sqlite"\nsql.query = "SELECT :address AS account"`;
    await writeFile(config, tomlFor(site, { toml: { recipients: toml } }));
    const check = async () => (await run(process.execPath, [CLI, 'check', '-c', config])).stdout.toString();
    assert.match(await check(), /recipients\.source: .*all recipients are deferred/);
    const { default: Database } = await import('better-sqlite3');
    new Database(join(site, 'users.sqlite')).exec('CREATE TABLE x (y)').close();
    assert.doesNotMatch(await check(), /recipients\.source/);
    await rm(site, { recursive: true, force: true });
  },
);

test(
  'a start refuses an empty password file of a database, with a sentence',
  needsPackage('pg'),
  async () => {
    const site = await makeSite();
    const config = join(site, 'sealdir.toml');
    await writeFile(join(site, 'password'), '\n');
    const recipients =
      'source = "sql"\nsql.url = "postgresql://sealdir@127.0.0.1:1/mail"\nsql.query = "SELECT :address AS account"\n' +
      'sql.password_file = "DIR/password"';
    await writeFile(config, tomlFor(site, { toml: { recipients } }));
    const { code, stderr } = await run(process.execPath, [CLI, 'serve', '-c', config]);
    assert.equal(code, 78, stderr);
    assert.match(stderr, /recipients\.source: \S+password is empty: put the password there/);
    await rm(site, { recursive: true, force: true });
  },
);

testLong('a start says what is missing for a source', async () => {
  const site = await makeSite();
  const config = join(site, 'sealdir.toml');
  const start = async (recipients: string) => {
    await writeFile(config, tomlFor(site, { toml: { recipients } }));
    const { code, stderr } = await run(process.execPath, [CLI, 'serve', '-c', config]);
    assert.equal(code, 78, stderr);
    return stderr;
  };
  assert.match(await start('source = "sql"'), /recipients\.sql\.url: is needed by/);
  assert.match(await start('source = "ldap"'), /recipients\.ldap\.url: is needed by/);
  assert.match(await start('roots = ["/missing"]'), /recipients\.roots: \/missing is no directory/);
  const preset = 'source = "sql"\nfolder = "."\npreset = "mailcow"\nsql.url = "sqlite:x"';
  assert.match(await start(preset), /recipients\.source: recipients\.preset: mailcow has no sqlite database/);
  assert.match(
    await start('folder = "."\npreset = "mailcow"'),
    /recipients\.preset: is for recipients\.source = "sql"/,
  );
  await rm(site, { recursive: true, force: true });
});
