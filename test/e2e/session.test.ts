// A whole server: what it stores and what it does not, however the client behaves.

import assert from 'node:assert/strict';
import { chmod, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FIXTURES, messageOfSize } from '../support/fixtures.ts';
import { connectLmtp, deliver, openSession } from '../support/lmtp.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';

describe('a session', () => {
  let alice: TestKey;
  let bob: TestKey;
  let server: TestServer;

  before(async () => {
    alice = await makeKey(ALICE);
    bob = await makeKey(BOB, { version: 6 });
    server = await startSealdir({
      keys: { [ALICE]: alice.certificate, [BOB]: bob.certificate },
      toml: { lmtp: 'max_connections = 20' },
    });
  });
  after(() => server.stop());

  const leftOvers = async () => [...(await server.files(ALICE, 'tmp')), ...(await server.files(BOB, 'tmp'))];

  test('every fixture comes back byte for byte, from a v4 key with SEIPD v1 and a v6 key with v2', async () => {
    const session = await openSession(server.socketPath);
    for (const { name, bytes } of FIXTURES) {
      const { final } = await deliver(session, { to: [ALICE, BOB], message: bytes });
      assert.ok(final.length === 2 && final.every((reply) => reply.startsWith('250 2.0.0 ')), name);
      const [first, second] = server.outcomes().slice(-2);
      assert.ok(
        (await readSealed(await server.stored(ALICE, first?.file), alice)).equals(bytes),
        `${name} (v4)`,
      );
      assert.ok(
        (await readSealed(await server.stored(BOB, second?.file), bob)).equals(bytes),
        `${name} (v6)`,
      );
    }
    await session.vanish();
    assert.deepEqual(await leftOvers(), []);
  });

  test('mailboxes are 0700, files 0600', async () => {
    const [file = ''] = await server.files(ALICE, 'new');
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    for (const path of [dirname(file), dirname(dirname(file)), dirname(dirname(dirname(file)))]) {
      assert.equal((await stat(path)).mode & 0o777, 0o700, path);
    }
    assert.deepEqual((await readdir(dirname(dirname(file)))).sort(), ['cur', 'new', 'tmp']);
  });

  test('the stored header shows the fields that came, and nothing of the body', async () => {
    const message = Buffer.from(
      'Return-Path: <forged@example.org>\r\nSubject: Gr\xfc\xdfe\r\nContent-Type: text/plain\r\nDKIM-Signature: v=1\r\n' +
        'Content-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\nX-Folded: a\r\n\tb\r\n\r\nsecret words\r\n',
      'latin1',
    );
    const session = await openSession(server.port);
    await deliver(session, { from: 'me@example.org', to: [ALICE], message });
    await session.vanish();
    const stored = (await server.stored(ALICE, server.outcomes().at(-1)?.file)).toString('latin1');
    const header = stored.slice(0, stored.indexOf('\n\n') + 1);
    assert.match(
      header,
      /^Return-Path: <me@example\.org>\nDelivered-To: alice@example\.com\nReceived: from client\.example \(\[127\.0\.0\.1\]\)\n\tby mx\.example\.com with UTF8LMTP id [0-9a-f]{16};\n\t[^\n]+\+0000\nSealed-At-Delivery: by mx\.example\.com; hop=unknown;\n\t[^\n]+\+0000\nMIME-Version: 1\.0\nContent-Type: multipart\/encrypted; protocol="application\/pgp-encrypted"; boundary="sealdir_[0-9a-f]{32}"\nSubject: Gr\xfc\xdfe\nX-Folded: a\n\tb\n$/,
    );
    assert.ok(!stored.includes('\r') && !stored.includes('secret'));
  });

  test('lines that are body for some reader do not stand outside, and inside is every byte', async () => {
    const messages = [
      'From: a@b.example\r\nSubject: hello\r\rName: Joe\r\nCard-Number: CANARY\r\nPin-Code: CANARY\r\n\r\nbye\r\n',
      'From: a@b.example\r\nSubject : hello\r\nTo: CANARY\r\n\r\nbody CANARY\r\n',
    ];
    const session = await openSession(server.socketPath);
    for (const text of messages) {
      const { final } = await deliver(session, { to: [ALICE], message: Buffer.from(text) });
      assert.match(final[0] ?? '', /^250 /);
      const stored = await server.stored(ALICE, server.outcomes().at(-1)?.file);
      const header = stored.toString('latin1', 0, stored.indexOf('\n\n'));
      assert.match(header, /boundary="[^"]+"\nFrom: a@b\.example$/);
      assert.equal((await readSealed(stored, alice)).toString(), text);
    }
    await session.vanish();
  });

  test('a client that vanishes in the middle of DATA leaves nothing', async () => {
    const before = (await server.files(ALICE, 'new')).length;
    for (const bytes of [Buffer.from('Subject: gone\r\n\r\nhalf a li'), messageOfSize(2_000_000)]) {
      const session = await openSession(server.socketPath);
      await session.say('MAIL FROM:<a@example.org>');
      await session.say(`RCPT TO:<${ALICE}>`);
      await session.say('DATA');
      await new Promise((resolve) => session.socket.write(bytes, resolve));
      const outcomes = server.outcomes().length;
      await session.vanish();
      await until('it has been noticed', () => server.outcomes().length > outcomes);
      assert.equal(server.outcomes().at(-1)?.why, 'aborted');
      assert.deepEqual(await leftOvers(), []);
    }
    assert.equal((await server.files(ALICE, 'new')).length, before);
  });

  test('a key that is added, changed or removed counts from the next RCPT on', async () => {
    const session = await openSession(server.socketPath);
    const rcpt = async () => {
      await session.say('RSET');
      await session.say('MAIL FROM:<>');
      return session.say('RCPT TO:<new@example.com>');
    };
    assert.match(await rcpt(), /^550 5\.1\.1 /);
    await server.addKey('new@example.com.asc', (await makeKey('new@example.com')).certificate);
    assert.match(await rcpt(), /^250 2\.1\.5 /);
    await server.addKey('new@example.com.asc', alice.secretKey);
    assert.match(await rcpt(), /^451 4\.7\.5 /);
    assert.ok(
      server
        .outcomes()
        .at(-1)
        ?.reasons?.some((reason) => reason.includes('SECRET')),
    );
    await rm(join(server.directory, 'keys/new@example.com.asc'));
    assert.match(await rcpt(), /^550 5\.1\.1 /);
    await session.vanish();
  });

  test('connections over the limit are told 421 and the others go on', async () => {
    const sessions = await Promise.all(Array.from({ length: 20 }, () => openSession(server.socketPath)));
    const refused = await connectLmtp(server.socketPath);
    assert.match(await refused.reply(), /^421 /);
    assert.equal(await refused.reply(), '');
    assert.match(await (sessions[0]?.say('NOOP') ?? ''), /^250/);
    await Promise.all(sessions.map((session) => session.vanish()));
    await until('places are free again', async () => {
      const next = await connectLmtp(server.socketPath);
      const greeting = await next.reply();
      await next.vanish();
      return greeting.startsWith('220');
    });
  });

  test('no log line, metric or reply holds a byte of a message', async () => {
    const canary = 'canary-7f3a91c04b';
    const session = await openSession(server.socketPath);
    const message = Buffer.from(`Subject: ${canary}\r\n\r\n${canary}\r\n`);
    const { rcpt, final } = await deliver(session, { to: [ALICE, 'nobody@example.com'], message });
    await session.vanish();
    const metrics = await (await fetch(`${server.metrics}/metrics`)).text();
    assert.ok(![...server.log, ...rcpt, ...final, metrics].some((text) => text.includes(canary)));
    assert.match(metrics, /sealdir_recipients_total\{verdict="stored",why="stored"\} \d+/);
    assert.match(metrics, /sealdir_recipients_total\{verdict="refused",why="unknownRecipient"\} \d+/);
    assert.equal((await fetch(`${server.metrics}/other`)).status, 404);
  });

  test('a store that cannot be written defers, and takes mail again once it can', async () => {
    const root = join(server.directory, 'mail');
    const session = await openSession(server.socketPath);
    await server.addKey('carol@example.org.asc', alice.certificate);
    await writeFile(join(root, 'example.org'), 'in the way');
    const message = Buffer.from('Subject: x\r\n\r\nx\r\n');
    const { final } = await deliver(session, { to: ['carol@example.org', ALICE], message });
    assert.match(final[0] ?? '', /^451 4\.3\.0 /);
    assert.match(final[1] ?? '', /^250 2\.0\.0 /);
    await rm(join(root, 'example.org'));
    assert.match((await deliver(session, { to: ['carol@example.org'], message })).final[0] ?? '', /^250 /);
    await session.vanish();
    await chmod(root, 0o755);
  });
});

