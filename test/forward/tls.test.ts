// TLS towards a next hop: with STARTTLS and from the start, and for nobody but who is meant.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isExposed, type NextHop, parseNextHop } from '../../src/core/nexthop.ts';
import { openConnection } from '../../src/forward/opening.ts';
import { startNextHop } from '../support/nexthop.ts';
import { type Authority, openAuthority } from '../support/tls.ts';

describe('TLS towards a next hop', () => {
  let directory: string;
  let authority: Authority;
  let ca: string;
  const certified = async (name: string) => {
    const { pem, key } = await authority.certify(name, { names: [name] });
    return { cert: await readFile(pem), key: await readFile(key), minVersion: 'TLSv1.2' as const };
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-hoptls-'));
    authority = await openAuthority(directory);
    ca = await readFile(authority.file, 'utf8');
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const hopAt = (scheme: 'lmtp' | 'lmtps', port: number): NextHop => {
    const hop = parseNextHop(`${scheme}:inet:localhost:${port}`);
    assert.ok(typeof hop !== 'string');
    return hop;
  };
  const options = { host: 'mx.example.com', needsTls: false };

  for (const [scheme, begins] of [
    ['lmtp', false],
    ['lmtps', true],
  ] as const)
    test(`${scheme}: it has to have a certificate for its name, by an authority that is trusted`, async () => {
      const open = async (name: string, trusted: string | undefined) => {
        const server = await startNextHop({ tls: { ...(await certified(name)), begins } });
        try {
          const hop = hopAt(scheme, server.port);
          const connection = await openConnection({ ...options, hop, ca: trusted, needsTls: !begins });
          assert.equal((await connection.say('RSET')).code, 250);
          connection.destroy();
        } finally {
          await server.stop();
        }
        return { said: server.said, heard: Buffer.concat(server.heard).toString('latin1') };
      };
      const { said, heard } = await open('localhost', ca);
      assert.deepEqual(
        said,
        begins
          ? ['LHLO mx.example.com', 'RSET']
          : ['LHLO mx.example.com', 'STARTTLS', 'LHLO mx.example.com', 'RSET'],
      );
      assert.ok(!heard.includes('RSET'), 'it is not said in clear');
      await assert.rejects(open('other.example', ca), /does not match|altnames/i);
      await assert.rejects(open('localhost', undefined), /certificate|self.signed|issuer/i);
    });

  test('where TLS is needed and not offered, or refused, nothing else is said', async () => {
    for (const tls of [undefined, await certified('localhost')]) {
      const server = await startNextHop({
        ...(tls && { tls }),
        script: (step) => (step === 'STARTTLS' ? '454 4.7.0 not now' : undefined),
      });
      const opening = openConnection({ ...options, hop: hopAt('lmtp', server.port), ca, needsTls: true });
      await assert.rejects(opening, tls === undefined ? /offers no STARTTLS/ : /454 4\.7\.0/);
      assert.ok(!server.said.some((line) => /^(MAIL|RCPT|DATA)/.test(line)));
      await server.stop();
    }
  });

  test('what comes in clear after the reply to STARTTLS is not believed', async () => {
    const server = await startNextHop({
      tls: await certified('localhost'),
      script: (step) => (step === 'STARTTLS' ? '220 2.0.0 go ahead\r\n250 2.0.0 injected' : undefined),
    });
    const opening = openConnection({ ...options, hop: hopAt('lmtp', server.port), ca, needsTls: true });
    await assert.rejects(opening, /goes on in clear after STARTTLS/);
    await server.stop();
  });

  test('TLS is needed beyond the loopback, and there alone', () => {
    const exposed = (text: string) => isExposed(parseNextHop(text) as NextHop);
    for (const text of [
      'lmtp:inet:mail.example.com:24',
      'lmtp:inet:192.0.2.1:24',
      'lmtp:inet:[2001:db8::1]:24',
    ])
      assert.ok(exposed(text), text);
    for (const text of [
      'lmtp:unix:/run/lmtp',
      'lmtp:inet:127.0.0.1:24',
      'lmtp:inet:[::1]:24',
      'lmtps:inet:a.example:24',
    ])
      assert.ok(!exposed(text), text);
  });
});
