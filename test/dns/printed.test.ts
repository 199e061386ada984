// What `sealdir dns` prints, held against the programs that others have for the same: openssl computes TLSA
// and uses it as a client, OpenDKIM and rspamd write DKIM records beside their keys, BIND reads the zone.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createServer } from 'node:tls';
import { CLI } from '../support/child.ts';
import { shortOf, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { openAuthority, sClient } from '../support/tls.ts';

const HOST = 'mail.example.com';

let directory: string;
const at = (file: string) => join(directory, file);

async function dns(args: readonly string[], env: Record<string, string> = { PATH: directory }) {
  const { code, stdout, stderr } = await run(process.execPath, [CLI, 'dns', ...args], {
    cwd: directory,
    env,
  });
  return { code, text: stdout.toString(), stderr };
}

async function zone(...args: readonly string[]): Promise<string> {
  const { code, text, stderr } = await dns(['--host', HOST, ...args, 'example.com']);
  assert.equal(stderr, '');
  assert.equal(code, 0);
  return text;
}

const dataOf = (text: string, type: string) =>
  [...text.matchAll(new RegExp(`^;?\\S+ 3600 IN ${type} (.*)$`, 'gm'))].map(([, data = '']) => data);

async function openssl(args: readonly string[], stdin: Uint8Array | string = ''): Promise<Buffer> {
  const { code, stdout, stderr } = await run('openssl', args, { cwd: directory, stdin });
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Returns the data of `3 1 2`, as openssl computes it. */
async function tlsaBy(pem: string): Promise<string> {
  const key = await openssl(['x509', '-in', pem, '-noout', '-pubkey']);
  const der = await openssl(['pkey', '-pubin', '-outform', 'DER'], key);
  const digest = (await openssl(['dgst', '-sha512', '-r'], der)).toString().split(' ')[0];
  return `3 1 2 ${digest}`;
}

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  const authority = await openAuthority(directory);
  await authority.certify('rsa', { kind: 'rsa', names: [HOST] });
  await authority.certify('ec', { names: [HOST] });
  await authority.certify('next', { names: [HOST] });
  await authority.certify('other', { names: ['other.example.com'] });
});
after(() => rm(directory, { recursive: true, force: true }));

