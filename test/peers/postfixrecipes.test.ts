// What else a real Postfix does with the files of config/postfix: probes, connections that are used again,
// flags, a transport for some users only, and TLS between servers.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SENDER_DOMAIN } from '../support/exim.ts';
import { type LmtpSite, startPostfixSite } from '../support/lmtpsite.ts';
import { testLong } from '../support/long.ts';
import { shipped } from '../support/mailhost.ts';
import { SENDER } from '../support/mta.ts';
import { needs } from '../support/peers.ts';
import { type Postfix, startPostfix } from '../support/postfix.ts';
import { submit } from '../support/submit.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { type Authority, openAuthority, sClient } from '../support/tls.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const MESSAGE = Buffer.from('Subject: x\r\n\r\nhello\r\n');
const DOR = 'dor unix - - y - - lmtp flags=DOR\n';

describe('Postfix with socket.main.cf', needs('root', 'postfix', 'python3', 'unshare'), () => {
  let site: LmtpSite & { readonly postfix: Postfix };
  let key: TestKey;
  before(async () => {
    site = await startPostfixSite('Postfix, Unix socket', {
      services: DOR,
      settings: {
        transport_maps: `inline:{${SENDER_DOMAIN}=returns:,dor@example.com=dor:unix:private/sealdir}`,
        dor_destination_recipient_limit: '1', // flag D asks for it
        lmtp_connection_cache_destinations: 'private/sealdir',
        lmtp_connection_cache_time_limit: '60s',
      },
    });
    key = await makeKey(ALICE);
    for (const address of [ALICE, 'dor@example.com']) await site.setKey(address, key.certificate);
  });
  after(() => site?.stop());

  const isLogged = (what: RegExp) =>
    until(`the log has ${what}`, () => what.test(site.postfix.log()), 30_000);
  const counted = async () => {
    const [, metrics] = /"metrics":"([^"]+)"/.exec(site.server?.output() ?? '') ?? [];
    const text = await (await fetch(`http://${metrics}/metrics`)).text();
    const rows = text.matchAll(/^sealdir_recipients_total\{verdict="(\w+)",why="(\w+)"\} (\d+)$/gm);
    return [...rows].map(([, verdict, why, count]) => `${verdict} ${why} ${count}`);
  };

  test('a probe ends with RSET: it stores nothing, and refuses no mail', async () => {
    for (const [address, status] of [
      [ALICE, 'deliverable'],
      ['nobody@example.com', 'undeliverable'],
    ] as const) {
      await site.postfix.sendmail(SENDER, [address], Buffer.alloc(0), ['-bv']);
      await isLogged(new RegExp(`to=<${address}>,.* status=${status} `));
    }
    await until('it is counted', async () => (await counted()).length > 0);
    assert.deepEqual(await counted(), ['probed unknownRecipient 1']);
    assert.deepEqual(await site.stored(ALICE), []);
  });

  testLong('a connection that is kept is used for the next message', async () => {
    for (let count = 1; count <= 3; count += 1) {
      await submit(site.postfix.port, { from: SENDER, to: [ALICE], message: MESSAGE });
      await until('it is there', async () => (await site.stored(ALICE)).length === count);
    }
    await isLogged(/conn_use=\d.*status=sent/);
  });

  test('with flags=DOR its fields are in the sealed message, and those of Sealdir outside', async () => {
    await submit(site.postfix.port, { from: SENDER, to: ['dor@example.com'], message: MESSAGE });
    await until('it is there', async () => (await site.stored('dor@example.com')).length === 1);
    const [stored = Buffer.alloc(0)] = await site.stored('dor@example.com');
    const fields =
      /^Return-Path: <me@sender\.test>\r?\n(?:X-Original-To: .*\r?\n)?Delivered-To: dor@example\.com\r?\n/m;
    assert.match(stored.toString('latin1'), fields);
    const opened = (await readSealed(stored, key)).toString('latin1');
    assert.match(
      opened,
      /^Return-Path: <me@sender\.test>\r\nX-Original-To: dor@example\.com\r\nDelivered-To: /,
    );
  });
});

