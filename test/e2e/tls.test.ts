// TLS over TCP: with STARTTLS and from the start, in one process and in workers. What is agreed on, what is
// refused, and what clients do that is no TLS.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connectLmtp, deliver, type LmtpClient, openSession } from '../support/lmtp.ts';
import { isLong, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { readSealed } from '../support/testkeys.ts';
import { connectTls, sClient, secure, shownTo, startTls } from '../support/tls.ts';
import { ALICE, NAME, startTlsServer, type TlsServer } from '../support/tlsserver.ts';
import { until } from '../support/until.ts';

const MESSAGE = Buffer.from('Subject: x\r\n\r\nhello\r\n');
const DIALOGUE = `LHLO x\nMAIL FROM:<>\nRCPT TO:<${ALICE}>\nDATA\nSubject: x\n\nx\n.\nQUIT\n`;
const OLD = ['-cipher', 'ALL:@SECLEVEL=0'];

for (const processes of isLong ? [1, 2] : [2]) {
  describe(`TLS with ${processes === 1 ? 'one process' : 'two workers'}`, needs('openssl'), () => {
    let server: TlsServer;
    before(async () => {
      server = await startTlsServer({ processes });
    });
    after(() => server?.stop());

    /** Returns the only stored message, and removes it. */
    async function stored(): Promise<Buffer> {
      const mailbox = join(server.directory, 'mail/example.com/alice/new');
      const [file = '', ...more] = await readdir(mailbox);
      assert.deepEqual(more, []);
      const bytes = await readFile(join(mailbox, file));
      await rm(join(mailbox, file));
      return bytes;
    }

    for (const how of ['STARTTLS', 'TLS from the start'] as const) {
      test(`with ${how} a message is stored, and its Received field says how it came`, async () => {
        const ca = await readFile(server.authority.file);
        const options = { ca, rejectUnauthorized: true, servername: NAME };
        const session =
          how === 'STARTTLS'
            ? await startTls(server.port, options)
            : await connectTls(server.tlsPort, options);
        assert.doesNotMatch(await session.say('LHLO client.example'), /STARTTLS/);
        const { final } = await deliver(session, { to: [ALICE], message: MESSAGE });
        assert.match(final[0] ?? '', /^250 2\.0\.0 /);
        const bytes = await stored();
        assert.match(
          bytes.toString('latin1'),
          /\nReceived: from client\.example \(\[127\.0\.0\.1\]\)\n\t\(using TLSv1\.3 with cipher TLS_AES_256_GCM_SHA384 \(256\/256 bits\)\)\n\tby mx\.example\.com with UTF8LMTPS id /,
        );
        assert.ok((await readSealed(bytes, server.alice)).includes('hello'));
        assert.match(await session.say('STARTTLS'), /^503 5\.5\.1 /);
        await session.vanish();
      });
    }

    test('STARTTLS is offered on TCP and not on a Unix socket, and takes no argument', async () => {
      const [tcp, unix] = [await connectLmtp(server.port), await connectLmtp(server.socketPath)];
      for (const session of [tcp, unix]) await session.reply();
      assert.match(await tcp.say('LHLO x'), /^250 STARTTLS$/m);
      assert.match(await tcp.say('STARTTLS now'), /^501 5\.5\.4 /);
      assert.doesNotMatch(await unix.say('LHLO x'), /STARTTLS/);
      assert.match(await unix.say('STARTTLS'), /^500 5\.5\.2 /);
      const { final } = await deliver(tcp, { to: [ALICE], message: MESSAGE });
      assert.match(final[0] ?? '', /^250 /);
      assert.match((await stored()).toString('latin1'), /\(\[127\.0\.0\.1\]\)\n\tby \S+ with UTF8LMTP id/);
      await Promise.all([tcp.vanish(), unix.vanish()]);
    });

    test('TLS 1.2 and 1.3 are spoken, 1.0 and 1.1 are not', async () => {
      for (const version of ['-tls1_2', '-tls1_3']) {
        const said = await sClient(server.port, ['-starttls', 'lmtp', version], DIALOGUE);
        assert.match(said, /^250 2\.0\.0 Sealed/m);
        const name = version === '-tls1_2' ? /using TLSv1\.2 with cipher ECDHE-/ : /using TLSv1\.3 with/;
        assert.match((await stored()).toString('latin1'), name);
      }
      for (const version of ['-tls1', '-tls1_1']) {
        const said = await sClient(server.tlsPort, [version, ...OLD], DIALOGUE);
        assert.match(said, /alert protocol version/);
        assert.doesNotMatch(said, /^250/m);
      }
    });

    test('a client of RSA alone and one of ECDSA alone are shown the certificate that they can use', async () => {
      const clients = {
        RSA: [
          ['-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256'],
          ['-tls1_3', '-sigalgs', 'rsa_pss_rsae_sha256'],
        ],
        EC: [
          ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
          ['-tls1_3', '-sigalgs', 'ecdsa_secp256r1_sha256'],
        ],
      };
      for (const args of clients.RSA)
        assert.match(await sClient(server.tlsPort, args, 'QUIT\n'), /subject=CN = first-rsa/);
      for (const args of clients.EC)
        assert.match(await sClient(server.tlsPort, args, 'QUIT\n'), /subject=CN = first-ec/);
    });

    test('ciphers without forward secrecy or without AEAD are refused, and our order counts', async () => {
      for (const cipher of [
        'AES128-SHA',
        'AES256-GCM-SHA384',
        'ECDHE-RSA-AES128-SHA256',
        'ECDHE-RSA-AES256-SHA',
      ]) {
        const said = await sClient(server.tlsPort, ['-tls1_2', '-cipher', `${cipher}:@SECLEVEL=0`], DIALOGUE);
        assert.match(said, /alert handshake failure/, cipher);
      }
      const cipher = 'ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256';
      const said = await sClient(server.tlsPort, ['-tls1_2', '-cipher', cipher], 'QUIT\n');
      assert.match(said, /Cipher is ECDHE-ECDSA-AES128-GCM-SHA256/);
    });

    testLong(
      'a client that renegotiates, or takes up an old session, gets neither and no harm is done',
      async () => {
        const args = ['s_client', '-connect', `127.0.0.1:${server.tlsPort}`, '-tls1_2'];
        const client = spawn('openssl', args);
        let heard = '';
        for (const stream of [client.stdout, client.stderr])
          stream.on('data', (bytes) => {
            heard += String(bytes);
          });
        client.stdin.on('error', () => {}); // it ends when it is refused
        // before that "R" is no command yet
        await until('it is connected', () => heard.includes('220 '));
        // its input stays open: at the end of that it would leave without having heard
        client.stdin.write('R\n');
        await until('it is refused', () => /RENEGOTIATING.*no renegotiation/s.test(heard)).finally(() =>
          client.kill('SIGKILL'),
        );
        const file = server.at(`session-${processes}`);
        await sClient(server.tlsPort, ['-tls1_3', '-sess_out', file], 'LHLO x\nQUIT\n');
        const again = await sClient(server.tlsPort, ['-tls1_3', '-sess_in', file], 'LHLO x\nQUIT\n');
        assert.match(again, /^New, TLSv1\.3/m);
        assert.match(again, /^221 /m);
      },
    );

    test('RFC 3207 §4.2: what was said before STARTTLS is forgotten', async () => {
      const socket = connect(server.port, '127.0.0.1');
      socket.write(`LHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<${ALICE}>\r\n`);
      let heard = '';
      socket.on('data', (bytes) => {
        heard += bytes.toString('latin1');
      });
      await until('RCPT is answered', () => heard.includes('250 2.1.5'));
      socket.removeAllListeners('data');
      const session = await startTlsOver(socket);
      for (const line of [`RCPT TO:<${ALICE}>`, 'DATA', 'MAIL FROM:<>'])
        assert.match(await session.say(line), /^503 5\.5\.1 Say LHLO first/);
      await session.vanish();
    });

    for (const segments of ['one', 'two'] as const) {
      test(`CVE-2011-0411: what is sent after STARTTLS in clear, in ${segments} segment(s), is never run`, async () => {
        const socket = connect(server.port, '127.0.0.1').setNoDelay(true);
        await once(socket, 'data'); // the greeting
        const injected = `LHLO evil\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<${ALICE}>\r\n`;
        if (segments === 'one') {
          const session = await startTlsOver(socket, `STARTTLS\r\n${injected}`);
          assert.match(
            await session.say('NOOP'),
            /^250 2\.0\.0 OK/,
            'the first reply is to what came in TLS',
          );
          assert.match(await session.say('DATA'), /^503 5\.5\.1 Say LHLO first/);
          await session.vanish();
        } else {
          socket.write('STARTTLS\r\n');
          await once(socket, 'data');
          let heard = '';
          socket.on('data', (bytes) => {
            heard += bytes.toString('latin1');
          });
          socket.write(injected);
          await once(socket, 'close');
          assert.doesNotMatch(heard, /250|503/, 'it is taken for a broken handshake');
        }
      });
    }

    test('F41: garbage in the place of a handshake ends its connection, with a line in the log', async () => {
      for (const garbage of [
        'GET / HTTP/1.0\r\n\r\n',
        'LHLO x\r\n',
        '\0'.repeat(100),
        '\x16\x03\x01\xff\xff',
      ]) {
        const before = server.process.output().length;
        const socket = connect(server.tlsPort, '127.0.0.1');
        socket.on('error', () => undefined);
        socket.resume().end(garbage, 'latin1');
        await once(socket, 'close');
        const news = () => server.process.output().slice(before);
        await until('it is logged', () =>
          /"client":"127\.0\.0\.1","why":"no TLS: .+","msg":"TLS client"/.test(news()),
        );
      }
      const session = await connectTls(server.tlsPort);
      assert.match(await session.say('LHLO x'), /^250/m);
      await session.vanish();
    });

    testLong('a client may close its side after its last command, and is still answered', async () => {
      const session = await connectTls(server.tlsPort);
      session.socket.end('LHLO x\r\nNOOP\r\n');
      assert.match(await session.reply(), /^250/);
      assert.match(await session.reply(), /^250 2\.0\.0 OK/);
      assert.equal(await session.reply(), '');
    });

    testLong('a large message comes whole through TLS', async () => {
      const session = await startTls(server.port);
      await session.say('LHLO x');
      const text = Buffer.from(`Subject: x\r\n\r\n${'0123456789 line\r\n'.repeat(200_000)}`);
      const { final } = await deliver(session, { to: [ALICE], message: text });
      assert.match(final[0] ?? '', /^250 /);
      assert.ok((await readSealed(await stored(), server.alice)).includes(text));
      assert.equal(shownTo(session).subject.CN, 'first-ec');
      await session.vanish();
    });
  });
}

describe('TLS and limits', needs('openssl'), () => {
  let server: TlsServer;
  before(async () => {
    server = await startTlsServer({
      lmtp: 'idle_timeout = "2s"\nrequire_tls = true\nmax_peer_connections = 3',
    });
  });
  after(() => server?.stop());

  testLong('F41: a handshake that never ends is cut off, also if a byte comes now and then', async () => {
    const [silent, slow] = [connect(server.tlsPort, '127.0.0.1'), connect(server.tlsPort, '127.0.0.1')];
    const closed = [silent, slow].map((socket) =>
      once(
        socket.resume().on('error', () => undefined),
        'close',
      ),
    );
    const hello = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, ...Buffer.alloc(400)]);
    let sent = 0;
    const timer = setInterval(() => slow.write(hello.subarray(sent, ++sent)), 100);
    // somebody else notices nothing
    const session = await startTls(server.port);
    await session.say('LHLO x');
    assert.match((await deliver(session, { to: [ALICE], message: MESSAGE })).final[0] ?? '', /^250 /);
    await session.vanish();
    await Promise.all(closed);
    clearInterval(timer);
    const late = () => server.process.output().match(/"why":"no TLS: it took too long"/g)?.length ?? 0;
    await until('both are in the log', () => late() === 2);
  });

  testLong('connections that are shaking hands count, and their places are free again', async () => {
    const many = Array.from({ length: 8 }, () =>
      connect(server.tlsPort, '127.0.0.1').on('error', () => undefined),
    );
    const closed = many.map((socket) => once(socket.resume(), 'close'));
    await Promise.race(closed);
    await Promise.all(closed);
    for (let n = 0; n < 4; n++) {
      const session = await startTls(server.port);
      assert.match(await session.say('LHLO x'), /^250/m);
      await session.vanish();
      await until('its place is free', async () => /sealdir_connections 0\n/.test(await metricsOf(server)));
    }
  });

  test('where TLS is required, MAIL in clear is refused over TCP and taken from the Unix socket', async () => {
    const tcp = await openSession(server.port);
    assert.match(await tcp.say('MAIL FROM:<>'), /^530 5\.7\.0 Must issue a STARTTLS command first/);
    assert.match(await tcp.say(`RCPT TO:<${ALICE}>`), /^503 /);
    const unix = await openSession(server.socketPath);
    assert.match((await deliver(unix, { to: [ALICE], message: MESSAGE })).final[0] ?? '', /^250 /);
    await Promise.all([tcp.vanish(), unix.vanish()]);
  });
});

async function metricsOf(server: TlsServer): Promise<string> {
  return (await fetch(`${server.metrics()}/metrics`)).text();
}

/** Says `first` on a socket whose replies so far were read, and shakes hands after the next 220. */
async function startTlsOver(socket: Socket, first = 'STARTTLS\r\n'): Promise<LmtpClient> {
  socket.write(first);
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  assert.match(bytes.toString('latin1'), /^220 2\.0\.0 [^\n]*\r\n$/, 'nothing else is answered in clear');
  return secure({ socket });
}
