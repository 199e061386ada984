// A real Postfix delivers through TLS, with and without a certificate of its own.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { needs } from '../support/peers.ts';
import { type Postfix, startPostfix } from '../support/postfix.ts';
import { repositoryRoot } from '../support/shared.ts';
import { submit } from '../support/submit.ts';
import { readSealed } from '../support/testkeys.ts';
import { exchange } from '../support/tls.ts';
import { ALICE, startTlsServer, type TlsServer } from '../support/tlsserver.ts';
import { until } from '../support/until.ts';

const MESSAGE = Buffer.from('Subject: x\r\n\r\nhello\r\n');

/** Returns what README says about TLS for main.cf, for the name of our certificate and without files. */
function documented(): Record<string, string> {
  const readme = readFileSync(join(repositoryRoot(), 'README.md'), 'utf8');
  const [, section = ''] = /^### TLS\n([\s\S]*?)^### /m.exec(readme) ?? [];
  const all = [...section.matchAll(/^(lmtp_tls_\w+) = (.*)$/gm)].map(([, name = '', value = '']) => [
    name,
    value,
  ]);
  assert.ok(all.length >= 5);
  const wanted = all.filter(([, value = '']) => !value.startsWith('/'));
  return Object.fromEntries(wanted.map(([name, value]) => [name, value?.replace(/^mail\./, 'mx.') ?? '']));
}

describe('Postfix over TLS', needs('root', 'postfix', 'openssl'), () => {
  let server: TlsServer;
  let directory = '';
  let postfix: Postfix | undefined;
  before(async () => {
    server = await startTlsServer({
      processes: 2,
      lmtp: 'require_tls = true',
      tls: 'client_ca = "DIR/ca/authority.pem"\nclient_names = ["relay.example.com"]\n',
    });
  });
  after(() => server?.stop());

  async function relay(settings: Record<string, string>): Promise<Postfix> {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    postfix = await startPostfix({
      dir: directory,
      transport: `lmtp:inet:127.0.0.1:${server.port}`,
      domains: ['example.com'],
      settings: {
        ...documented(),
        lmtp_tls_CAfile: server.authority.file,
        lmtp_tls_loglevel: '1',
        ...settings,
      },
    });
    return postfix;
  }

  async function end(): Promise<void> {
    await postfix?.stop();
    postfix = undefined;
    await rm(directory, { recursive: true, force: true });
  }

  const mailbox = () => join(server.directory, 'mail/example.com/alice/new');
  const send = (port: number) => submit(port, { from: 'a@example.org', to: [ALICE], message: MESSAGE });

  test('with its certificate it delivers, knows ours, and goes on when ours is replaced', async () => {
    const { pem, key } = await server.authority.certify('relay.example.com');
    const { port, log, queue } = await relay({ lmtp_tls_cert_file: pem, lmtp_tls_key_file: key });
    try {
      await send(port);
      await until('it is delivered', async () => /status=sent/.test(log()) && (await queue()).length === 0);
      assert.match(
        log(),
        /Verified TLS connection established to 127\.0\.0\.1.*TLSv1\.3 with cipher TLS_AES_256_GCM/,
      );
      const [file = ''] = await readdir(mailbox());
      const stored = await readFile(join(mailbox(), file));
      assert.match(
        stored.toString('latin1'),
        /\(using TLSv1\.3 with cipher TLS_AES_256_GCM_SHA384 \(256\/256 bits\)\)\n\tby mx\.example\.com with LMTPS id /,
      );
      assert.ok((await readSealed(stored, server.alice)).includes('hello'));
      const second = await server.authority.certify('second', { names: ['mx.example.com'] });
      await exchange(second.pem, server.at('ec.pem'));
      await exchange(second.key, server.at('ec.key'));
      await until('it is shown', () => server.process.output().includes('"certificates reloaded"'));
      await send(port);
      await until('it is delivered', async () => (await readdir(mailbox())).length === 2);
    } finally {
      await end();
    }
  });

  test('F41: without one its mail waits, and Postfix names the reason', async () => {
    const { port, log, queue } = await relay({});
    try {
      await send(port);
      await until('it was tried', () => /dsn=4\.7\.0, status=deferred/.test(log()));
      assert.match((await queue()).join(), /454 4\.7\.0 Client certificate is not accepted/);
      assert.match(server.process.output(), /"why":"it showed no certificate","msg":"TLS client"/);
    } finally {
      await end();
    }
  });
});
