// Cipher suites: the table against OpenSSL's own, the names that mail servers write, and what is weak.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getCiphers } from 'node:tls';
import { cipherAt, cipherNamed, cipherOf, versionOf, weaknessesOf } from '../../src/core/cipher.ts';
import { CIPHERS } from '../../src/core/ciphertable.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';

const ROWS = CIPHERS.trim()
  .split('\n')
  .map((line) => line.split(' '));

test('OpenSSL has the same codes and names', needs('openssl'), async () => {
  const { stdout } = await run('openssl', ['ciphers', '-V', '-stdname', 'ALL:COMPLEMENTOFALL:@SECLEVEL=0']);
  const known = new Map(
    [...stdout.toString().matchAll(/^ *0x(..),0x(..) - (\S+) +- (\S+)/gm)].map(
      ([, high, low, name, short]) => [name, { code: `0x${high}${low}`, short }],
    ),
  );
  assert.ok(known.size > 50);
  const both = ROWS.filter(([, name]) => known.has(name));
  assert.ok(both.length > 50, 'most rows can be compared');
  for (const [, name = ''] of both) {
    const { code, short } = cipherAt(name) ?? {};
    assert.deepEqual({ code, short }, known.get(name), name);
  }
});

test('no code, and no spelling of a name, stands twice', () => {
  const codes = ROWS.map(([code]) => code);
  assert.equal(new Set(codes).size, codes.length);
  for (const [, name = '', ...others] of ROWS)
    for (const each of [name, ...others]) assert.equal(cipherNamed(each)?.name, name, each);
});

test('every suite that Node offers without a shared secret is in the table', () => {
  const offered = getCiphers().filter((name) => !/psk|srp|ccm8|aria|dss/.test(name));
  assert.ok(offered.length > 20);
  for (const name of offered) assert.ok(cipherNamed(name) !== undefined, name);
});

test('names of GnuTLS, LibreSSL and IANA mean the same', () => {
  for (const [written, version, name] of [
    ['ECDHE_RSA_AES_256_GCM_SHA384', 'TLSv1.2', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'],
    ['ECDHE-RSA-AES256-GCM-SHA384', 'TLSv1.2', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'],
    ['RSA_AES_256_CBC_SHA1', 'TLSv1', 'TLS_RSA_WITH_AES_256_CBC_SHA'],
    ['AES256-SHA', 'TLSv1', 'TLS_RSA_WITH_AES_256_CBC_SHA'],
    ['EDH-RSA-DES-CBC3-SHA', 'TLSv1', 'TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA'],
    ['AEAD-AES256-GCM-SHA384', 'TLSv1.3', 'TLS_AES_256_GCM_SHA384'],
    ['ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM', 'TLSv1.3', 'TLS_AES_256_GCM_SHA384'],
    ['ECDHE_SECP256R1__ECDSA_SECP256R1_SHA256__CHACHA20_POLY1305', 'TLSv1.3', 'TLS_CHACHA20_POLY1305_SHA256'],
    ['ECDHE_SECP256R1__RSA_SHA256__AES_128_GCM', 'TLSv1.2', 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
  ] as const)
    assert.equal(cipherOf(written, version)?.name, name, written);
  assert.equal(cipherOf('MADE-UP', 'TLSv1.2'), undefined);
  assert.equal(cipherOf(`ECDHE_${'A_'.repeat(100_000)}__`, 'TLSv1.2'), undefined);
});

test('versions in all spellings, and nothing else', () => {
  for (const [written, version] of [
    ['TLSv1.3', 'TLSv1.3'],
    ['TLS1.3', 'TLSv1.3'],
    ['TLS1_2', 'TLSv1.2'],
    ['TLS1.0', 'TLSv1'],
    ['TLSv1/SSLv3', 'TLSv1'],
    ['TLSv1.1', 'TLSv1.1'],
    ['SSLv3', 'SSLv3'],
    ['TLSv9', 'other'],
    ['constructor', 'other'],
  ] as const)
    assert.equal(versionOf(written), version, written);
});

test('what is weak is named, and what is good is not', () => {
  const weak = (version: string, cipher: string) => weaknessesOf({ version, cipher });
  assert.deepEqual(weak('TLSv1.3', 'TLS_AES_256_GCM_SHA384'), []);
  assert.deepEqual(weak('TLSv1.2', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'), []);
  assert.deepEqual(weak('TLSv1.2', 'TLS_RSA_WITH_AES_256_CBC_SHA'), ['no forward secrecy']);
  assert.deepEqual(weak('TLSv1', 'TLS_RSA_WITH_3DES_EDE_CBC_SHA'), [
    'old version',
    '3DES',
    'no forward secrecy',
  ]);
  assert.deepEqual(weak('SSLv3', 'TLS_RSA_EXPORT_WITH_RC4_40_MD5'), [
    'old version',
    'export',
    'RC4',
    'MD5',
    'no forward secrecy',
  ]);
  assert.deepEqual(weak('TLSv1.2', 'TLS_ECDH_anon_WITH_AES_256_CBC_SHA'), ['anonymous']);
  assert.deepEqual(weak('none', 'none'), []);
});
