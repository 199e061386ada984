// What check finds about certificates and their keys, and what a server does not start with.

import assert from 'node:assert/strict';
import { chmod, chown, copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import { type CheckedSite, makeCheckedSite, needsUsers, SERVER_UID } from '../support/checking.ts';
import { CLI } from '../support/child.ts';
import { shortOf, testLong } from '../support/long.ts';
import { freePort } from '../support/port.ts';
import { run, start } from '../support/process.ts';
import { makeKey } from '../support/testkeys.ts';
import { type Certified, openAuthority } from '../support/tls.ts';

const HOST = 'mx.example.com';

/** Makes NAME.pem and NAME.key, which belong to the user of the server. */
async function certify(site: CheckedSite, name: string, options: Certified = {}): Promise<void> {
  const authority = await openAuthority(site.directory, `authority-${name}`);
  const { pem, key } = await authority.certify(name, { names: [HOST], ...options });
  for (const path of [pem, key]) {
    await chown(path, SERVER_UID, SERVER_UID);
    await chmod(path, 0o600);
  }
}

function configure(site: CheckedSite, port: number, names = ['own'], more = ''): Promise<void> {
  const list = (ending: string) => JSON.stringify(names.map((name) => site.at(`${name}.${ending}`)));
  return site.configure({
    lmtp: `listen = ["${site.at('run/lmtp.sock')}", "tls://127.0.0.1:${port}"]`,
    tls: `certificate = ${list('pem')}\nkey = ${list('key')}\n${more}`,
  });
}

interface Oddity {
  readonly name: string;
  arrange(site: CheckedSite, port: number): Promise<unknown>;
  readonly says: RegExp;
  readonly code: 1 | 2;
}

const ODDITIES: readonly Oddity[] = [
  {
    name: 'a certificate that expires soon',
    arrange: (site) => certify(site, 'own', { days: 10 }),
    says: /warning: tls\.certificate: \S+own\.pem expires in (9|10) days\n/,
    code: 1,
  },
  {
    name: 'one that has expired',
    arrange: (site) => certify(site, 'own', { days: -1 }),
    says: /error: tls\.certificate: \S+own\.pem has expired on /,
    code: 2,
  },
  {
    name: 'one for another name',
    arrange: (site) => certify(site, 'own', { names: ['mail.example.com'] }),
    says: /warning: tls\.certificate: \S+own\.pem is not for mx\.example\.com/,
    code: 1,
  },
  {
    name: 'a key that everybody may read',
    async arrange(site) {
      await certify(site, 'own');
      await chmod(site.at('own.key'), 0o604);
    },
    says: /error: tls\.key: every user of this machine may read \S+own\.key\n.*\n +fix: chmod o= '/,
    code: 2,
  },
  {
    name: 'a key that everybody may replace',
    async arrange(site) {
      await certify(site, 'own');
      await chmod(site.at('own.key'), 0o602);
    },
    says: /error: tls\.key, tls\.client_ca: everybody may exchange \S+own\.key\n.*\n +fix: chmod go-w '/,
    code: 2,
  },
];

interface Fault {
  readonly name: string;
  arrange(site: CheckedSite, port: number): Promise<unknown>;
  /** In the error of `check`, and in the last words of `serve`. */
  readonly says: RegExp;
}

const FAULTS: readonly Fault[] = [
  {
    name: 'no certificate there',
    arrange: (site) => rm(site.at('own.pem')),
    says: /tls\.certificate: \S+own\.pem cannot be read \(ENOENT\)/,
  },
  {
    name: 'a key that the server may not read',
    arrange: (site) => chown(site.at('own.key'), 0, 0),
    says: /tls\.key: \S+own\.key cannot be read \(EACCES\)/,
  },
  {
    name: 'half a certificate',
    arrange: async (site) =>
      writeFile(site.at('own.pem'), (await readFile(site.at('own.pem'))).subarray(0, 300)),
    says: /tls\.certificate: \S+own\.pem is no certificate/,
  },
  {
    name: 'the key of another certificate',
    async arrange(site) {
      await certify(site, 'other');
      await copyFile(site.at('other.key'), site.at('own.key'));
    },
    says: /tls\.key: \S+own\.key is not the key of \S+own\.pem/,
  },
  {
    name: 'a key of another kind',
    async arrange(site) {
      await certify(site, 'other', { kind: 'rsa' });
      await copyFile(site.at('other.key'), site.at('own.key'));
    },
    says: /tls\.key: \S+own\.key is not the key of \S+own\.pem/,
  },
  {
    name: 'a key with a passphrase',
    async arrange(site) {
      const key = site.at('own.key');
      const { code } = await run('openssl', ['ec', '-in', key, '-out', key, '-aes256', '-passout', 'pass:x']);
      assert.equal(code, 0);
      await chown(key, SERVER_UID, SERVER_UID);
    },
    says: /tls\.key: \S+own\.key is no key without a passphrase/,
  },
  {
    name: 'two certificates of one kind',
    async arrange(site, port) {
      await certify(site, 'other');
      await configure(site, port, ['own', 'other']);
    },
    says: /tls\.certificate: \S+other\.pem: there is another one for ECDSA/,
  },
  {
    name: 'an RSA key that is too short',
    async arrange(site) {
      const request = [
        'req',
        '-x509',
        '-newkey',
        'rsa:1024',
        '-nodes',
        '-subj',
        `/CN=${HOST}`,
        '-days',
        '30',
      ];
      const { code } = await run('openssl', [
        ...request,
        '-keyout',
        site.at('own.key'),
        '-out',
        site.at('own.pem'),
      ]);
      assert.equal(code, 0);
      for (const each of ['own.pem', 'own.key']) await chown(site.at(each), SERVER_UID, SERVER_UID);
    },
    says: /tls\.certificate: \S+own\.pem cannot be used: its key is too small \(1024 bits\)/,
  },
  {
    name: 'an authority for clients that is none',
    async arrange(site, port) {
      await writeFile(site.at('ca.pem'), 'x');
      const lmtp = `listen = ["${site.at('run/lmtp.sock')}", "tls://127.0.0.1:${port}"]\nrequire_tls = true`;
      const tls = `certificate = ["${site.at('own.pem')}"]\nkey = ["${site.at('own.key')}"]\nclient_ca = "${site.at('ca.pem')}"`;
      await site.configure({ lmtp, tls });
    },
    says: /tls\.client_ca: \S+ca\.pem is no certificate/,
  },
  {
    name: 'mail in clear beyond the loopback',
    arrange: (site, port) =>
      site.configure({ lmtp: `listen = ["${site.at('run/lmtp.sock')}", "0.0.0.0:${port}"]` }),
    says: /lmtp\.listen: mail could come in clear on 0\.0\.0\.0, which is not the loopback/,
  },
];

describe('check, of certificates', needsUsers(), () => {
  let certificate = '';
  before(async () => {
    ({ certificate } = await makeKey('alice@example.com'));
  });

  async function fresh() {
    const site = await makeCheckedSite({ 'alice@example.com': certificate });
    const port = await freePort();
    await certify(site, 'own');
    await configure(site, port);
    return { site, port };
  }

  for (const { name, arrange, says, code } of shortOf(ODDITIES, 1)) {
    test(`${name}: ${code === 1 ? 'a warning' : 'an error'}`, async () => {
      const { site, port } = await fresh();
      await arrange(site, port);
      const found = await site.check();
      await site.remove();
      assert.match(found.text, says);
      assert.match(found.text, code === 1 ? /: 0 errors, 1 warnings\n$/ : /: 1 errors, 0 warnings\n$/);
      assert.equal(found.code, code);
    });
  }

  for (const { name, arrange, says } of shortOf(FAULTS, 1)) {
    test(`${name}: an error of check, and the end of serve`, async () => {
      const { site, port } = await fresh();
      await arrange(site, port);
      const found = await site.check();
      const served = await site.sealdir('serve');
      await site.remove();
      assert.match(found.text, says);
      assert.equal(found.code, 2, found.text);
      assert.match(served.stderr, says);
      assert.equal(served.code, 78, served.stderr);
    });
  }

  testLong('a good pair is no finding, and neither is the server that shows it', async () => {
    const { site, port } = await fresh();
    const idle = await site.check();
    assert.match(idle.text, /: 0 errors, 0 warnings\n$/);
    const args = [`--reuid=${SERVER_UID}`, `--regid=${SERVER_UID}`, '--clear-groups', process.execPath];
    const ready = (output: string) => output.includes(`"tls://127.0.0.1:${port}"`);
    const serve = [...args, CLI, 'serve', '-c', site.at('sealdir.toml')];
    const server = await start('setpriv', serve, { ready, env: site.withoutPostfix });
    const { text } = await site.check();
    await server.stop();
    await site.remove();
    assert.match(text, /: 0 errors, 0 warnings\n$/);
  });

  testLong(
    'TCP beyond the loopback is taken where TLS is required, and where it is allowed in clear',
    async () => {
      for (const more of shortOf(['require_tls = true', 'plain_beyond_loopback = true'], 1)) {
        const { site, port } = await fresh();
        const text = await readFile(site.at('sealdir.toml'), 'utf8');
        const listen = `listen = ["0.0.0.0:${port}"]\n${more}`;
        await writeFile(site.at('sealdir.toml'), text.replace(/^listen = \["\/.*$/m, listen));
        const ready = (output: string) => output.includes(`"0.0.0.0:${port}"`);
        const args = [`--reuid=${SERVER_UID}`, `--regid=${SERVER_UID}`, '--clear-groups', process.execPath];
        const serve = [...args, CLI, 'serve', '-c', site.at('sealdir.toml')];
        const server = await start('setpriv', serve, { ready, env: site.withoutPostfix });
        assert.equal(await server.stop(), 0);
        await site.remove();
      }
    },
  );
});
