// The store of others, played by a script on real sockets: whatever it answers, and wherever it breaks off,
// each recipient is told what became of their copy, and nothing is acknowledged that it has not.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { messageWith, newCanaries, shownIn } from '../support/canary.ts';
import { filesBelow } from '../support/delivery.ts';
import { armored, pgpMime } from '../support/encrypted.ts';
import { FIXTURES, messageOfSize } from '../support/fixtures.ts';
import { type FreshKey, freshKey, openSealed } from '../support/freshkey.ts';
import { deliver, type LmtpClient, openSession } from '../support/lmtp.ts';
import { shortOf } from '../support/long.ts';
import {
  type NextHopOptions,
  type NextHopServer,
  OFFERS,
  type Script,
  type Step,
  startNextHop,
} from '../support/nexthop.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';
import { until } from '../support/until.ts';

const [ALICE, BOB, CAROL] = ['alice@example.com', 'bob@example.com', 'carol@example.com'] as const;
/** One is held, the other is sent as it is made. */
const SMALL = messageOfSize(5000);
const LARGE = messageOfSize(400_000);
const BOTH = [
  ['small', SMALL],
  ['large', LARGE],
] as const;

describe('a store behind LMTP', () => {
  let directory: string;
  let path: string;
  let key: FreshKey;
  let sealdir: TestServer;
  let session: LmtpClient;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-hop-'));
    path = join(directory, 'hop.sock');
    key = await freshKey(ALICE);
    sealdir = await startSealdir({
      keys: Object.fromEntries([ALICE, BOB, CAROL].map((each) => [each, key.certificate])),
      toml: { duplicates: '1h', store: `forward = "lmtp:unix:${path}"\nforward_connections = 4` },
    });
    session = await openSession(sealdir.socketPath);
  });
  after(async () => {
    await session.vanish();
    await sealdir.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const hopFor = async (t: TestContext, options: NextHopOptions = {}): Promise<NextHopServer> => {
    const hop = await startNextHop({ path, ...options });
    t.after(() => hop.stop());
    return hop;
  };
  /** Each message is another one, since those that are sent again are known. */
  let count = 0;
  const fresh = (message: Buffer) => Buffer.concat([Buffer.from(`X-Number: ${++count}\r\n`), message]);
  const send = async (message: Buffer, ...to: readonly string[]): Promise<string[]> => {
    const { rcpt, final } = await deliver(session, { to, message });
    assert.equal(final.length, to.length, rcpt.join());
    return final.map((reply) => reply.slice(0, 9));
  };
  const opened = async (sealed: Buffer): Promise<Buffer> =>
    (
      await openSealed(Buffer.from(sealed.toString('latin1').replaceAll('\r\n', '\n'), 'latin1'), [
        key.secret,
      ])
    ).plaintext;

  test('messages of all kinds come through sealed, with CRLF and their dots, one transaction each', async (t) => {
    const hop = await hopFor(t);
    const messages = [...shortOf(FIXTURES, 12).map(({ bytes }) => bytes), LARGE].map(fresh);
    for (const message of messages) assert.deepEqual(await send(message, ALICE), ['250 2.0.0']);
    assert.equal(hop.taken.length, messages.length);
    for (const [n, { message, mail, rcpt }] of hop.taken.entries()) {
      assert.ok((await opened(message)).equals(messages[n] ?? Buffer.alloc(0)), `message ${n}`);
      assert.ok(!/(^|[^\r])\n/.test(message.toString('latin1')), 'each line ends with CRLF');
      assert.doesNotMatch(message.toString('latin1').split('\r\n\r\n')[0] ?? '', /^Return-Path:/m);
      assert.match(mail, /^<sender@example\.org>/);
      assert.equal(rcpt, `<${ALICE}>`);
    }
    assert.equal(hop.connections().came, 1, 'the connection is kept');
    assert.deepEqual(await filesBelow(join(sealdir.directory, 'mail')), []);
  });

  test('SIZE is that of the sealed copy; BODY and SMTPUTF8 are what was declared, if they are offered', async (t) => {
    const hop = await hopFor(t);
    await send(fresh(SMALL), ALICE);
    const [{ mail, message } = { mail: '', message: Buffer.alloc(0) }] = hop.taken;
    assert.equal(mail, `<sender@example.org> SIZE=${message.length} BODY=8BITMIME SMTPUTF8`);
    await hop.stop();
    const poor = await hopFor(t, { offers: [] });
    assert.deepEqual(await send(fresh(SMALL), ALICE), ['250 2.0.0']);
    assert.equal(poor.taken[0]?.mail, '<sender@example.org>');
  });

  test('a path that needs SMTPUTF8 is refused where that is not offered', async (t) => {
    await sealdir.addKey('jörg@example.com.asc', key.certificate);
    const hop = await hopFor(t, { offers: OFFERS.filter((word) => word !== 'SMTPUTF8') });
    assert.deepEqual(await send(fresh(SMALL), 'jörg@example.com', ALICE), ['553 5.6.7', '250 2.0.0']);
    await hop.stop();
    const better = await hopFor(t);
    assert.deepEqual(await send(fresh(SMALL), 'jörg@example.com'), ['250 2.0.0']);
    assert.equal(better.taken[0]?.rcpt, '<jörg@example.com>');
  });

  /** What it says at a step, and what our client is told. */
  const ANSWERS: readonly (readonly [Step, string, string])[] = [
    ['MAIL', '451 4.3.0 xyzzy', '451 4.0.0'],
    ['MAIL', '552 5.3.4 xyzzy', '552 5.3.4'],
    ['MAIL', '530 5.7.0 xyzzy', '451 4.0.0'],
    ['MAIL', '550 5.7.1 xyzzy', '451 4.0.0'],
    ['MAIL', '501 5.1.7 xyzzy', '553 5.1.7'],
    ['MAIL', '501 5.5.4 xyzzy', '553 5.1.7'],
    ['MAIL', '501 5.5.2 xyzzy', '451 4.0.0'],
    ['MAIL', '553 5.1.8 xyzzy', '553 5.1.7'],
    ['MAIL', '553 xyzzy', '553 5.1.7'],
    ['MAIL', '553 5.7.1 xyzzy', '451 4.0.0'],
    ['MAIL', '555 5.5.4 xyzzy', '451 4.0.0'],
    ['RCPT', '450 4.2.1 xyzzy', '451 4.0.0'],
    ['RCPT', '452 4.2.2 xyzzy', '452 4.2.2'],
    ['RCPT', '550 5.1.1 xyzzy', '550 5.1.1'],
    ['RCPT', '550 xyzzy', '554 5.0.0'],
    ['RCPT', '550-Mailbox unknown.  xyzzy\r\n550-as Cyrus says\r\n550 5.1.1 it', '550 5.1.1'],
    ['RCPT', '501 5.5.4 xyzzy', '451 4.0.0'],
    ['DATA', '452 4.3.1 xyzzy', '452 4.3.1'],
    ['DATA', '503 5.5.1 xyzzy', '451 4.0.0'],
    ['end', '452-4.2.2 first line\r\n452 4.2.2 Mailbox full', '452 4.2.2'],
    ['end', '552 5.2.2 xyzzy', '552 5.2.2'],
    ['end', '552 xyzzy', '552 5.2.2'],
    ['end', '554 5.6.0 xyzzy', '554 5.0.0'],
    ['end', '421 4.3.2 xyzzy', '451 4.4.2'],
    ['greeting', '421 4.3.2 too many', '451 4.4.1'],
    ['greeting', '* OK IMAP4rev1', '451 4.4.1'],
    ['LHLO', '500 5.5.1 say EHLO', '451 4.4.1'],
  ];
  for (const offers of [OFFERS, []])
    test(`F51: its replies are passed on by class, in our words, with ${offers.length} words after LHLO`, async (t) => {
      let answer: readonly [Step, string, string] | undefined;
      const script: Script = (step) => (step === answer?.[0] ? answer[1] : undefined);
      for (answer of ANSWERS) {
        const hop = await hopFor(t, { script, offers });
        for (const [size, message] of offers.length > 0 ? BOTH : BOTH.slice(0, 1)) {
          const { final } = await deliver(session, { to: [ALICE], message: fresh(message) });
          assert.equal(final[0]?.slice(0, 9), answer[2], `${answer[0]} ${answer[1]}, ${size}`);
          assert.doesNotMatch(final[0] ?? '', /xyzzy/);
        }
        assert.deepEqual(hop.taken, []);
        await hop.stop();
      }
    });

  test('what MAIL gets for mail from nobody is never about the sender', async (t) => {
    const hop = await hopFor(t, { script: (step) => (step === 'MAIL' ? '501 5.1.7 xyzzy' : undefined) });
    const { final } = await deliver(session, { from: '', to: [ALICE], message: fresh(SMALL) });
    assert.equal(final[0]?.slice(0, 9), '451 4.0.0');
    assert.deepEqual(hop.taken, []);
  });

  test('a next hop that reads no more and then refuses a message is heard at once', async (t) => {
    let refuse: (() => void) | undefined;
    const hop = await hopFor(t, {
      script(step, _line, socket) {
        if (step !== 'body' || refuse !== undefined) return undefined;
        refuse = () => socket.write('552 5.2.2 xyzzy\r\n');
        return new Promise<undefined>(() => undefined); // it never reads on
      },
    });
    const client = await openSession(sealdir.socketPath);
    const sent = deliver(client, { to: [ALICE], message: fresh(messageOfSize(9_000_000)) });
    await until('it reads no more', () => refuse !== undefined);
    await standsStill(client);
    refuse?.();
    assert.equal((await sent).final[0]?.slice(0, 9), '552 5.2.2');
    assert.deepEqual(hop.taken, []);
    await client.vanish();
  });

  test('three recipients of a message have three outcomes, and a refusal costs no other copy', async (t) => {
    const script: Script = (step, line) => {
      if (step === 'RCPT' && line.includes(ALICE)) return '450 4.2.0 later';
      if (step === 'RCPT' && line.includes(BOB)) return '550 5.1.1 unknown';
      return undefined;
    };
    for (const [, message] of BOTH) {
      const hop = await hopFor(t, { script });
      const final = await send(fresh(message), ALICE, CAROL, BOB);
      assert.deepEqual(final, ['451 4.0.0', '250 2.0.0', '550 5.1.1']);
      assert.deepEqual(
        hop.taken.map(({ rcpt }) => rcpt),
        [`<${CAROL}>`],
      );
      await hop.stop();
    }
  });

  test('F50: a next hop that is not there, or is killed at any step, defers', async (t) => {
    const why = () => sealdir.outcomes().at(-1)?.why;
    assert.deepEqual(await send(fresh(SMALL), ALICE), ['451 4.4.1']);
    assert.equal(why(), 'nextHopUnreachable');
    for (const at of ['greeting', 'LHLO', 'MAIL', 'RCPT', 'DATA', 'body', 'end'] as const)
      for (const [size, message] of BOTH) {
        const hop = await hopFor(t, {
          script(step, _, socket) {
            if (step === at) socket.destroy();
            return step === at ? 'close' : undefined;
          },
        });
        const [reply] = await send(fresh(message), ALICE);
        assert.equal(reply, /greeting|LHLO/.test(at) ? '451 4.4.1' : '451 4.4.2', `${at}, ${size}`);
        assert.deepEqual(hop.taken, []);
        await hop.stop();
      }
  });

  test('what is announced as too large is not sent', async (t) => {
    const hop = await hopFor(t, { offers: [...OFFERS.filter((word) => word !== 'SIZE'), 'SIZE 7000'] });
    for (const message of [messageOfSize(7000), LARGE])
      assert.deepEqual(await send(fresh(message), ALICE), ['552 5.3.4']);
    assert.deepEqual(await send(fresh(messageOfSize(2000)), ALICE), ['250 2.0.0']);
    assert.equal(hop.taken.length, 1);
  });

  test('a connection that was closed while it was idle is replaced, before anything is lost', async (t) => {
    let isFirst = true;
    const hop = await hopFor(t, {
      script(step) {
        // the second message finds it gone
        if (step !== 'MAIL' || hop.taken.length !== 1 || !isFirst) return undefined;
        isFirst = false;
        return 'close';
      },
    });
    assert.deepEqual(await send(fresh(SMALL), ALICE), ['250 2.0.0']);
    assert.deepEqual(await send(fresh(SMALL), ALICE), ['250 2.0.0']);
    assert.equal(hop.connections().came, 2);
    hop.cut();
    await until('all are closed', () => hop.connections().open === 0);
    assert.deepEqual(await send(fresh(LARGE), ALICE), ['250 2.0.0']);
    assert.equal(hop.connections().came, 3);
    assert.equal(hop.taken.length, 3);
  });

  test('a message that never ends, or is too big, is not begun or has no end there', async (t) => {
    const hop = await hopFor(t);
    for (const message of [SMALL, LARGE]) {
      const client = await openSession(sealdir.socketPath);
      await client.say('MAIL FROM:<sender@example.org>');
      await client.say(`RCPT TO:<${ALICE}>`);
      await client.say('DATA');
      client.write(message);
      if (message === LARGE) await until('it is begun', () => hop.said.includes('DATA'));
      await client.vanish();
    }
    await until('all are closed', () => hop.connections().open === 0);
    assert.deepEqual(await send(fresh(SMALL), BOB), ['250 2.0.0']);
    assert.deepEqual(
      hop.taken.map(({ rcpt }) => rcpt),
      [`<${BOB}>`],
    );
  });

  test('a message whose client has left after its end, and which was taken, is not passed on again', async (t) => {
    let letGo: (reply: undefined) => void = () => undefined;
    let isEnded = false;
    const hop = await hopFor(t, {
      script(step) {
        if (step !== 'end') return undefined;
        isEnded = true;
        return new Promise<undefined>((resolve) => {
          letGo = resolve;
        });
      },
    });
    const message = fresh(SMALL);
    const client = await openSession(sealdir.socketPath);
    const first = deliver(client, { to: [ALICE], message });
    await until('it has ended', () => isEnded);
    await client.vanish();
    await first;
    letGo(undefined);
    await until('it is taken', () => hop.taken.length === 1);
    const { final } = await deliver(session, { to: [ALICE], message });
    assert.match(final[0] ?? '', /^250 2\.0\.0 Sealed before/);
    assert.equal(hop.taken.length, 1);
  });

  test('many messages go over few connections, and none of them waits in vain', async (t) => {
    const hop = await hopFor(t);
    const clients = await Promise.all(Array.from({ length: 12 }, () => openSession(sealdir.socketPath)));
    const sent = clients.map((client, n) =>
      deliver(client, { to: [ALICE, BOB], message: fresh(n % 4 === 0 ? messageOfSize(600) : SMALL) }),
    );
    for (const { final } of await Promise.all(sent))
      assert.deepEqual(
        final.map((reply) => reply.slice(0, 3)),
        ['250', '250'],
      );
    assert.equal(hop.taken.length, 24);
    assert.ok(hop.connections().came <= 4);
    for (const client of clients) await client.vanish();
  });

  test('a message that is encrypted to its recipient already is passed on as it came', async (t) => {
    const hop = await hopFor(t);
    for (const bytes of [2000, 600_000]) {
      const message = pgpMime(await armored(randomBytes(bytes).toString('base64'), [key]));
      const { final } = await deliver(session, { to: [ALICE], message });
      assert.match(final[0] ?? '', /^250 2\.0\.0 Encrypted to the recipient already/);
      assert.ok(hop.taken.at(-1)?.message.subarray(-message.length).equals(message));
    }
    assert.equal(hop.taken.length, 2, 'of two ways one is begun in vain, and not ended');
  });

  test('nothing in clear is told to the next hop but the envelope and the fields that are shown', async (t) => {
    const hop = await hopFor(t);
    const canaries = newCanaries();
    for (const more of ['', 'x'.repeat(600_000)])
      assert.deepEqual(await send(messageWith(canaries, more), ALICE), ['250 2.0.0']);
    const heard = Buffer.concat(hop.heard).toString('latin1').replaceAll(`Subject: ${canaries.subject}`, '');
    assert.deepEqual(shownIn(heard, canaries), []);
    assert.deepEqual(shownIn(sealdir.log.join(), canaries), []);
  });

  test('F52: a slow next hop slows the client down, and memory is bounded', async (t) => {
    let letGo: (reply: undefined) => void = () => undefined;
    const gate = new Promise<undefined>((resolve) => {
      letGo = resolve;
    });
    let isStopped = false;
    await hopFor(t, {
      script(step) {
        if (step !== 'body') return undefined;
        isStopped = true;
        return gate;
      },
    });
    const client = await openSession(sealdir.socketPath);
    await client.say('MAIL FROM:<sender@example.org>');
    await client.say(`RCPT TO:<${ALICE}>`);
    await client.say('DATA');
    const body = fresh(messageOfSize(8_000_000));
    client.write(Buffer.concat([body, Buffer.from('.\r\n')]));
    await until('it has begun', () => isStopped);
    await standsStill(client);
    assert.ok(client.socket.writableLength > 0, 'the client waits');
    letGo(undefined);
    assert.match(await client.reply(), /^250 2\.0\.0 /);
    await client.vanish();
  });
});

