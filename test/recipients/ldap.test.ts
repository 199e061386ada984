// Recipients in a real OpenLDAP: who is found, keys, hostile addresses, and a server that is killed or
// stopped.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { filterFor, type LdapOptions, LdapSource } from '../../src/recipients/ldap.ts';
import { valuesOf } from '../../src/recipients/query.ts';
import { exampleWith } from '../support/examples.ts';
import { needs } from '../support/peers.ts';
import { ADMIN, person, type Slapd, startSlapd } from '../support/slapd.ts';

const SAME = { localCase: 'ignore', defaultDomain: 'mx.example.com' } as const;
const WAIT_MS = 2000;
const KEY = Buffer.from([0x99, 0, 0xff, 0x80, 10]);

test('no value of an address is ever more than a value in a filter', () => {
  const filter = '(&(objectClass=mailUser)(|(mail={address})(uid={local})))';
  assert.equal(
    filterFor(filter, valuesOf('*)(uid=*\\\u0000@example.com')),
    '(&(objectClass=mailUser)(|(mail=\\2a\\29\\28uid=\\2a\\5c\\00@example.com)(uid=\\2a\\29\\28uid=\\2a\\5c\\00)))',
  );
});

describe('OpenLDAP', needs('slapd', 'ldapadd', 'openssl'), () => {
  let slapd: Slapd;
  const open = (more: Partial<LdapOptions> = {}) =>
    LdapSource.open(
      {
        url: `ldap://127.0.0.1:${slapd.port}`,
        starttls: false,
        caFile: '',
        bindDn: ADMIN,
        passwordFile: slapd.passwordFile,
        base: 'ou=people,dc=example,dc=com',
        filter: '(mail={address})',
        attributes: ['account=mail', 'quota=mailQuota', 'key=pgpKey', 'home=labeledURI'],
        waitMs: WAIT_MS,
        ...more,
      },
      SAME,
    );

  before(async () => {
    slapd = await startSlapd();
    const key = `pgpKey:: ${KEY.toString('base64')}`;
    await slapd.add(
      person('alice', 'alice@example.com', ['mailQuota: 5G']) +
        person('keys', 'keys@example.com', [key, `pgpKey:: ${Buffer.from('TWO').toString('base64')}`]) +
        person('twice', 'twice@example.com') +
        person('twice2', 'twice@example.com') +
        person('all', '@example.net') +
        person('home', 'home@example.com', ['labeledURI: /home/x']),
    );
  });
  after(() => slapd.stop());

  test('found, unknown, binary keys, a path, and what takes the rest', async () => {
    const source = await open();
    assert.deepEqual(await source.find('alice@example.com'), {
      address: 'alice@example.com',
      quota: 5 * 2 ** 30,
    });
    assert.equal(await source.find('nobody@example.com'), undefined);
    const { keys = [] } = (await source.find('keys@example.com')) ?? {};
    assert.deepEqual(new Set(keys.map(String)), new Set([String(KEY), 'TWO']));
    assert.ok(keys.some((key) => KEY.equals(Buffer.from(key as Buffer))));
    assert.equal((await source.find('home@example.com'))?.maildir, '/home/x');
    assert.equal((await source.find('@example.net'))?.address, '@example.net');
    await source.close();
  });

  test('hostile addresses find nobody', async () => {
    const source = await open({ filter: '(|(mail={address})(uid={local}))' });
    for (const address of [
      '*@example.com',
      '*)(uid=*@x.example',
      'alice)(cn=*@x.example',
      '\u0000@x.example',
    ])
      assert.equal(await source.find(address), undefined, address);
    assert.equal(await source.find(`${'x'.repeat(10_000)}@example.com`), undefined);
    assert.ok(await source.find('alice@example.com'));
    await source.close();
  });

  test('the example of README.md', async () => {
    const { filter, attributes } = exampleWith('# a directory').recipients.ldap;
    const source = await open({ filter, attributes });
    assert.deepEqual(await source.find('alice@example.com'), {
      address: 'alice@example.com',
      quota: 5 * 2 ** 30,
    });
    assert.equal((await source.find('keys@example.com'))?.keys?.length, 2);
    assert.equal(await source.find('nobody@example.com'), undefined);
    await source.close();
  });

  test('over TLS, from the start or from STARTTLS on, with the authority that is named and no other', async () => {
    const ldaps = `ldaps://127.0.0.1:${slapd.tlsPort}`;
    for (const more of [{ url: ldaps }, { starttls: true }]) {
      const source = await open({ ...more, caFile: slapd.caFile });
      assert.ok(await source.find('alice@example.com'));
      await source.close();
      const distrustful = await open(more);
      await assert.rejects(distrustful.find('alice@example.com'), /certificate/i);
      await distrustful.close();
    }
  });

  test('a wrong password, base or filter is an error, never nobody', async () => {
    for (const more of [
      { bindDn: 'cn=other,dc=example,dc=com' },
      { base: 'ou=missing,dc=example,dc=com' },
      { filter: '(mail={address}' },
      { url: 'ldap://127.0.0.1:1' },
      { bindDn: '' },
    ]) {
      const source = await open(more);
      await assert.rejects(source.find('alice@example.com'), Error, JSON.stringify(more));
      await source.close();
    }
  });

  test('a server that was restarted is asked again, and one that is down is an error', async () => {
    const source = await open();
    assert.ok(await source.find('alice@example.com'));
    await slapd.kill();
    await assert.rejects(source.find('alice@example.com'));
    await slapd.restart();
    assert.ok(await source.find('alice@example.com'));
    await slapd.kill();
    await slapd.restart();
    assert.ok(await source.find('alice@example.com'), 'at the first try, by a new connection');
    await source.close();
  });

  test('a server that is stopped is an error in time', async () => {
    const source = await open({ waitMs: 500 });
    assert.ok(await source.find('alice@example.com'));
    process.kill(slapd.pid, 'SIGSTOP');
    const begun = performance.now();
    await assert.rejects(source.find('alice@example.com'));
    assert.ok(performance.now() - begun < 5000);
    process.kill(slapd.pid, 'SIGCONT');
    assert.ok(await source.find('alice@example.com'));
    await source.close();
  });
});
