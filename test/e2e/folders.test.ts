// Rules for folders as an operator meets them: README's example in a running server, rules of recipients from
// a database, what `lookup` and `check` say, and a reload.

import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ChildServer, CLI, startChild } from '../support/child.ts';
import { examples } from '../support/examples.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { testLong } from '../support/long.ts';
import { needsPackage } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const RECIPIENTS = `source = "sql"
sql.url = "sqlite:DIR/users.sqlite"
sql.query = "SELECT account, rules FROM users WHERE account = :address"`;

describe('rules for folders', needsPackage('better-sqlite3'), () => {
  let server: ChildServer;
  let key: TestKey;

  before(async () => {
    key = await makeKey('alice@example.com');
    const [rules = ''] = examples().filter((text) => text.includes('[folders]'));
    server = await startChild({
      keys: { '@example.com': key.certificate, '@example.net': key.certificate },
      toml: { recipients: RECIPIENTS, duplicates: '1h', rest: rules, processes: 2 },
      prepare: async (directory) => {
        const { default: Database } = await import('better-sqlite3');
        const users = new Database(join(directory, 'users.sqlite'));
        users.exec('CREATE TABLE users (account, rules)');
        const add = users.prepare('INSERT INTO users VALUES (?, ?)');
        add.run('alice@example.com', null);
        add.run('bob@example.com', 'header List-Id exists -> All lists\nnonsense');
        add.run('carol@example.net', null);
        users.close();
      },
    });
  });
  after(() => server?.stop());

  const send = async (header: string, to: string, from?: string) => {
    const message = Buffer.from(`${header}\r\n\r\nbody\r\n`);
    const session = await openSession(server.socketPath);
    const { rcpt, final } = await deliver(session, { to: [to], message, ...(from && { from }) });
    await session.vanish();
    return final[0] ?? rcpt[0] ?? '';
  };
  const inFolder = async (mailbox: string, folder: string) =>
    readdir(join(server.directory, 'mail', mailbox, folder, 'new')).catch((): string[] => []);

  const LIST = 'List-Id: =?utf-8?q?Z=C3=BCge?= <sealdir.lists.example>';
  const placed: readonly (readonly [string, string, string, string?])[] = [
    ['X-Spam-Flag: YES', 'alice', '.Junk'],
    [LIST, 'alice', '.Lists.sealdir'],
    ['X-Invoice: 1', 'alice', '.Rechnungen &- Belege.Gr&APYA3w-ere'],
    ['X-Invoice: 1', 'bob', ''],
    [LIST, 'bob', '.All lists'],
    ['Subject: offer', 'bob', '.Shopping', 'x@SHOP.example'],
    ['Subject: detail', 'bob+unknown', ''],
    ['Subject: detail', 'bob+sealdir', '.Lists.sealdir'],
  ];
  test('mail goes where the example of README says, in whichever process it comes', async () => {
    await send(LIST, 'carol@example.net');
    for (const [n, [header, local, folder, from]] of placed.entries()) {
      const mailbox = `example.com/${local.replace(/\+.*/, '')}`;
      if (local.endsWith('+sealdir')) {
        // as an IMAP server makes it
        for (const part of ['cur', 'new', 'tmp'])
          await mkdir(join(server.directory, 'mail', mailbox, folder, part), { recursive: true });
      }
      const before = await inFolder(mailbox, folder);
      assert.match(await send(`${header}\r\nX-N: ${n}`, `${local}@example.com`, from), /^250 2\.0\.0 /);
      const files = (await inFolder(mailbox, folder)).filter((name) => !before.includes(name));
      assert.equal(files.length, 1, `${header} to ${folder} of ${local}`);
      const path = join(server.directory, 'mail', mailbox, folder, 'new', files[0] ?? '');
      assert.match((await readSealed(await readFile(path), key)).toString(), new RegExp(`X-N: ${n}\r`));
      const lines = server.process.output().split('\n');
      const line = lines.find((each) => each.includes(files[0] ?? '')) ?? '';
      assert.equal(/"folder":"INBOX"/.test(line), folder === '', line);
    }
    assert.match(server.process.output(), /"folder":"Junk","file":/);
    assert.match(server.process.output(), /"reasons":\["rule \\"nonsense\\" has no /);
    assert.deepEqual(await inFolder('example.net/carol', '.Lists.sealdir').then((all) => all.length), 1);
  });

  testLong('lookup shows the rules for an address in their order, and which does not count', async () => {
    const lookup = async (address: string) => {
      const args = [CLI, 'lookup', '-c', join(server.directory, 'sealdir.toml'), address];
      const { stdout } = await run(process.execPath, args);
      return stdout.toString().match(/^(rule|detail) .*$/gm) ?? [];
    };
    assert.deepEqual(await lookup('bob+x@example.com'), [
      'detail   x',
      'rule     header List-Id exists -> All lists',
      'rule     nonsense (does not count: it has no " -> " before its folder (write it like "header List-Id contains lists.example -> Lists"))',
      'rule     header X-Spam-Flag is YES -> Junk',
      'rule     header List-Id contains sealdir.lists.example -> Lists.sealdir',
      'rule     for @example.com: detail exists -> Lists.{detail}',
      'rule     sender ends @shop.example -> Shopping',
    ]);
    assert.equal((await lookup('carol@example.net')).length, 3);
  });

  test('a rule that is none is told with its line, and a reload with new rules counts for the next message', async () => {
    const config = join(server.directory, 'sealdir.toml');
    const toml = await readFile(config, 'utf8');
    const bad = toml.replace('X-Spam-Flag is', 'X-Spam-Flag matches');
    await writeFile(config, bad);
    const check = await run(process.execPath, [CLI, 'check', '-c', config]);
    const line = bad.split('\n').findIndex((each) => each.includes('matches')) + 1;
    assert.equal(check.code, 78);
    assert.match(
      check.stderr,
      new RegExp(`sealdir\\.toml:${line}: folders\\.rules: .*"matches" is none of is, `),
    );

    await writeFile(config, toml.replace('-> Junk', '-> Spam'));
    server.process.signal('SIGHUP');
    await until('it is read', () => server.process.output().includes('configuration and keys reloaded'));
    assert.match(await send('X-Spam-Flag: YES\r\nX-N: 0', 'alice@example.com'), /^250 2\.0\.0 Sealed before/);
    assert.deepEqual(
      await inFolder('example.com/alice', '.Spam'),
      [],
      'it was stored by the rules of before',
    );
    assert.match(await send('X-Spam-Flag: YES\r\nX-N: new', 'alice@example.com'), /^250 2\.0\.0 /);
    assert.equal((await inFolder('example.com/alice', '.Spam')).length, 1);
  });
});
