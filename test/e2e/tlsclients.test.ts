// Certificates of clients: who may deliver, who may not, and what the log says.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { deliver } from '../support/lmtp.ts';
import { shortOf, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { type Authority, connectTls, openAuthority, sClient, startTls } from '../support/tls.ts';
import { ALICE, startTlsServer, type TlsServer } from '../support/tlsserver.ts';
import { until } from '../support/until.ts';

const MESSAGE = Buffer.from('Subject: x\r\n\r\nhello\r\n');
const MUST = 'require_tls = true';
const CA = 'client_ca = "DIR/ca/authority.pem"\n';
const NAMES = 'client_names = ["relay.example.com", "other.example.com"]\n';

interface Case {
  readonly name: string;
  /** Makes the certificate of the client; undefined: it has none. */
  make(
    own: Authority,
    strange: Authority,
  ): Promise<{ readonly pem: string; readonly key: string } | undefined>;
  /** In the log, if it is not accepted. */
  readonly why?: RegExp;
}

const CASES: readonly Case[] = [
  { name: 'without a certificate', make: async () => undefined, why: /it showed no certificate/ },
  {
    name: 'of another authority',
    make: (_, strange) => strange.certify('relay.example.com', { names: ['relay.example.com'] }),
    why: /does not lead to tls\.client_ca \(\w+\)/,
  },
  {
    name: 'with another name',
    make: (own) => own.certify('else.example.com', { names: ['else.example.com'] }),
    why: /none of the names in tls\.client_names/,
  },
  {
    name: 'with a wildcard in the place of a name',
    make: (own) => own.certify('wild', { names: ['*.example.com'] }),
    why: /none of the names in tls\.client_names/,
  },
  {
    name: 'with a certificate for servers only',
    make: (own) => own.certify('servers', { names: ['relay.example.com'], usage: 'serverAuth' }),
    why: /does not lead to tls\.client_ca \(\w+\)/,
  },
  {
    name: 'with an expired certificate',
    make: (own) => own.certify('expired', { names: ['relay.example.com'], days: -1 }),
    why: /does not lead to tls\.client_ca \(CERT_HAS_EXPIRED\)/,
  },
  { name: 'with its name as DNS name', make: (own) => own.certify('x', { names: ['relay.example.com'] }) },
  { name: 'with its name as CN', make: (own) => own.certify('other.example.com', { kind: 'rsa' }) },
  {
    name: 'with its name as CN beside another DNS name',
    make: (own) => own.certify('relay.example.com', { names: ['else.example.com'], usage: 'clientAuth' }),
  },
];

describe('clients and their certificates', needs('openssl'), () => {
  let server: TlsServer;
  let strange: Authority;
  before(async () => {
    server = await startTlsServer({ processes: 2, lmtp: MUST, tls: CA + NAMES });
    strange = await openAuthority(server.directory, 'strange');
  });
  after(() => server?.stop());

  for (const { name, make, why } of CASES) {
    for (const version of shortOf(['TLSv1.3', 'TLSv1.2'] as const, 1)) {
      const verdict = why === undefined ? 'may deliver' : 'is deferred at MAIL';
      test(`F41: a client ${name} ${verdict}, ${version}`, async () => {
        const made = await make(server.authority, strange);
        const own = made && { cert: await readFile(made.pem), key: await readFile(made.key) };
        const options = { ...own, minVersion: version, maxVersion: version };
        for (const open of [
          () => startTls(server.port, options),
          () => connectTls(server.tlsPort, options),
        ]) {
          const before = server.process.output().length;
          const session = await open();
          await session.say('LHLO x');
          const { final } = await deliver(session, { to: [ALICE], message: MESSAGE });
          const news = () => server.process.output().slice(before);
          if (why === undefined) {
            assert.match(final[0] ?? '', /^250 2\.0\.0 /);
            assert.doesNotMatch(news(), /"TLS client"/);
          } else {
            assert.deepEqual(final, []);
            assert.match(
              await session.say('MAIL FROM:<>'),
              /^454 4\.7\.0 Client certificate is not accepted$/,
            );
            await until('it is logged', () => /"level":40,.*"TLS client"/.test(news()));
            assert.match(news(), why);
          }
          await session.vanish();
        }
      });
    }
  }

  test('a client that takes up a session of before is asked for its certificate again', async () => {
    const { pem, key } = await server.authority.certify('again', { names: ['relay.example.com'] });
    const own = ['-cert', pem, '-key', key];
    for (const version of ['-tls1_2', '-tls1_3']) {
      const file = server.at('session');
      const dialogue = 'LHLO x\nMAIL FROM:<>\nQUIT\n';
      assert.match(
        await sClient(server.tlsPort, [version, ...own, '-sess_out', file], dialogue),
        /^250 2\.1\.0/m,
      );
      const again = await sClient(server.tlsPort, [version, '-sess_in', file], dialogue);
      assert.match(again, /^454 4\.7\.0/m);
      const withOwn = await sClient(server.tlsPort, [version, ...own, '-sess_in', file], dialogue);
      assert.match(withOwn, /^250 2\.1\.0/m);
    }
  });
});

testLong(
  'without tls.client_names every client that the authority has signed may deliver',
  {
    ...needs('openssl'),
  },
  async () => {
    const server = await startTlsServer({ lmtp: MUST, tls: CA });
    try {
      const { pem, key } = await server.authority.certify('anybody');
      const session = await connectTls(server.tlsPort, {
        cert: await readFile(pem),
        key: await readFile(key),
      });
      await session.say('LHLO x');
      assert.match((await deliver(session, { to: [ALICE], message: MESSAGE })).final[0] ?? '', /^250 /);
      await session.vanish();
    } finally {
      await server.stop();
    }
  },
);