test('with enrolled.main.cf those with a key have their mail sealed, and all others go on as before', {
  ...needs('root', 'postfix', 'python3', 'unshare', 'getent'),
  timeout: 480_000,
}, async () => {
  const others = `mail-${process.pid}.test`;
  const site = await startPostfixSite('Postfix, Unix socket', {
    main: shipped('postfix/enrolled.main.cf'),
    settings: {
      virtual_mailbox_domains: 'example.com',
      virtual_transport: 'discard:to where it went before',
      virtual_mailbox_maps: 'static:all',
      mydestination: others,
      local_transport: 'discard:to a local user',
      local_recipient_maps: 'proxy:unix:passwd.byname',
    },
  });
  try {
    await site.setKey(ALICE, (await makeKey(ALICE)).certificate);
    const to = [ALICE, 'alice.list@example.com', 'bob@example.com', `daemon@${others}`];
    await submit(site.postfix.port, { from: 'me@example.org', to, message: MESSAGE });
    const refused = submit(site.postfix.port, { from: '', to: [`no-such-user@${others}`], message: MESSAGE });
    await assert.rejects(refused, /550 5\.1\.1/);
    const became = (address: string) =>
      new RegExp(`to=<${address}>,.* status=sent \\((.*)\\)`).exec(site.postfix.log())?.[1] ?? '';
    await until('all are sent', () => to.every((address) => became(address) !== ''), 30_000);
    assert.deepEqual(
      to.map((address) => became(address).replace(/ [0-9a-f]{16}$/, '')),
      ['250 2.0.0 Sealed', '250 2.0.0 Sealed', 'to where it went before', 'to a local user'],
    );
  } finally {
    await site.stop();
  }
});

describe('Postfix with tls.main.cf', needs('root', 'postfix', 'openssl'), () => {
  let directory = '';
  let authority: Authority;
  let receiver: Postfix;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    authority = await openAuthority(directory);
    for (const [name, kind] of [
      ['ecdsa', 'ec'],
      ['rsa', 'rsa'],
    ] as const)
      await authority.certify(name, { kind, names: ['mx.example.com'] });
    receiver = await startWith('receiver', 'discard:');
  });
  after(async () => {
    await receiver?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function startWith(name: string, transport: string): Promise<Postfix> {
    const dir = await mkdtemp(join(directory, `${name}-`));
    return startPostfix({
      dir,
      transport,
      domains: name === 'receiver' ? [] : [SENDER_DOMAIN, 'example.com'],
      ...(name === 'receiver' ? { returns: SENDER_DOMAIN } : {}),
      main: shipped('postfix/tls.main.cf').replaceAll('/etc/postfix/tls', directory),
      settings: { myhostname: `${name}.postfix.test` },
    });
  }
  const hello = (...args: string[]) =>
    sClient(receiver.port, ['-starttls', 'smtp', ...args], 'EHLO client.test\nQUIT\n');

  test('a client has the certificate that it can use, with TLS 1.2 or 1.3', async () => {
    for (const version of ['-tls1_2', '-tls1_3']) {
      const versions = version === '-tls1_2' ? 'TLSv1.2' : 'TLSv1.3';
      for (const [sigalgs, type] of [
        ['ECDSA+SHA256', 'ECDSA'],
        ['RSA-PSS+SHA256', 'RSA-PSS'],
      ] as const) {
        const said = await hello(version, '-sigalgs', sigalgs);
        assert.match(said, new RegExp(`Peer signature type: ${type}`));
        assert.match(said, new RegExp(`New, ${versions}, Cipher is [^(]`));
        assert.match(said, /250 CHUNKING|250[ -]SMTPUTF8/);
      }
    }
  });

  testLong('no older version is spoken, and no key is sent by RSA', async () => {
    for (const args of [
      ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'],
      ['-tls1_2', '-cipher', 'kRSA:@SECLEVEL=0'],
      ['-tls1_2', '-cipher', 'aNULL:@SECLEVEL=0'],
    ])
      assert.match(await hello(...args), /Cipher is \(NONE\)/, args.join(' '));
  });

  test('from server to server mail goes with TLS, which the Received field and both logs name', async () => {
    const sender = await startWith('sender', `smtp:[127.0.0.1]:${receiver.port}`);
    try {
      await submit(sender.port, { from: 'me@example.org', to: [SENDER], message: MESSAGE });
      await until('it is there', async () => (await receiver.bounces()).length === 1, 30_000);
      const suite = /TLSv1\.3 with cipher TLS_AES_256_GCM_SHA384/;
      assert.match(
        (await receiver.bounces()).join(),
        new RegExp(`\\(using ${suite.source} \\(256/256 bits\\)`),
      );
      assert.match(sender.log(), new RegExp(`TLS connection established to .*${suite.source}`));
      assert.match(receiver.log(), new RegExp(`TLS connection established from .*${suite.source}`));
    } finally {
      await sender.stop();
    }
  });

  testLong('a server without TLS is sent mail in clear', async () => {
    const dir = await mkdtemp(join(directory, 'plain-'));
    const plain = await startPostfix({ dir, transport: 'discard:', domains: ['example.com'] });
    const sender = await startWith('sender', `smtp:[127.0.0.1]:${plain.port}`);
    try {
      await submit(sender.port, { from: 'me@example.org', to: [ALICE], message: MESSAGE });
      await until('it is sent', () => /to=<alice@example\.com>,.* status=sent/.test(sender.log()), 30_000);
    } finally {
      await sender.stop();
      await plain.stop();
    }
  });
});