test('no reply is too long for Exim, which reads one into 256 bytes, whatever our name', async () => {
  const key = await makeKey(ALICE);
  const hostname = `${'a'.repeat(60)}.`.repeat(4).slice(0, 240);
  const server = await startSealdir({ keys: { [ALICE]: key.certificate }, hostname });
  const client = await connectLmtp(server.socketPath);
  const replies = [await client.reply(), await client.say('LHLO x'), await client.say('MAIL FROM:<>')];
  replies.push(await client.say(`RCPT TO:<${ALICE}>`), await client.say('DATA'), await client.say('.'));
  await client.vanish();
  await server.stop();
  for (const reply of replies) {
    const lines = reply.split('\n');
    const bytes = lines.reduce((sum, line) => sum + line.length + '\r\n'.length + 1, 0);
    assert.ok(bytes <= 245, `${bytes}: ${reply}`);
  }
});

test('with unusable = "reject" a recipient without a usable key is refused with 550 5.7.5', async () => {
  const past = new Date(Date.now() - 86_400_000);
  const expired = await makeKey(ALICE, { date: past, expiresAfter: 3600 });
  const server = await startSealdir({
    keys: { [ALICE]: expired.certificate },
    toml: { rest: 'unusable = "reject"' },
  });
  const session = await openSession(server.socketPath);
  await session.say('MAIL FROM:<>');
  assert.match(await session.say(`RCPT TO:<${ALICE}>`), /^550 5\.7\.5 /);
  await session.vanish();
  await server.stop();
});

describe('stopping', () => {
  test('tells idle sessions 421 4.3.2, finishes the delivery under way, and takes no new connections', async () => {
    const key = await makeKey(ALICE);
    const server = await startSealdir({ keys: { [ALICE]: key.certificate } });
    const idle = await openSession(server.socketPath);
    const busy = await openSession(server.socketPath);
    await busy.say('MAIL FROM:<>');
    await busy.say(`RCPT TO:<${ALICE}>`);
    assert.match(await busy.say('DATA'), /^354/);
    const stopped = server.drain();
    assert.match(await idle.reply(), /^421 4\.3\.2 /);
    busy.write('Subject: last\r\n\r\nlast\r\n.\r\n');
    assert.match(await busy.reply(), /^250 2\.0\.0 /);
    assert.match(await busy.reply(), /^421 4\.3\.2 /);
    await stopped;
    assert.equal((await server.files(ALICE, 'new')).length, 1);
    await assert.rejects(
      new Promise((resolve, reject) =>
        connect(server.port, '127.0.0.1').on('connect', resolve).on('error', reject),
      ),
    );
    await server.stop();
  });
});
