// `sealdir key export --wkd`: the layouts of draft-koch-openpgp-webkey-service, keys that gpg takes, and a
// web site in which nothing else is touched.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import * as openpgp from 'openpgp';
import { wkdHash } from '../../src/keys/wkdhash.ts';
import { CLI } from '../support/child.ts';
import { freshKey, revoked } from '../support/freshkey.ts';
import { openGnupgHome } from '../support/gnupghome.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';

const ALICE = 'alice@example.com';

describe('sealdir key export --wkd', () => {
  let directory = '';
  const at = (...parts: string[]) => join(directory, ...parts);
  const exported = (...args: string[]) =>
    run(process.execPath, [CLI, 'key', 'export', '-c', 'sealdir.toml', '--wkd', 'web', ...args], {
      cwd: directory,
    });
  const advanced = (domain: string, local: string) =>
    at('web/.well-known/openpgpkey', domain, 'hu', wkdHash(local));

  beforeEach(async () => {
    directory = await makeSite({ [ALICE]: (await freshKey(ALICE)).certificate });
    await writeFile(at('sealdir.toml'), tomlFor(directory));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  test(
    'a key is there in binary with the user ID of its address alone, and gpg takes it',
    needs('gpg'),
    async () => {
      const { publicKey } = await openpgp.generateKey({
        type: 'ecc',
        userIDs: [{ name: 'A', email: ALICE }, { email: 'private@example.org' }],
        format: 'object',
      });
      await writeFile(at('keys', `${ALICE}.asc`), publicKey.armor());
      const { code, stdout, stderr } = await exported();
      assert.equal(code, 0, stderr);
      assert.equal(stdout.toString(), '1 addresses are in web, 0 were left out\n');
      const file = advanced('example.com', 'alice');
      assert.equal((await stat(file)).mode & 0o777, 0o644);
      assert.equal((await readFile(at('web/.well-known/openpgpkey/example.com/policy'))).length, 0);
      const home = await openGnupgHome();
      try {
        await home.gpg(['--import', file]);
        const listing = (await home.gpg(['--list-keys', '--with-colons', '--with-wkd-hash'])).toString();
        assert.deepEqual(
          [...listing.matchAll(/^uid:.*?:([^:]*@[^:]*):/gm)].map(([, name]) => name),
          [`A <${ALICE}>`],
        );
        assert.ok((await readFile(file)).length > 0 && !(await readFile(file)).includes('private@'));
        const shown = (await home.gpg(['--list-keys', '--with-wkd-hash'])).toString();
        assert.ok(shown.includes(`${wkdHash('alice')}@example.com`), shown);
      } finally {
        await home.close();
      }
    },
  );

  test('the key of somebody who is gone is removed, and nothing else is', async () => {
    await writeFile(at('keys/bob@example.org.asc'), (await freshKey('bob@example.org')).certificate);
    await mkdir(at('web/.well-known/openpgpkey/example.org/hu'), { recursive: true });
    const foreign = at('web/.well-known/openpgpkey/example.org/hu/foreign');
    await writeFile(foreign, 'foreign');
    assert.equal((await exported()).code, 0);
    const bob = advanced('example.org', 'bob');
    assert.ok(existsSync(bob) && existsSync(advanced('example.com', 'alice')));
    await rm(at('keys/bob@example.org.asc'));
    assert.equal((await exported(ALICE)).code, 0);
    assert.ok(existsSync(bob), 'an export for others leaves it alone');
    assert.equal((await exported()).code, 0);
    assert.ok(!existsSync(bob) && existsSync(advanced('example.com', 'alice')));
    assert.equal(await readFile(foreign, 'utf8'), 'foreign');
    // a file that somebody has put in its place is theirs
    await writeFile(advanced('example.com', 'alice'), 'theirs');
    await rm(at('keys', `${ALICE}.asc`));
    await writeFile(at('keys/carol@example.com.asc'), (await freshKey('carol@example.com')).certificate);
    assert.equal((await exported()).code, 0);
    assert.equal(await readFile(advanced('example.com', 'alice'), 'utf8'), 'theirs');
  });

  test('a key file that cannot be read keeps what was exported before', async () => {
    assert.equal((await exported()).code, 0);
    const before = await readFile(advanced('example.com', 'alice'));
    await writeFile(at('keys', `${ALICE}.asc`), before.subarray(0, 100));
    const { code, stdout, stderr } = await exported();
    assert.equal(code, 0);
    assert.match(stdout.toString(), /0 addresses are in web, 1 were left out/);
    assert.match(stderr, /alice@example\.com: alice@example\.com\.asc is damaged/);
    assert.deepEqual(await readFile(advanced('example.com', 'alice')), before);
  });

  test('a revoked key comes after the one that is used; a key without the address is left out', async () => {
    const [next, old] = [await freshKey(ALICE), await freshKey(ALICE)];
    await writeFile(
      at('keys', `${ALICE}.asc`),
      Buffer.concat([await revoked(old), Buffer.from('\n'), next.certificate]),
    );
    await writeFile(at('keys/odd@example.com.asc'), next.certificate);
    const { stderr } = await exported();
    assert.match(stderr, /odd@example\.com: no user ID of its keys names it/);
    const keys = await openpgp.readKeys({ binaryKeys: await readFile(advanced('example.com', 'alice')) });
    assert.deepEqual(
      keys.map((key) => key.getFingerprint()),
      [next, old].map(({ secret }) => secret.getFingerprint()),
    );
    assert.ok(!existsSync(advanced('example.com', 'odd')));
  });

  test('the direct layout is for one domain', async () => {
    await writeFile(at('keys/bob@example.org.asc'), (await freshKey('bob@example.org')).certificate);
    const both = await exported('--direct');
    assert.equal(both.code, 64);
    assert.ok(!existsSync(at('web')));
    assert.equal((await exported('--direct', ALICE)).code, 0);
    assert.deepEqual((await readdir(at('web/.well-known/openpgpkey'))).sort(), ['hu', 'policy']);
    assert.deepEqual(await readdir(at('web/.well-known/openpgpkey/hu')), [wkdHash('alice')]);
    const missing = await exported('--direct', 'nobody@example.com');
    assert.equal(missing.code, 67);
    assert.match(missing.stderr, /nobody@example\.com: no key file/);
  });
});
