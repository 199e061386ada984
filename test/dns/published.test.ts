// What `sealdir dns` prints is published as it is, in a zone that DNSSEC signs and a real resolver verifies.
// Then nothing is to be said of it; and of each record that is altered, something is.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CLI } from '../support/child.ts';
import { shortOf, testLong } from '../support/long.ts';
import { needsNameServer, startNameServer, type Zone } from '../support/nameserver.ts';
import { type Ran, run } from '../support/process.ts';
import { repositoryRoot } from '../support/shared.ts';
import { openAuthority } from '../support/tls.ts';

const HOST = 'mail.example.com';
const REVERSE = '2.0.192.in-addr.arpa';
const REVERSE6 = '8.b.d.0.1.0.0.2.ip6.arpa';

describe('what is published', needsNameServer(), () => {
  let directory: string;
  const at = (file: string) => join(directory, file);
  const dns = (...args: string[]) =>
    run(process.execPath, [CLI, 'dns', '--host', HOST, ...args, 'example.com'], {
      cwd: directory,
      env: { PATH: directory }, // no Postfix is asked
    });
  const known = () => [
    ...['--certificate', at('rsa.pem'), '--certificate', at('ec.pem'), '--next', at('next.key')],
    ...['--dkim', at('mail.private'), '--dkim', at('example.com.ed.key')],
    ...['--ip', '192.0.2.10', '--ip', '2001:DB8:0::10'],
  ];
  /** All zones, as printed: those of others too. */
  let text = '';

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    const authority = await openAuthority(directory);
    await authority.certify('rsa', { kind: 'rsa', names: [HOST] });
    await authority.certify('ec', { names: [HOST] });
    const genpkey = (file: string, ...args: string[]) =>
      run('openssl', ['genpkey', '-out', at(file), ...args]);
    const RSA = ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'];
    await genpkey('mail.private', ...RSA);
    await genpkey('other.private', ...RSA);
    await genpkey('example.com.ed.key', '-algorithm', 'ED25519');
    await genpkey('next.key', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384');
    const printed = await dns(...known());
    assert.equal(printed.code, 0, printed.stderr);
    text = printed.stdout.toString().replace(/^;(?=\S)/gm, '');
  });
  after(() => rm(directory, { recursive: true, force: true }));

  /** Publishes a text, and looks at it. */
  async function checked(
    published: string,
    signing: Zone['signing'] = 'good',
    options = known(),
  ): Promise<Ran> {
    const lines = published.split('\n');
    const of = (zone: string) => lines.filter((line) => line.split(' ')[0]?.endsWith(`${zone}.`));
    const rest = lines.filter((line) => !of(REVERSE).includes(line) && !of(REVERSE6).includes(line));
    const server = await startNameServer([
      { name: 'example.com', text: `${rest.join('\n')}\n`, signing },
      { name: REVERSE, text: `${of(REVERSE).join('\n')}\n` },
      { name: REVERSE6, text: `${of(REVERSE6).join('\n')}\n` },
    ]);
    try {
      return await dns('--check', '--resolver', server.address, ...options);
    } finally {
      await server.stop();
    }
  }

  test('as it was printed, all of it is right, and DNSSEC covers it', async () => {
    const { code, stdout, stderr } = await checked(text);
    assert.match(stdout.toString(), /^example\.com, as 127\.0\.0\.1:\d+ has it: 0 errors, 0 warnings\n$/);
    assert.equal(stderr, '');
    assert.equal(code, 0);
  });

  const replaced = (from: RegExp | string, to: string) => (zone: string) => zone.replace(from, to);
  const without = (what: RegExp) => (zone: string) =>
    zone
      .split('\n')
      .filter((line) => line.startsWith(';') || !what.test(line))
      .join('\n');
  const plus = (line: string) => (zone: string) => `${zone}${line}\n`;
  const ALTERED: readonly (readonly [string, (zone: string) => string, RegExp, 0 | 1 | 2])[] = [
    [
      'no MX',
      without(/ MX /),
      /error: example\.com has no MX\n {4}fix: publish example\.com\. 3600 IN MX 10/,
      2,
    ],
    [
      'another MX',
      replaced('MX 10 mail', 'MX 10 old'),
      /error: MX of example\.com is old\.example\.com, not/,
      2,
    ],
    ['a second MX', plus('example.com. IN MX 20 backup.example.com.'), /warning: MX of .* is also backup/, 1],
    ['no A', without(/ A /), /error: mail\.example\.com has no A 192\.0\.2\.10/, 2],
    [
      'another A',
      replaced('A 192.0.2.10', 'A 192.0.2.11'),
      /error: \S+ has A 192\.0\.2\.11, which is not/,
      2,
    ],
    ['no AAAA', without(/ AAAA /), /error: mail\.example\.com has no AAAA 2001:db8::10/, 2],
    ['a second A', plus(`${HOST}. IN A 192.0.2.12`), /error: \S+ has A 192\.0\.2\.12/, 2],
    ['no PTR', without(/ PTR /), /error: 192\.0\.2\.10 has no PTR/, 2],
    ['a foreign PTR', replaced('PTR mail', 'PTR cust-10'), /error: PTR of 192\.0\.2\.10 is cust-10/, 2],
    [
      'a PTR that leads back, with another name',
      (zone) => plus('a.example.com. IN A 192.0.2.10')(zone.replace('PTR mail', 'PTR a')),
      /warning: PTR of 192\.0\.2\.10 is a\.example\.com, not mail/,
      1,
    ],
    ['no SPF', without(/^example\.com.*spf1/), /error: example\.com has no SPF/, 2],
    ['two SPF', plus('example.com. IN TXT "v=spf1 a -all"'), /error: \S+ has several SPF records/, 2],
    ['SPF that lets everybody', replaced('mx -all', 'mx +all'), /error: SPF .*everybody may send/, 2],
    ['SPF without MX', replaced('mx -all', 'ip4:192.0.2.99 -all'), /warning: SPF .* does not name the MX/, 1],
    ['soft SPF', replaced('mx -all', 'mx ~all'), /warning: SPF .* refuses nobody/, 1],
    ['SPF of others', replaced('mx -all', 'mx include:x.example -all'), /note: SPF .* others may send/, 0],
    ['SPF of the host', replaced('spf1 a -all', 'spf1 -all'), /warning: SPF of mail\.example\.com is/, 1],
    ['no DKIM', without(/mail\._domainkey/), /error: mail\._domainkey\.example\.com has no DKIM key/, 2],
    ['another DKIM key', (zone) => otherDkim(zone), /error: mail\._domainkey\S+ has another DKIM key/, 2],
    ['a cut DKIM key', replaced(/" "/, '" ; "'), /error: mail\._domainkey\S+ has a key that cannot/, 2],
    ['a revoked key', replaced(/(k=ed25519; p=)[^"]*/, '$1'), /error: ed\._domainkey\S+ has no key/, 2],
    [
      'a DKIM key on trial',
      replaced('k=ed25519;', 'k=ed25519; t=y;'),
      /error: ed\._domainkey\S+ says "t=y"/,
      2,
    ],
    ['no DMARC', without(/_dmarc/), /warning: example\.com has no DMARC/, 1],
    ['two DMARC', plus('_dmarc.example.com. IN TXT "v=DMARC1; p=none"'), /error: .* several DMARC/, 2],
    ['soft DMARC', replaced('p=reject', 'p=none'), /warning: DMARC .* refuses nobody/, 1],
    ['bad DMARC', replaced('p=reject', 'p=maybe'), /error: DMARC .* is not valid/, 2],
    [
      'DMARC with other reports',
      replaced('rua=mailto:postmaster', 'rua=mailto:d'),
      /note: DMARC .* not "v=/,
      0,
    ],
    ['no MTA-STS', without(/_mta-sts/), /warning: _mta-sts\.example\.com has no record/, 1],
    [
      'two MTA-STS',
      plus('_mta-sts.example.com. IN TXT "v=STSv1; id=1"'),
      /error: _mta-sts\S+ has several/,
      2,
    ],
    ['bad MTA-STS', replaced(/STSv1; id=\w+/, 'STSv1; id=a-b'), /error: _mta-sts.* is not valid/, 2],
    ['another policy', replaced(/STSv1; id=\w+/, 'STSv1; id=20200101'), /note: _mta-sts.*its id is not/, 0],
    ['no host of the policy', without(/^mta-sts/), /warning: mta-sts\.example\.com has no address/, 1],
    ['no TLS reports', without(/_smtp\._tls/), /warning: _smtp\._tls\S+ has no record/, 1],
    [
      'other TLS reports',
      replaced('TLSRPTv1; rua=mailto:p', 'TLSRPTv1; rua=mailto:q'),
      /note: _smtp\._tls/,
      0,
    ],
    ['no TLSA', without(/ TLSA /), /warning: \S+ has no TLSA for the RSA key(.|\n)*for the ECDSA key/, 1],
    [
      'TLSA of one key only',
      withoutNth('TLSA', 0),
      /error: no TLSA of _25\S+ fits the RSA key .*deliver nothing/,
      2,
    ],
    ['TLSA of the other only', withoutNth('TLSA', 1), /error: no TLSA of _25\S+ fits the ECDSA key/, 2],
    [
      'no TLSA of the key to come',
      withoutNth('TLSA', 2),
      /warning: no TLSA of _25\S+ fits the key to come/,
      1,
    ],
    [
      'a wrong TLSA',
      replaced(/(3 1 2) ..../, '$1 0000'),
      /error: no TLSA .* RSA key(.|\n)*warning: TLSA "3 1 2 0000/,
      2,
    ],
    ['TLSA of another usage', replaced(/TLSA 3 1 2/, 'TLSA 1 1 2'), /error: no TLSA .* RSA key/, 2],
    [
      'an old TLSA besides',
      plus(`_25._tcp.${HOST}. IN TLSA 3 1 1 ${'ab'.repeat(32)}`),
      /warning: TLSA "3 1 1 abab/,
      1,
    ],
  ];

  testLong('README shows what is found where a key was exchanged and its record was not', async () => {
    const old = withoutNth('TLSA', 1)(withoutNth('TLSA', 1)(text));
    const { stdout } = await checked(old, 'good', ['--certificate', at('ec.pem')]);
    const plain = (report: string) =>
      report
        .replaceAll(at('ec.pem'), '/etc/postfix/tls/ecdsa.pem')
        .replace(/[0-9a-f]{128}|[0-9a-f]{16}\.\.\./g, 'HEX')
        .replace(/127\.0\.0\.1(:\d+)?/, '127.0.0.1');
    const readme = await readFile(join(repositoryRoot(), 'README.md'), 'utf8');
    const [, shown = ''] = /\n\$ sealdir dns --check .*\n([^`]*)```/.exec(readme) ?? [];
    assert.equal(plain(stdout.toString()), plain(shown));
  });

  /** A certificate's other digest, which a client with digest agility overlooks. */
  testLong('a key that has only a weaker digest than the other is overlooked by some', async () => {
    const spki = await run('openssl', ['pkey', '-pubout', '-outform', 'DER', '-in', at('rsa.key')]);
    const sha256 = await run('openssl', ['dgst', '-sha256', '-r'], { stdin: spki.stdout });
    const weaker = `_25._tcp.${HOST}. IN TLSA 3 1 1 ${sha256.stdout.toString().split(' ')[0]}`;
    const { code, stdout } = await checked(`${withoutNth('TLSA', 0)(text)}${weaker}\n`);
    assert.match(stdout.toString(), /error: TLSA of \S+ has a weaker digest for the RSA key/);
    assert.equal(code, 2);
  });

  for (const [name, alter, says, code] of shortOf(ALTERED, 3))
    test(`${name}: is found`, async () => {
      const altered = alter(text);
      assert.notEqual(altered, text);
      const found = await checked(altered);
      assert.match(found.stdout.toString(), says);
      assert.equal(found.code, code, found.stdout.toString());
    });

  testLong('an answer that is too large for UDP is asked for over TCP', async () => {
    const token = (n: number) => `example.com. IN TXT "verification-${n}=${'x'.repeat(180)}"\n`;
    const { code, stdout } = await checked(text + [1, 2, 3, 4, 5].map(token).join(''));
    assert.match(stdout.toString(), /: 0 errors, 0 warnings\n$/);
    assert.equal(code, 0);
  });

  test('without DNSSEC nobody looks at TLSA, and a resolver that does not verify is no witness', async () => {
    const { code, stdout } = await checked(text, 'none');
    assert.match(stdout.toString(), /warning: 127\S+ does not verify DNSSEC, so nothing is known/);
    assert.equal(code, 1);
  });

  test('where DNSSEC is broken the resolver gives no records, which is told of each', async () => {
    const { code, stdout } = await checked(text, 'bogus');
    assert.match(stdout.toString(), /error: MX of example\.com is not known: the resolver answers SERVFAIL/);
    assert.match(stdout.toString(), /error: TLSA of \S+ is not known/);
    assert.equal(code, 2);
  });

  testLong('what was not given is not looked at, and that is said', async () => {
    const { code, stdout } = await checked(text, 'good', []);
    assert.match(stdout.toString(), /note: DKIM was not looked at/);
    assert.match(stdout.toString(), /note: TLSA was not looked at/);
    assert.match(stdout.toString(), /note: _mta-sts\S+ is .*its id is not/, 'since no certificate is known');
    assert.equal(code, 0, stdout.toString());
  });

  test('a resolver that is not there is no finding: try again', async () => {
    const { code, stdout, stderr } = await dns('--check', '--resolver', '127.0.0.1:1');
    assert.match(stderr, /^sealdir: nothing was checked: the resolver 127\.0\.0\.1:1 cannot be asked/);
    assert.equal(stdout.toString(), '');
    assert.equal(code, 75);
  });

  /** Puts the record of another key in place of the one of "mail". */
  function otherDkim(zone: string): string {
    return zone.replace(/(mail\._domainkey\.\S+ 3600 IN TXT ).*/, (_, head: string) => `${head}${otherKey}`);
  }
  let otherKey = '';
  before(async () => {
    const { stdout } = await dns('--dkim', `mail=${at('other.private')}`);
    otherKey = /^mail\._domainkey\S+ 3600 IN TXT (.*)$/m.exec(stdout.toString())?.[1] ?? '';
    assert.match(otherKey, /^"v=DKIM1; k=rsa; p=.{237}" ".*"$/);
    assert.ok(!(await readFile(at('other.private'), 'utf8')).includes(otherKey.slice(20, 80)));
  });
});

function withoutNth(type: string, n: number) {
  return (zone: string): string => {
    const lines = zone.split('\n');
    const found = lines.flatMap((line, index) => (line.includes(` IN ${type} `) ? [index] : []));
    return lines.filter((_, index) => index !== found[n]).join('\n');
  };
}
