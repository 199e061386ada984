// Certificates that are replaced while a server runs: under load, half, by SIGHUP, and as workers die.

import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { deliver } from '../support/lmtp.ts';
import { isLong, shortOf, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { connectTls, exchange, shownTo, startTls } from '../support/tls.ts';
import { ALICE, startTlsServer, type TlsServer } from '../support/tlsserver.ts';
import { until } from '../support/until.ts';

const MESSAGE = Buffer.from('Subject: x\r\n\r\nhello\r\n');
const SENDERS = 8;

for (const processes of isLong ? [1, 2] : [2]) {
  describe(`certificates that change, ${processes} process(es)`, needs('openssl'), () => {
    let server: TlsServer;
    before(async () => {
      server = await startTlsServer({ processes });
    });
    after(() => server?.stop());

    async function shown(): Promise<string> {
      const session = await connectTls(server.tlsPort);
      const { CN } = shownTo(session).subject;
      await session.vanish();
      return String(CN);
    }

    /** Makes a certificate and puts it in the place of ec.pem and ec.key. */
    async function renew(name: string, days = 30): Promise<void> {
      const { pem, key } = await server.authority.certify(name, { days });
      await exchange(pem, server.at('ec.pem'));
      await exchange(key, server.at('ec.key'));
    }

    async function expiry(): Promise<Record<string, number>> {
      const text = await (await fetch(`${server.metrics()}/metrics`)).text();
      const rows = text.matchAll(/^sealdir_tls_certificate_expiry_timestamp_seconds\{key="(\w+)"\} (\S+)$/gm);
      return Object.fromEntries([...rows].map(([, key, seconds]) => [key, Number(seconds)]));
    }

    test('certificates replaced under load: no delivery fails, and new connections get the new ones', async () => {
      const names = new Set<string>();
      const failures: string[] = [];
      let stored = 0;
      let isOver = false;
      const send = async (sender: number) => {
        while (!isOver) {
          // half of them with STARTTLS; each second session sends twice
          const session = await (sender % 2 === 0 ? startTls(server.port) : connectTls(server.tlsPort));
          names.add(String(shownTo(session).subject.CN));
          await session.say('LHLO x');
          for (let n = 0; n <= sender % 4; n++) {
            const { final, rcpt } = await deliver(session, { to: [ALICE], message: MESSAGE });
            if (final[0]?.startsWith('250')) stored++;
            else failures.push(final[0] ?? rcpt[0] ?? '');
          }
          await session.say('QUIT');
          await session.vanish();
        }
      };
      const senders = Array.from({ length: SENDERS }, (_, n) =>
        send(n).catch((error: Error) => failures.push(error.message)),
      );
      try {
        for (const name of shortOf(['second', 'third', 'fourth'], 1)) {
          await renew(name);
          const seen = stored;
          await until(`${name} is shown`, () => names.has(name));
          await until('mail goes on', () => stored > seen + SENDERS);
        }
      } finally {
        isOver = true;
      }
      await Promise.all(senders);
      assert.deepEqual(failures, []);
      const files = await readdir(join(server.directory, 'mail/example.com/alice/new'));
      assert.equal(files.length, stored);
      assert.doesNotMatch(server.process.output(), /cannot be used/);
    });

    testLong('a session that has begun keeps the certificate that it began with', async () => {
      const session = await connectTls(server.tlsPort);
      await session.say('LHLO x');
      await renew('fifth');
      await until('fifth is shown', async () => (await shown()) === 'fifth');
      assert.match((await deliver(session, { to: [ALICE], message: MESSAGE })).final[0] ?? '', /^250 /);
      await session.vanish();
    });

    testLong('/metrics tells when each certificate expires', async () => {
      await renew('sixth', 5);
      await until('sixth is shown', async () => (await shown()) === 'sixth');
      const days = (seconds = 0) => (seconds - Date.now() / 1000) / 86_400;
      await until('it is there', async () => {
        const { ECDSA, RSA } = await expiry();
        return days(ECDSA) > 4.9 && days(ECDSA) < 5.1 && days(RSA) > 29.9 && days(RSA) < 30.1;
      });
    });

    testLong(
      'F40: a pair that is half-written or does not fit changes nothing, and is one line in the log',
      async () => {
        const old = await shown();
        const good = await readFile(server.at('ec.pem'));
        const faults = () => server.process.output().match(/"new certificates cannot be used[^\n]*/g) ?? [];
        const lines = () => server.process.output().match(/"error":"([^"]*)","msg":"new certificates/g) ?? [];
        await writeFile(server.at('ec.pem'), good.subarray(0, good.length / 2));
        await until('the half is a fault', () => faults().length === 1);
        assert.match(lines()[0] ?? '', /tls\.certificate: \S+ec\.pem is no certificate/);
        assert.equal(await shown(), old);
        const other = await server.authority.certify('other');
        await exchange(other.pem, server.at('ec.pem'));
        await until('the wrong one is a fault', () => faults().length === 2);
        assert.match(lines()[1] ?? '', /tls\.key: \S+ec\.key is not the key of \S+ec\.pem/);
        assert.equal(await shown(), old);
        const session = await startTls(server.port);
        await session.say('LHLO x');
        assert.match(
          (await deliver(session, { to: [ALICE], message: MESSAGE })).final[0] ?? '',
          /^250 2\.0\.0 /,
        );
        await session.vanish();
        if (processes > 1) {
          // a worker that starts now has the pair of before, too
          for (const pid of server.workers()) process.kill(pid, 'SIGKILL');
          for (let n = 0; n < 4; n++) assert.equal(await shown(), old);
        }
        await rm(server.at('ec.pem'));
        await until('the missing one is a fault', () => faults().length === 3);
        assert.equal(await shown(), old);
        await exchange(other.pem, server.at('ec.pem'));
        await exchange(other.key, server.at('ec.key'));
        await until('the new pair is shown', async () => (await shown()) === 'other');
        assert.equal(faults().length, 3);
      },
    );

    testLong('SIGHUP reads them at once, and a reload with a bad pair is refused', async () => {
      const { pem, key } = await server.authority.certify('seventh');
      const reload = async (expected: RegExp) => {
        const before = server.process.output().length;
        server.process.signal('SIGHUP');
        await until('it is written down', () => expected.test(server.process.output().slice(before)));
      };
      await exchange(pem, server.at('ec.pem'));
      await reload(/"errors":\["tls\.key: \S+ is not the key of .*"configuration refused/);
      assert.equal(await shown(), 'other');
      await exchange(key, server.at('ec.key'));
      await reload(/configuration and keys reloaded/);
      assert.equal(await shown(), 'seventh');
    });
  });
}