describe('TLSA', () => {
  test('there is one for each certificate and for the key to come, as openssl has it', async () => {
    const wanted = await Promise.all(['rsa.pem', 'ec.pem', 'next.pem'].map(tlsaBy));
    const certificates = ['--certificate', 'rsa.pem', '--certificate', 'ec.pem'];
    // a private key, a request's public key, and a certificate tell the same
    await writeFile(at('next.pub'), await openssl(['pkey', '-in', 'next.key', '-pubout']));
    for (const next of ['next.pem', 'next.key', 'next.pub'])
      assert.deepEqual(dataOf(await zone(...certificates, '--next', next), 'TLSA'), wanted, next);
  });

  testLong('a file with keys, certificates and authorities has those of the server only', async () => {
    const parts = ['rsa.key', 'rsa.pem', 'authority.pem', 'ec.key', 'ec.pem', 'authority.pem'];
    const texts = await Promise.all(parts.map((file) => readFile(at(file), 'utf8')));
    await writeFile(at('all.pem'), texts.join(''));
    const text = await zone('--certificate', 'all.pem', '--certificate', 'ec.pem');
    assert.deepEqual(dataOf(text, 'TLSA'), [await tlsaBy('rsa.pem'), await tlsaBy('ec.pem')]);
    assert.doesNotMatch(text, /PRIVATE/);
  });

  test('a client that has it takes the server with that key, and with no other', async () => {
    const records = dataOf(await zone('--certificate', 'rsa.pem', '--certificate', 'ec.pem'), 'TLSA');
    const read = (file: string) => readFile(at(file), 'utf8');
    for (const [n, name] of ['rsa', 'ec'].entries()) {
      const server = createServer({ cert: await read(`${name}.pem`), key: await read(`${name}.key`) });
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const { port } = server.address() as AddressInfo;
      const client = (data: string) =>
        sClient(port, ['-dane_tlsa_domain', HOST, '-dane_tlsa_rrdata', data, '-no_ign_eof'], 'Q\n');
      try {
        const [own = '', other = ''] = n === 0 ? records : records.toReversed();
        assert.match(await client(own), /Verification: OK[\s\S]*DANE TLSA 3 1 2 .* matched EE certificate/);
        assert.match(await client(other), /Verification error/);
      } finally {
        server.close();
      }
    }
  });

  testLong('Postfix is asked for its certificates', needs('postconf'), async () => {
    await mkdir(at('postfix'));
    await writeFile(at('postfix/master.cf'), '');
    const env = { MAIL_CONFIG: at('postfix') };
    const of = async (main: string) => {
      await writeFile(
        at('postfix/main.cf'),
        `compatibility_level = 3.6\n${main.replaceAll('DIR', directory)}`,
      );
      return dataOf((await dns(['--host', HOST, 'example.com'], env)).text, 'TLSA');
    };
    const both = [await tlsaBy('ec.pem'), await tlsaBy('rsa.pem')];
    const chains =
      'smtpd_tls_chain_files = DIR/ec.key, DIR/ec.pem, DIR/authority.pem,\n DIR/rsa.key DIR/rsa.pem\n';
    assert.deepEqual(await of(chains), both);
    assert.deepEqual(await of(`${chains}smtpd_tls_cert_file = DIR/other.pem\n`), both, 'it is not used then');
    assert.deepEqual(
      await of('smtpd_tls_cert_file = DIR/rsa.pem\nsmtpd_tls_eccert_file = DIR/ec.pem\n'),
      both,
    );
    assert.deepEqual(await of(''), []);
  });

  testLong('without Postfix, those of the configuration that are for the host are taken', async () => {
    const list = (ending: string) => JSON.stringify([at(`ec.${ending}`), at(`rsa.${ending}`)]);
    const config = (hostname: string) =>
      writeFile(
        at('sealdir.toml'),
        `hostname = "${hostname}"\n[lmtp]\nlisten = ["tls://127.0.0.1:2424"]\n[tls]\ncertificate = ${list('pem')}\nkey = ${list('key')}\n[store]\nmaildir = "/x/{domain}/{local}"\n[keys]\ndirectory = "/y"\n`,
      );
    await config(HOST);
    const { text, stderr } = await dns(['-c', at('sealdir.toml'), 'example.com']);
    assert.equal(stderr, '');
    assert.deepEqual(dataOf(text, 'MX'), [`10 ${HOST}.`]);
    assert.deepEqual(dataOf(text, 'TLSA'), [await tlsaBy('ec.pem'), await tlsaBy('rsa.pem')]);
    await config('else.example.com');
    assert.deepEqual(dataOf((await dns(['-c', at('sealdir.toml'), 'example.com'])).text, 'TLSA'), []);
  });
});