/** Sockets have taken what they hold, and no more is read. */
async function standsStill({ socket }: LmtpClient): Promise<void> {
  let before = -1;
  await until('nothing moves', () => {
    const now = socket.bytesWritten - socket.writableLength;
    const isSame = now > 0 && now === before;
    before = now;
    return isSame;
  });
}

test('F52: a next hop that answers too late defers, and what it took then is known when it comes again', async (t) => {
  let letGo: (reply: undefined) => void = () => undefined;
  const gate = new Promise<undefined>((resolve) => {
    letGo = resolve;
  });
  const hop = await startNextHop({ script: (step) => (step === 'end' ? gate : undefined) });
  const { certificate } = await freshKey(ALICE);
  const sealdir = await startSealdir({
    keys: { [ALICE]: certificate },
    toml: {
      duplicates: '1h',
      lmtp: 'transaction_timeout = "1s"\nstall_timeout = "1s"',
      store: `forward = "${hop.address}"`,
    },
  });
  t.after(async () => {
    await sealdir.stop();
    await hop.stop();
  });
  const session = await openSession(sealdir.socketPath);
  const once = async () => (await deliver(session, { to: [ALICE], message: SMALL })).final[0];
  assert.match((await once()) ?? '', /^451 4\.3\.0 /);
  letGo(undefined);
  await until('it is taken', () => hop.taken.length === 1);
  assert.match((await once()) ?? '', /^250 2\.0\.0 Sealed before/);
  assert.equal(hop.taken.length, 1);
  await session.vanish();
});
