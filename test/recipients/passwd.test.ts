// The users of this system as recipients: whoever runs the tests is one of them.

import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PasswdSource } from '../../src/recipients/passwd.ts';
import { needs } from '../support/peers.ts';

const source = (minUid: number) =>
  new PasswdSource({ domains: ['example.com'], minUid, waitMs: 5000, mailboxes: 'template' });

/** Debian's nobody. */
const NOBODY = { uid: 65534, gid: 65534 };

test('a user of the system is a recipient in the domains of the system', needs('getent'), async () => {
  assert.deepEqual(await source(1).find('nobody@example.com'), {
    address: 'nobody@example.com',
    owner: NOBODY,
  });
  assert.equal(await source(1).find('nobody@example.org'), undefined);
  assert.equal(await source(1).find('no-such-user@example.com'), undefined);
  const atHome = new PasswdSource({
    domains: ['example.com'],
    minUid: 1,
    waitMs: 5000,
    mailboxes: 'home',
  });
  assert.equal((await atHome.find('nobody@example.com'))?.maildir, '/nonexistent');
});

test('the users of the system itself are none, and never root', needs('getent'), async () => {
  assert.equal(await source(1000).find('daemon@example.com'), undefined);
  assert.equal(await source(1).find('root@example.com'), undefined);
});

test('what is no name of a user is never asked for', needs('getent'), async () => {
  for (const local of [
    '0',
    '65534',
    '-s',
    '--help',
    'a b',
    'nobody\n',
    '../etc',
    '',
    'x'.repeat(10_000),
    '*',
  ])
    assert.equal(await source(1).find(`${local}@example.com`), undefined, local);
});

test(
  'domains are the same in any spelling, and names may begin with a digit or be long',
  needs('getent'),
  async () => {
    const odd = new PasswdSource({
      domains: ['Example.COM'],
      minUid: 1,
      waitMs: 5000,
      mailboxes: 'template' as const,
    });
    assert.deepEqual(await odd.find('nobody@example.com'), { address: 'nobody@example.com', owner: NOBODY });
    for (const local of ['1nobody', 'x'.repeat(100)])
      assert.equal(await odd.find(`${local}@example.com`), undefined);
  },
);

test('where users come from services that may be down, there is no such source', async () => {
  const file = join(tmpdir(), `sealdir-nsswitch-${process.pid}`);
  const options = { domains: [], minUid: 1, waitMs: 5000, mailboxes: 'template' as const };
  await writeFile(file, '# x\npasswd: files systemd [NOTFOUND=return] # sss\ngroup: files sss\n');
  await PasswdSource.open(options, file);
  await writeFile(file, 'passwd:         files sss\n');
  await assert.rejects(PasswdSource.open(options, file), /has sss for passwd/);
  await rm(file);
});
