// Recipients in a real OpenLDAP: who is found, keys, hostile addresses, and a server that is killed,
// stopped, or slow to shake hands.

import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { filterFor, type LdapOptions, LdapSource } from '../../src/recipients/ldap.ts';
import { valuesOf } from '../../src/recipients/query.ts';
import { exampleWith } from '../support/examples.ts';
import { needs } from '../support/peers.ts';
import { freeze } from '../support/process.ts';
import { ADMIN, openGate, PEOPLE, person, type Slapd, startSlapd } from '../support/slapd.ts';
import { until } from '../support/until.ts';

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
        base: PEOPLE,
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
        // text, but for the mark at its start that a decoder leaves out
        person('text', 'text@example.com', [`pgpKey:: ${Buffer.from('\ufeffTEXT').toString('base64')}`]) +
        person('twice', 'twice@example.com') +
        person('twice2', 'twice@example.com') +
        person('all', '@example.net') +
        person('home', 'home@example.com', ['labeledURI: /home/x']) +
        person('several', 'several@example.com', ['mail: other@example.com']) +
        person('held', 'held@example.com', ['description: hold']) +
        person('torn', 'torn@example.com', ['description: hold', 'description: reject']) +
        person('odd', 'odd@example.com', ['description: sometimes']),
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

  test('after a lost connection nobody is looked for without binding again', async () => {
    for (const more of [{}, { starttls: true, caFile: slapd.caFile }]) {
      const source = await open(more);
      assert.ok(await source.find('alice@example.com'));
      await slapd.kill();
      await slapd.restart();
      const begun = performance.now();
      const found = await Promise.all(
        ['alice', 'alice', 'keys'].map((name) => source.find(`${name}@example.com`)),
      );
      assert.ok(
        found.every((recipient) => recipient !== undefined),
        JSON.stringify(more),
      );
      assert.ok(performance.now() - begun < WAIT_MS, 'and nobody waits for the lost one');
      await source.close();
    }
  });

  test('who binds as nobody is one connection, however many ask at first', async () => {
    const before = sockets();
    const source = await open({ bindDn: '', filter: '(ou=people)', attributes: ['account=ou'] });
    for (let round = 0; round < 2; round++) {
      const found = await Promise.all(Array.from({ length: 20 }, () => source.find('alice@example.com')));
      assert.deepEqual(
        new Set(found.map((recipient) => recipient?.address)),
        new Set(['people@example.com']),
      );
      assert.equal(sockets(), before + 1);
      await slapd.kill();
      await slapd.restart();
    }
    await source.close();
    assert.equal(sockets(), before);
  });

  test('a connection that could not be bound is closed', async () => {
    const before = sockets();
    const source = await open({ bindDn: 'cn=other,dc=example,dc=com' });
    for (let count = 0; count < 10; count++) await assert.rejects(source.find('alice@example.com'));
    await until('they are closed', () => sockets() === before);
    await source.close();
  });

  test('a handshake that stalls is an error in time, and the next search tries again', async () => {
    const gate = await openGate(slapd.port);
    const source = await open({
      url: `ldap://127.0.0.1:${gate.port}`,
      starttls: true,
      caFile: slapd.caFile,
      waitMs: 500,
    });
    gate.lets = 'the answer to StartTLS';
    for (let count = 1; count <= 2; count++) {
      await assert.rejects(source.find('alice@example.com'), /in 500 ms/);
      await until('the connection is closed', () => gate.open.size === 0);
      assert.equal(gate.accepted, count);
    }
    gate.lets = 'all';
    assert.ok(await source.find('alice@example.com'));
    await source.close();
    gate.server.close();
  });

  test('names of attributes count without case, and a key is bytes however its attribute is spelled', async () => {
    const source = await open({ attributes: ['account=MAIL', 'quota=mailquota', 'key=PGPKEY'] });
    assert.equal((await source.find('alice@example.com'))?.quota, 5 * 2 ** 30);
    const { keys = [] } = (await source.find('text@example.com')) ?? {};
    assert.deepEqual(keys, [Buffer.from('\ufeffTEXT')]);
    await source.close();
  });

  test('several values of the account are an error that says so', async () => {
    const source = await open();
    await assert.rejects(
      source.find('several@example.com'),
      /uid=several.* has several values of mail: let another attribute be the account/,
    );
    assert.ok(await source.find('alice@example.com'));
    await source.close();
  });

  test('what is done without a usable key is one word, and anything else an error about that recipient', async () => {
    const source = await open({ attributes: ['account=mail', 'unusable=description'] });
    assert.deepEqual(await source.find('held@example.com'), {
      address: 'held@example.com',
      unusable: 'hold',
    });
    assert.equal((await source.find('alice@example.com'))?.unusable, undefined);
    await assert.rejects(source.find('torn@example.com'), /uid=torn.* has several values of description/);
    await assert.rejects(source.find('odd@example.com'), /bad unusable: "sometimes"/);
    await source.close();
  });

  test('a server that is stopped is an error in time', async () => {
    const source = await open({ waitMs: 500 });
    assert.ok(await source.find('alice@example.com'));
    await freeze(slapd.pid);
    const begun = performance.now();
    await assert.rejects(source.find('alice@example.com'));
    assert.ok(performance.now() - begun < 5000);
    process.kill(slapd.pid, 'SIGCONT');
    assert.ok(await source.find('alice@example.com'));
    await source.close();
  });
});

/** Returns how many sockets this process has. */
function sockets(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false; // that of the directory, which is closed by now
    }
  }).length;
}
