// A real Postfix hands real messages over, through a Unix socket and through TCP.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openCorpus } from '../support/corpus.ts';
import { FIXTURES } from '../support/fixtures.ts';
import { testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { type Postfix, startPostfix } from '../support/postfix.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';
import { submit } from '../support/submit.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

// Postfix adds these fields if they are missing.
const COMPLETE =
  'From: a@example.org\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n';
const ADDRESSES = ['alice@example.com', 'bob@example.com', 'carol@example.net'];

/** How recipients that nobody has are counted. */
async function unknownCounted({ metrics }: TestServer): Promise<string[]> {
  const text = await (await fetch(`${metrics}/metrics`)).text();
  const rows = text.matchAll(/^sealdir_recipients_total\{verdict="(\w+)",why="unknownRecipient"\} (\d+)$/gm);
  return [...rows].map(([, verdict, count]) => `${verdict} ${count}`);
}

for (const kind of ['unix', 'inet'] as const) {
  describe(`Postfix over lmtp:${kind}`, needs('root', 'postfix'), () => {
    const keys: Record<string, TestKey> = {};
    let directory = '';
    let server: TestServer;
    let postfix: Postfix;

    before(async () => {
      for (const address of ADDRESSES) keys[address] = await makeKey(address);
      const jorg = await makeKey('jorg@example.com');
      const expired = await makeKey('x@example.com', {
        date: new Date(Date.now() - 86_400_000),
        expiresAfter: 60,
      });
      const certificates = Object.fromEntries(
        ADDRESSES.map((address) => [address, keys[address]?.certificate ?? '']),
      );
      server = await startSealdir({
        keys: {
          ...certificates,
          'jörg@example.com': jorg.certificate,
          'expired@example.com': expired.certificate,
        },
      });
      keys['jörg@example.com'] = jorg;
      directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
      const transport =
        kind === 'unix' ? `lmtp:unix:${server.socketPath}` : `lmtp:inet:127.0.0.1:${server.port}`;
      postfix = await startPostfix({ dir: directory, transport, domains: ['example.com', 'example.net'] });
    });
    after(async () => {
      await postfix.stop();
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    });

    const settled = () => until('the queue is empty', async () => (await postfix.queue()).length === 0);
    const statuses = () => [...postfix.log().matchAll(/to=<([^>]*)>.*dsn=([\d.]+), status=(\w+)/g)];

    test('three recipients with different keys each get a copy that their key opens', async () => {
      const body = Buffer.from('caf\xe9 \x00 .\r\n..dots\r\n', 'latin1');
      const message = Buffer.concat([
        Buffer.from(COMPLETE), // Postfix adds what is missing
        Buffer.from('Subject: to three\r\nX-Raw: gr\xfc\xdfe\r\n\r\n', 'latin1'),
        body,
      ]);
      await submit(postfix.port, { from: 'sender@example.org', to: ADDRESSES, message });
      await settled();
      for (const address of ADDRESSES) {
        const stored = await server.stored(address);
        assert.ok(stored.includes(`Delivered-To: ${address}\n`));
        assert.ok(
          !ADDRESSES.some((other) => other !== address && stored.includes(other)),
          'no other recipient shows',
        );
        const opened = await readSealed(stored, keys[address] ?? { certificate: '', secretKey: '' });
        assert.ok(opened.includes(message), 'our message, behind the Received fields of Postfix');
      }
      const sent = statuses().filter(([, , , status]) => status === 'sent');
      assert.deepEqual(sent.map(([, to]) => to).sort(), ADDRESSES);
    });

    test('the log names the queue id of Postfix, whatever the message and the client say of ids', async () => {
      const forged = 'Received: from a by mx.postfix.test (Postfix) with ESMTP id F0RGED; Sat\r\n';
      const message = Buffer.from(`${forged}${COMPLETE}Subject: id\r\n\r\nx\r\n`);
      await submit(postfix.port, { from: 'ids@example.org', to: ['alice@example.com'], message });
      await settled();
      const sealed = /: (\w+): to=<alice@example\.com>.*\(250 2\.0\.0 Sealed ([0-9a-f]{16})\)/g;
      const [, queueId, id] = [...postfix.log().matchAll(sealed)].at(-1) ?? [];
      assert.ok(queueId && id, postfix.log());
      const lines = server.log.map((line) => JSON.parse(line) as Record<string, unknown>);
      assert.deepEqual(
        lines.filter(({ sender }) => sender === 'ids@example.org').map((line) => [line.id, line.queueId]),
        [[id, queueId]],
      );
    });

    testLong('an internationalized recipient and raw UTF-8 header fields arrive whole', async () => {
      const message = Buffer.from(
        `${COMPLETE}X-From: jürgen@bücher.example\r\nSubject: Grüße 你好\r\n\r\nhallo\r\n`,
      );
      const parameters = 'SMTPUTF8 BODY=8BITMIME';
      await submit(postfix.port, {
        from: 'jürgen@bücher.example',
        to: ['jörg@example.com'],
        message,
        parameters,
      });
      await settled();
      const key = keys['jörg@example.com'];
      assert.ok(key);
      assert.ok((await readSealed(await server.stored('jörg@example.com'), key)).includes(message));
    });

    test('an unknown recipient bounces as 5.1.1 and an unusable key waits in the queue as 4.7.5', async () => {
      const message = Buffer.from('Subject: x\r\n\r\nx\r\n');
      await submit(postfix.port, { from: '', to: ['nobody@example.com'], message });
      await submit(postfix.port, { from: '', to: ['expired@example.com'], message });
      await until(
        'both were tried',
        () =>
          statuses().some(([, to]) => to === 'nobody@example.com') &&
          statuses().some(([, to]) => to === 'expired@example.com'),
      );
      const of = (address: string) =>
        statuses()
          .find(([, to]) => to === address)
          ?.slice(2, 4);
      assert.deepEqual(of('nobody@example.com'), ['5.1.1', 'bounced']);
      assert.deepEqual(of('expired@example.com'), ['4.7.5', 'deferred']);
      assert.deepEqual(await server.files('expired@example.com', 'new'), []);
      const counted = await unknownCounted(server);
      assert.deepEqual(counted, ['refused 1'], 'Postfix pipelines DATA: this was no probe');
    });

    const real = openCorpus();
    test('a hundred real messages arrive, none is refused', {
      skip: real.skip,
      timeout: 480_000,
    }, async () => {
      const before = (await server.files('bob@example.com', 'new')).length;
      const step = Math.floor(real.messages.length / 100);
      const some = Array.from({ length: 100 }, (_, index) => real.messages[index * step]).filter(
        (each) => each !== undefined,
      );
      for (const { wire } of [...some, ...FIXTURES.slice(0, 3).map(({ bytes }) => ({ wire: () => bytes }))]) {
        await submit(postfix.port, { from: 'a@example.org', to: ['bob@example.com'], message: wire() });
      }
      await until(
        'all have been delivered',
        async () => (await server.files('bob@example.com', 'new')).length === before + some.length + 3,
        60_000,
      );
    });
  });
}

testLong(
  'with the verification that README shows, Postfix refuses an unknown recipient before it takes the message',
  {
    ...needs('root', 'postfix'),
    timeout: 240_000,
  },
  async () => {
    const key = await makeKey('alice@example.com');
    const server = await startSealdir({ keys: { 'alice@example.com': key.certificate } });
    const dir = await mkdtemp(join(tmpdir(), 'sealdir-'));
    const settings = {
      smtpd_recipient_restrictions: 'reject_unauth_destination, reject_unverified_recipient',
      unverified_recipient_reject_code: '550',
      address_verify_poll_delay: '1s',
    };
    const transport = `lmtp:unix:${server.socketPath}`;
    const postfix = await startPostfix({ dir, transport, domains: ['example.com'], settings });
    try {
      const message = Buffer.from('Subject: x\r\n\r\nx\r\n');
      const to = (address: string) => submit(postfix.port, { from: 'a@example.org', to: [address], message });
      await assert.rejects(to('nobody@example.com'), /550 5\.1\.1 .*No such recipient here/);
      await until('the probe is counted', async () => (await unknownCounted(server)).length > 0);
      assert.deepEqual(await unknownCounted(server), ['probed 1'], 'a probe refuses no mail');
      await to('alice@example.com');
      await until(
        'it has arrived',
        async () => (await server.files('alice@example.com', 'new')).length === 1,
      );
    } finally {
      await postfix.stop();
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    }
  },
);