describe('DKIM', () => {
  /** Returns the strings of a record, put together, without what does not matter. */
  const keyIn = (record: string) =>
    [...record.matchAll(/"([^"]*)"/g)]
      .map(([, string = '']) => string)
      .join('')
      .replace(/ h=sha256;/, '');

  test('the record of a key of OpenDKIM is the one that it wrote', needs('opendkim-genkey'), async () => {
    const made = await run('opendkim-genkey', [
      '-s',
      'od',
      '-d',
      'example.com',
      '-b',
      '2048',
      '-D',
      directory,
    ]);
    assert.equal(made.code, 0, made.stderr);
    const [fromKey = ''] = dataOf(await zone('--dkim', 'od.private'), 'TXT').filter((each) =>
      each.includes('DKIM'),
    );
    assert.equal(keyIn(fromKey), keyIn(await readFile(at('od.txt'), 'utf8')));
    const text = await zone('--dkim', 'od.txt');
    assert.match(text, /^od\._domainkey\.example\.com\. 3600 IN TXT "v=DKIM1; h=sha256; k=rsa; p=.* ".*"$/m);
    const secret = (await readFile(at('od.private'), 'utf8')).split('\n').slice(1, -2);
    assert.ok(secret.every((line) => !`${text}${fromKey}`.includes(line)));
  });

  for (const type of shortOf(['rsa', 'ed25519'], 1))
    test(`the record of a key of rspamd (${type}) is the one that it wrote`, needs('rspamadm'), async () => {
      const key = `example.com.${type}-1.key`;
      const args = ['dkim_keygen', '-s', `${type}-1`, '-d', 'example.com', '-k', at(key), '-t', type];
      const made = await run('rspamadm', [...args, '-b', '2048']);
      assert.equal(made.code, 0, made.stderr);
      await writeFile(at('rspamd.txt'), made.stdout);
      const text = await zone('--dkim', key);
      assert.match(
        text,
        new RegExp(`^${type}-1\\._domainkey\\.example\\.com\\. 3600 IN TXT "v=DKIM1; k=${type};`, 'm'),
      );
      const of = (printed: string) => dataOf(printed, 'TXT').filter((each) => each.includes('DKIM'));
      assert.equal(keyIn(of(text)[0] ?? ''), keyIn(made.stdout.toString()));
      assert.deepEqual(of(await zone('--dkim', 'rspamd.txt')), of(text));
      assert.deepEqual(of(await zone('--dkim', `s2=${key}`)), of(text));
    });
});

describe('the zone', () => {
  /** Reads it with BIND, and returns it as BIND writes it. */
  async function readByBind(name: string, text: string): Promise<string> {
    const soa = `${name}. 60 IN SOA ns.${name}. h.${name}. 1 2 3 4 5\n${name}. 60 IN NS ns.example.net.\n`;
    await writeFile(at('zone'), soa + text);
    const { code, stdout, stderr } = await run('named-checkzone', ['-D', '-i', 'none', name, at('zone')]);
    assert.equal(code, 0, `${stdout}${stderr}`);
    assert.doesNotMatch(stderr, /out-of-zone/);
    return stdout.toString();
  }

  const WHERE = [
    { domain: 'example.com', host: 'mail.example.com', name: 'example.com' },
    { domain: 'example.com', host: 'example.com', name: 'example.com' },
    { domain: 'example.com', host: 'mx.elsewhere.example', name: 'example.com' },
    { domain: 'Bücher.Example.', host: 'Post.bücher.example', name: 'xn--bcher-kva.example' },
  ];
  for (const { domain, host, name } of shortOf(WHERE, 2))
    test(`of ${domain} at ${host} is read by BIND`, needs('named-checkzone'), async () => {
      const options = ['--ip', '192.0.2.1', '--ip', '::ffff:0:1', '--certificate', 'ec.pem'];
      const { text, stderr } = await dns(['--host', host, ...options, domain]);
      assert.equal(stderr, '');
      const read = await readByBind(name, text);
      assert.match(read, new RegExp(`^${name.replaceAll('.', '\\.')}\\.\\s+\\d+ IN MX\\s+10 `, 'm'));
      assert.equal(/IN TLSA/.test(read), host !== 'mx.elsewhere.example', 'that one is for another zone');
      assert.equal(dataOf(text, 'TLSA').length, 1);
      assert.equal(dataOf(text, 'PTR').length, 2);
    });

  testLong('reports to another domain need its consent, which is for its zone', async () => {
    const text = await zone('--rua', 'mailto:a!b%;@Reports.example');
    const uri = 'mailto:a%21b%25%3B@reports.example';
    assert.match(text, new RegExp(`^_dmarc\\.example\\.com\\. .*; rua=${uri}"$`, 'm'));
    assert.match(text, new RegExp(`^_smtp\\._tls\\.example\\.com\\. .*"v=TLSRPTv1; rua=${uri}"$`, 'm'));
    assert.match(text, /^;example\.com\._report\._dmarc\.reports\.example\. 3600 IN TXT "v=DMARC1"$/m);
    assert.doesNotMatch(await zone(), /_report/);
  });

  test('the names of files cannot put anything into it', async () => {
    const name = 'x\nexample.com. IN MX 0 evil.example.';
    await writeFile(at(name), await readFile(at('ec.pem')));
    assert.deepEqual(dataOf(await zone('--certificate', name), 'MX'), ['10 mail.example.com.']);
    assert.ok(
      !(await zone('--certificate', name))
        .split('\n')
        .some((line) => line.includes(' IN MX 0') && !line.startsWith('; ')),
    );
  });
});

describe('MTA-STS', () => {
  const idOf = (text: string) => /"v=STSv1; id=(\w+)"/.exec(text)?.[1];
  const policy = async (...args: string[]) => zone('--policy', ...args);

  test('the policy is enforced when the certificates allow it, and is the one in the comment', async () => {
    const options = ['--certificate', 'rsa.pem'];
    const text = await policy(...options);
    assert.equal(text, 'version: STSv1\nmode: enforce\nmx: mail.example.com\nmax_age: 604800\n');
    const printed = await zone(...options);
    const inComment = [...printed.matchAll(/^; {5}(.*\n)/gm)].map(([, line]) => line).join('');
    assert.equal(inComment, text);
    assert.match(await policy(), /^mode: testing$/m);
    assert.match(await policy('--certificate', 'other.pem'), /^mode: testing$/m);
    assert.match(await policy('--certificate', 'authority.pem'), /^mode: testing$/m);
    assert.match(
      await zone('--certificate', 'other.pem'),
      /; Only "testing", since other\.pem is not for mail/,
    );
  });

  testLong('the id is another one if and only if the policy is', async () => {
    const id = idOf(await zone('--certificate', 'rsa.pem'));
    const hash = createHash('sha256').update(await policy('--certificate', 'rsa.pem'));
    assert.equal(id, hash.digest('hex').slice(0, 20));
    const same = ['--certificate', 'ec.pem', '--ip', '192.0.2.9', '--rua', 'mailto:x@example.com'];
    assert.equal(idOf(await zone(...same)), id);
    assert.notEqual(idOf(await zone()), id, 'it is testing only');
    const { text } = await dns(['--host', 'mx2.example.com', '--certificate', 'rsa.pem', 'example.com']);
    assert.notEqual(idOf(text), id);
  });
});

describe('what is wrong is said in one line', () => {
  before(async () => {
    await openssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', 'p256.key']);
    await openssl(['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:512', '-out', 'small.key']);
    await openssl(['rsa', '-in', 'rsa.key', '-aes128', '-passout', 'pass:x', '-out', 'locked.key']);
    await writeFile(at('empty'), '');
    await writeFile(at('text.txt'), 's._domainkey IN TXT "v=spf1 -all"');
  });
  const HOSTED = ['--host', HOST];
  const WRONG: readonly (readonly [readonly string[], number, RegExp])[] = [
    [HOSTED, 64, /give one domain/],
    [[...HOSTED, 'a.example', 'b.example'], 64, /give one domain/],
    [['example.com'], 64, /"localhost" is the hostname of the configuration, and no whole name: give --host/],
    ...[
      'com',
      'exa mple.com',
      'a..b',
      '-a.example',
      '192.0.2.1',
      '1.2',
      'a/b.c',
      'x\n.example',
      `${'a'.repeat(64)}.b`,
    ].map((domain) => [[...HOSTED, '--', domain], 64, /is no domain$/m] as const),
    [[...HOSTED, '--ip', 'fe80::1%eth0', 'example.com'], 64, /"fe80::1%eth0" is no IP address/],
    [[...HOSTED, '--ip', '192.0.2.256', 'example.com'], 64, /is no IP address/],
    [[...HOSTED, '--rua', 'x@example.com', 'example.com'], 64, /is no "mailto:"/],
    [[...HOSTED, '--check', '--resolver', 'ns.example', 'example.com'], 64, /is no address of a resolver/],
    [[...HOSTED, '--check', '--resolver', '127.0.0.1:0', 'example.com'], 64, /is no address of a resolver/],
    [[...HOSTED, '--certificate', 'missing', 'example.com'], 66, /^sealdir: missing cannot be read/],
    [
      [...HOSTED, '--certificate', 'empty', 'example.com'],
      65,
      /empty cannot be used: there is no certificate/,
    ],
    [
      [...HOSTED, '--certificate', 'rsa.key', 'example.com'],
      65,
      /rsa\.key cannot be used: there is no certificate/,
    ],
    [[...HOSTED, '--next', 'locked.key', 'example.com'], 65, /locked\.key cannot be used/],
    [[...HOSTED, '--dkim', 'a b.key', 'example.com'], 66, /a b\.key cannot be read/],
    [[...HOSTED, '--dkim', 'empty', 'example.com'], 65, /neither a DKIM record nor a key/],
    [[...HOSTED, '--dkim', 'text.txt', 'example.com'], 65, /text\.txt cannot be used: is no DKIM record/],
    [[...HOSTED, '--dkim', 'p256.key', 'example.com'], 65, /neither an RSA nor an Ed25519 key/],
    [[...HOSTED, '--dkim', 'small.key', 'example.com'], 65, /512 bits, too small/],
    [[...HOSTED, '--dkim', 'locked.key', 'example.com'], 65, /without a passphrase/],
    [[...HOSTED, '--dkim', 'a_=rsa.key', 'example.com'], 64, /rsa\.key does not tell its selector/],
    [
      [...HOSTED, '--dkim', 's=rsa.key', '--dkim', 'S=rsa.key', 'example.com'],
      64,
      /selector s is given twice/,
    ],
    [[...HOSTED, '--host', 'b.example', 'example.com'], 64, /--host is given twice/],
  ];
  for (const [args, code, says] of shortOf(WRONG, 3))
    test(JSON.stringify(args.slice(2)), async () => {
      const said = await dns(args);
      assert.match(said.stderr, says);
      assert.match(said.stderr, /^sealdir: [^\n]+\n$/);
      assert.equal(said.code, code);
      assert.equal(said.text, '');
    });
});
