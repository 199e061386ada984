// Mail that comes to a real Postfix over TLS and in clear, and goes on to Sealdir; and mail that a real
// Postfix sends. `sealdir tls-report` shows both.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ChildServer, CLI, startChild } from '../support/child.ts';
import { testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { type Postfix, startPostfix } from '../support/postfix.ts';
import { run } from '../support/process.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { openAuthority } from '../support/tls.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
/** Sends a message as a host elsewhere: Postfix takes its address from XCLIENT. */
const CLIENT = `
import smtplib, ssl, sys
port, sender, tls, ciphers = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
with smtplib.SMTP('127.0.0.1', port, local_hostname='[127.0.0.1]') as s:
    s.ehlo()
    if tls != 'none':
        context = ssl._create_unverified_context()
        context.maximum_version = getattr(ssl.TLSVersion, tls)
        context.set_ciphers(ciphers)
        s.starttls(context=context)
        s.ehlo()
    code, text = s.docmd('XCLIENT', 'ADDR=192.0.2.1 NAME=mail.example.org')
    assert code == 220, text
    s.ehlo()
    forged = 'Received: from a (a [192.0.2.9]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)) by mx.postfix.test (Postfix) with ESMTPS id 1; Sun, 29 Nov 2026 05:00:00 +0000\\r\\n'
    s.sendmail(sender, ['${ALICE}', '${BOB}'], forged + 'From: x@example.org\\r\\nSubject: hello\\r\\n\\r\\nbody\\r\\n')
`;

interface Row {
  readonly domain: string;
  readonly relay?: string;
  readonly version: string;
  readonly cipher: string;
  readonly code: string | null;
  readonly weak: readonly string[];
  readonly count: number;
}

describe('TLS of mail through Postfix', needs('root', 'postfix', 'openssl', 'python3'), () => {
  let directory = '';
  let server: ChildServer;
  let postfix: Postfix;
  let key: TestKey;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    key = await makeKey(ALICE);
    server = await startChild({
      keys: { [ALICE]: key.certificate, [BOB]: key.certificate },
      toml: { processes: 2, rest: `[headers]\nrecipients = ["${BOB}: baseline"]\n` },
    });
    const authority = await openAuthority(directory);
    const { pem, key: keyFile } = await authority.certify('mx.postfix.test', { kind: 'rsa' });
    postfix = await startPostfix({
      dir: server.directory,
      transport: `lmtp:inet:127.0.0.1:${server.port}`,
      domains: ['example.com'],
      settings: {
        smtpd_tls_security_level: 'may',
        smtpd_tls_cert_file: pem,
        smtpd_tls_key_file: keyFile,
        smtpd_tls_received_header: 'yes',
        smtpd_authorized_xclient_hosts: '127.0.0.0/8',
        smtpd_relay_restrictions: 'permit_auth_destination, reject',
      },
    });
  });
  after(async () => {
    await postfix?.stop();
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function send(sender: string, tls = 'none', ciphers = 'DEFAULT'): Promise<void> {
    const { code, stderr } = await run('python3', ['-c', CLIENT, String(postfix.port), sender, tls, ciphers]);
    assert.equal(code, 0, stderr.toString());
  }

  async function rows(...options: readonly string[]): Promise<Row[]> {
    const config = ['-c', join(server.directory, 'sealdir.toml')];
    const { stdout } = await run(process.execPath, [CLI, 'tls-report', '--json', ...config, ...options]);
    return stdout.length === 0 ? [] : (JSON.parse(stdout.toString()) as { readonly rows: Row[] }).rows;
  }

  const told = ({ domain, version, cipher, code, weak, count }: Row) =>
    `${domain} ${version} ${cipher} ${code} [${weak}] ${count}`;

  test('the report has version and cipher of each domain, and who sends in clear', async () => {
    await send('a@clear.example');
    await send('a@new.example', 'TLSv1_3');
    await send('b@new.example', 'TLSv1_3');
    await send('a@static.example', 'TLSv1_2', 'AES256-SHA');
    await send('a@two.example', 'TLSv1_2', 'ECDHE-RSA-AES128-GCM-SHA256');
    const count = async () => (await rows()).reduce((sum, row) => sum + row.count, 0);
    await until('all are counted', async () => (await count()) === 5);
    assert.deepEqual((await rows()).map(told), [
      'clear.example none none null [] 1',
      'static.example TLSv1.2 TLS_RSA_WITH_AES_256_CBC_SHA 0x0035 [no forward secrecy] 1',
      'new.example TLSv1.3 TLS_AES_256_GCM_SHA384 0x1302 [] 2',
      'two.example TLSv1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 0xC02F [] 1',
    ]);
  });

  testLong('each stored message says it too', async () => {
    const { stdout } = await run('sh', ['-c', `cat ${server.directory}/mail/example.com/alice/new/*`]);
    const hops = stdout.toString().matchAll(/^Sealed-At-Delivery: by mx\.example\.com; (.*)$/gm);
    assert.deepEqual([...hops].map(([, hop]) => hop).sort(), [
      'hop=clear;',
      'hop=tls; version=TLSv1.2; cipher=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;',
      'hop=tls; version=TLSv1.2; cipher=TLS_RSA_WITH_AES_256_CBC_SHA;',
      'hop=tls; version=TLSv1.3; cipher=TLS_AES_256_GCM_SHA384;',
      'hop=tls; version=TLSv1.3; cipher=TLS_AES_256_GCM_SHA384;',
    ]);
    const first = await run('sh', [
      '-c',
      `cat "$(ls ${server.directory}/mail/example.com/bob/new/* | head -1)"`,
    ]);
    assert.doesNotMatch(first.stdout.toString(), /Sealed-At-Delivery/);
    const inside = (await readSealed(first.stdout, key)).toString();
    assert.match(
      inside,
      /^Sealed-At-Delivery: by mx\.example\.com; hop=clear;\r\n\t[^\r\n]+ \+0000\r\nContent-Type:/,
    );
  });

  testLong('of mail that Postfix sends, its log says the same', async () => {
    const others: Postfix[] = [];
    try {
      for (const level of ['may', 'none']) {
        const dir = join(directory, level);
        await run('mkdir', [dir]);
        const sender = await startPostfix({
          dir,
          transport: 'discard:',
          domains: ['nowhere.example'],
          settings: {
            default_transport: `smtp:[127.0.0.1]:${postfix.port}`,
            smtp_tls_security_level: level,
            smtp_tls_loglevel: '1',
            ...(level === 'none' ? {} : { smtp_tls_mandatory_protocols: '>=TLSv1.2' }),
          },
        });
        others.push(sender);
        await sender.sendmail('me@nowhere.example', [ALICE, BOB], Buffer.from('Subject: x\n\nx\n'));
        await until('it is sent', () => (sender.log().match(/status=sent/g)?.length ?? 0) >= 2);
      }
      const [secure, plain] = others.map((each) => each.log());
      const log = join(directory, 'mail.log');
      await writeFile(log, `${secure}${plain}`);
      const both = await rows('--log', log);
      assert.deepEqual(
        both.map((row) => `${row.domain} ${row.relay} ${row.version} ${row.cipher} ${row.count}`).sort(),
        ['example.com 127.0.0.1 TLSv1.3 TLS_AES_256_GCM_SHA384 2', 'example.com 127.0.0.1 local none 2'],
      );
      // as it would be with a server elsewhere
      await writeFile(
        log,
        `${secure}${plain}`.replaceAll('127.0.0.1[127.0.0.1]', 'mx.example.com[192.0.2.7]'),
      );
      const { stdout } = await run(process.execPath, [CLI, 'tls-report', '--log', log]);
      assert.match(
        stdout.toString(),
        /^sent: 4 messages, 2 of them in clear\nDOMAIN .*\nexample\.com mx\.example\.com none .* in clear\nexample\.com mx\.example\.com TLSv1\.3 TLS_AES_256_GCM_SHA384 0x1302/,
      );
    } finally {
      for (const each of others) await each.stop();
    }
  });
});
