// Recipients in a file with an address in each line, as docker-mailserver and Dovecot have it.

import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AccountsFile } from '../../src/recipients/accounts.ts';
import { loadSource } from '../../src/recipients/open.ts';
import { exampleWith } from '../support/examples.ts';

const SAME = { localCase: 'ignore', defaultDomain: 'mx.example.com' } as const;

async function openFiles(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-accounts-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const [file, quotas] = [join(directory, 'postfix-accounts.cf'), join(directory, 'dovecot-quotas.cf')];
  return { file, quotas, source: new AccountsFile({ file, quotas }, SAME) };
}

test('the accounts and quotas of docker-mailserver', async (t) => {
  const { file, quotas, source } = await openFiles(t);
  await writeFile(
    file,
    '# accounts\nAlice@Example.com|{SHA512-CRYPT}$6$x|\nbob@example.com|{PLAIN}x|userdb_x=y\n',
  );
  assert.deepEqual(await source.find('alice@example.com'), { address: 'alice@example.com' });
  await writeFile(quotas, 'alice@example.com:5G\nbob@example.com:0\n');
  assert.deepEqual(await source.find('alice@example.com'), {
    address: 'alice@example.com',
    quota: 5 * 2 ** 30,
  });
  assert.deepEqual(await source.find('bob@example.com'), { address: 'bob@example.com' });
  for (const address of ['nobody@example.com', '@example.com', '# accounts@mx.example.com'])
    assert.equal(await source.find(address), undefined);
});

test("Dovecot's passwd-file", async (t) => {
  const { file, source } = await openFiles(t);
  await writeFile(file, 'alice@example.com:{PLAIN}x:5000:5000::/var/mail/example.com/alice/home::\n');
  assert.deepEqual(await source.find('alice@example.com'), { address: 'alice@example.com' });
});

test('a file that changes counts at once; one that is missing or empty is an error, never nobody', async (t) => {
  const { file, quotas, source } = await openFiles(t);
  await assert.rejects(source.find('alice@example.com'), /ENOENT/);
  await writeFile(file, '');
  await assert.rejects(source.find('alice@example.com'), /has no account/);
  await writeFile(`${file}.new`, 'alice@example.com|x\n');
  await rename(`${file}.new`, file);
  assert.ok(await source.find('alice@example.com'));
  await writeFile(`${file}.new`, 'bob@example.com|x\n');
  await rename(`${file}.new`, file);
  assert.equal(await source.find('alice@example.com'), undefined);
  await writeFile(quotas, 'bob@example.com:much\n');
  await assert.rejects(source.find('bob@example.com'), /bad quota/);
});

test('the preset reads the files where docker-mailserver has them', async () => {
  const { recipients } = exampleWith('# docker-mailserver');
  assert.equal(recipients.source, 'accounts');
  const source = await loadSource({ ...recipients, source: 'accounts' }, SAME);
  await assert.rejects(source.find('alice@example.com'), /\/tmp\/docker-mailserver\/postfix-accounts\.cf/);
});
