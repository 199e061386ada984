// What becomes of mail that a real mail server hands to Sealdir over LMTP, the same for each of them.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { LmtpSite } from '../support/lmtpsite.ts';
import { isLong } from '../support/long.ts';
import type { Matrix } from '../support/matrix.ts';
import type { Mail, Verdict } from '../support/mta.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
const CAROL = 'carol@example.com';
const EXPIRED = 'expired@example.com';
const NOBODY = 'nobody@example.com';
const JORG = 'jörg@example.com';
const CROWD = Array.from({ length: 50 }, (_, n) => `user${n}@example.com`);
const LARGE = 200_000;
const SHORT_LINE = `${'x'.repeat(36)}\r\n`;
const PATIENCE_MS = 60_000;

/** What becomes of it: a word for each recipient, or for each try of one. */
export interface Expected {
  /** Somebody elsewhere writes to an address that does not exist, and while Sealdir does not run. */
  readonly unknownAtRcpt: 'refused' | 'taken, bounced';
  readonly downAtRcpt: 'told to wait' | 'taken, deferred';
  readonly unknownBounce: 'given up' | 'frozen';
  readonly smtputf8: Verdict;
  /** What `lmtp.max_message_size` has to be for the 50 MB that the mail server takes. */
  readonly maxMessageSize: '50MiB' | '100MiB';
  /** Whether replies can be told apart on the line: not with TLS. */
  readonly hasClearLine: boolean;
}

const MESSAGE_HEAD =
  'From: a@example.org\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n';

function message(subject: string, body: string | Buffer = 'hello\r\n', field = ''): Buffer {
  const head = Buffer.from(`${MESSAGE_HEAD}Subject: ${subject}\r\n${field}\r\n`);
  return Buffer.concat([head, typeof body === 'string' ? Buffer.from(body) : body]);
}

const filled = (bytes: number) => `${'x'.repeat(70)}\r\n`.repeat(Math.ceil(bytes / 72));

export function describeLmtp(
  start: () => Promise<LmtpSite>,
  way: string,
  expected: Expected,
  matrix: Matrix,
  skip: string | false,
): void {
  describe(way, { skip }, () => {
    let site: LmtpSite;
    let key: TestKey;

    before(async () => {
      site = await start();
      key = await makeKey(ALICE);
      for (const address of [ALICE, BOB, CAROL, JORG, ...CROWD]) await site.setKey(address, key.certificate);
      const date = new Date(Date.now() - 86_400_000);
      const expired = await makeKey(EXPIRED, { date, expiresAfter: 60 });
      await site.setKey(EXPIRED, expired.certificate);
    });
    after(() => site?.stop());

    /** Resolves to what became of a recipient at the first `count` tries. */
    async function verdicts(address: string, count = 1): Promise<Verdict[]> {
      const has = async () => (await site.mta.verdicts(address)).length >= count;
      const told = async () => `${address} was tried:\n${await site.mta.log()}${site.server?.output()}`;
      await until(`tries of ${address}`, has, PATIENCE_MS).catch(async (error: Error) => {
        throw new Error(`${error.message}: ${await told()}`);
      });
      return site.mta.verdicts(address);
    }

    /** A case of the matrix. */
    function seen(row: string, outcome: string, run: () => Promise<string>): void {
      test(`${row}: ${outcome}`, { timeout: 900_000 }, async () => {
        await site.mta.clear();
        assert.equal(await run(), outcome, await site.mta.log());
        matrix.saw(row, way, outcome);
      });
    }

    /** A case that the short form has over the Unix socket alone. */
    const alike: typeof seen = (...args) => {
      if (isLong || !way.includes('TCP')) seen(...args);
    };

    /** Resolves to the only message in a mailbox with a subject, opened. */
    async function opened(address: string, subject: string): Promise<Buffer> {
      const stored = await site.stored(address, subject);
      assert.equal(stored.length, 1, `${subject} is there once`);
      return readSealed(stored[0] ?? Buffer.alloc(0), key);
    }

    const refusal = (mail: Mail) =>
      site.mta.send(mail).then(
        () => '',
        (error: Error) => error.message,
      );

    seen('one message for three: a key, nobody, an expired key', 'delivered, bounced, deferred', async () => {
      await site.mta.hand({ to: [ALICE, NOBODY, EXPIRED], message: message('three') });
      const each = [await verdicts(ALICE), await verdicts(NOBODY), await verdicts(EXPIRED)];
      assert.ok((await opened(ALICE, 'three')).includes(message('three')));
      const log = await site.mta.log();
      assert.match(log, /nobody@example\.com.*550 5\.1\.1 .*No such recipient here/);
      assert.match(log, /expired@example\.com.*451 4\.7\.5 .*no usable encryption key at the moment/);
      await until('the sender is told', async () => (await site.mta.bounces()).length === 1);
      const [bounce = ''] = await site.mta.bounces();
      assert.match(bounce, /550 5\.1\.1 .*No such recipient here/s);
      assert.doesNotMatch(bounce, /(?:alice|expired)@example\.com/);
      const waiting = await site.mta.queue();
      assert.equal(waiting.length, 1, waiting.join('\n'));
      assert.match(waiting[0] ?? '', /^\S+ (?:deferred )?expired@example\.com(?! frozen)/);
      return each.flat().join(', ');
    });

    seen('somebody who does not exist, asked for by a server elsewhere', expected.unknownAtRcpt, async () => {
      const told = await refusal({ to: [NOBODY], message: message('nobody') });
      if (told !== '') {
        assert.match(told, /: 550/);
        assert.deepEqual(await site.mta.queue(), []);
        return 'refused';
      }
      return `taken, ${await verdicts(NOBODY)}`;
    });

    seen('somebody whose key has just come, asked for by a server elsewhere', 'delivered', async () => {
      const fresh = 'fresh@example.com';
      if (expected.unknownAtRcpt === 'refused')
        assert.match(await refusal({ to: [fresh], message: message('fresh') }), /: 550/);
      await site.setKey(fresh, key.certificate);
      // for a second Sealdir believes what it has found
      await until(
        'it is taken',
        async () => (await refusal({ to: [fresh], message: message('fresh') })) === '',
      );
      return `${await verdicts(fresh)}`;
    });

    alike('a bounce for somebody who does not exist', expected.unknownBounce, async () => {
      await site.mta.hand({ from: '', to: [NOBODY], message: message('null') });
      assert.deepEqual(await verdicts(NOBODY), ['bounced']);
      if (expected.unknownBounce === 'frozen')
        return /frozen/.exec((await site.mta.queue()).join())?.[0] ?? '';
      await until('it has gone', async () => (await site.mta.queue()).length === 0);
      assert.deepEqual(await site.mta.bounces(), []);
      return 'given up';
    });

    alike('details after each of + - .', 'delivered, delivered, delivered', async () => {
      const to = ['+', '-', '.'].map((sign) => `alice${sign}list@example.com`);
      await site.mta.send({ to, message: message('details') });
      const each = await Promise.all(to.map((address) => verdicts(address)));
      await opened(ALICE, 'details'); // once, since all three are hers
      return each.flat().join(', ');
    });

    seen('an address and a header in UTF-8 (SMTPUTF8)', expected.smtputf8, async () => {
      const text = message('utf8', 'hallo\r\n', 'X-From: jürgen@bücher.example\r\n');
      await site.mta.send({ to: [JORG], message: text, parameters: 'BODY=8BITMIME SMTPUTF8' });
      const found = await verdicts(JORG);
      if (expected.smtputf8 === 'delivered') assert.ok((await opened(JORG, 'utf8')).includes(text));
      return `${found}`;
    });

    seen('8-bit bytes and lines of 5,000 of them, unchanged', 'delivered', async () => {
      const body = Buffer.from(`caf\xe9 \xfc\r\n..dots\r\n${'\xe4'.repeat(5000)}\r\n`, 'latin1');
      const text = message('8bit', body, 'Content-Transfer-Encoding: 8bit\r\n');
      await site.mta.send({ to: [ALICE], message: text, parameters: 'BODY=8BITMIME' });
      const found = await verdicts(ALICE);
      assert.ok((await opened(ALICE, '8bit')).includes(text));
      return `${found}`;
    });

    alike('one message for 50', '50 delivered', async () => {
      await site.mta.send({ to: CROWD, message: message('fifty') });
      const each = await Promise.all(CROWD.map((address) => verdicts(address)));
      for (const address of CROWD) assert.equal((await site.stored(address, 'fifty')).length, 1, address);
      return `${each.flat().filter((verdict) => verdict === 'delivered').length} delivered`;
    });

    alike('larger than Sealdir takes', 'bounced', async () => {
      await site.mta.send({ to: [ALICE], message: message('too large', filled(1_200_000)) });
      const found = await verdicts(ALICE);
      await until('the sender is told', async () => (await site.mta.bounces()).length === 1);
      assert.match((await site.mta.bounces()).join(), /552 5\.3\.4 Message too big|size limit/);
      return `${found}`;
    });

    seen('all replies are lost, and the message is sent again', 'deferred, delivered, once', async () => {
      const text = message('lost', filled(LARGE));
      await site.losing(0, async () => {
        await site.mta.hand({ to: [ALICE], message: text });
        assert.deepEqual(await verdicts(ALICE), ['deferred']);
      });
      assert.equal(
        (await site.stored(ALICE, 'lost')).length,
        1,
        'it is there, and the mail server cannot know',
      );
      await site.mta.flush();
      const found = await verdicts(ALICE, 2);
      assert.ok((await opened(ALICE, 'lost')).includes(text));
      assert.match(site.server?.output() ?? '', /"why":"duplicate"/);
      return `${found.join(', ')}, once`;
    });

    if (expected.hasClearLine)
      seen(
        'of three replies only the first arrives',
        'delivered, the others deferred, once each',
        async () => {
          const to = [ALICE, BOB, CAROL];
          await site.losing(1, async () => {
            await site.mta.hand({ to, message: message('cut', filled(LARGE)) });
            for (const address of to) await verdicts(address);
          });
          const first = await Promise.all(to.map((address) => site.mta.verdicts(address)));
          await site.mta.flush();
          await until('nothing waits', async () => (await site.mta.queue()).length === 0, PATIENCE_MS);
          for (const address of to) await opened(address, 'cut');
          const words = first.flat().sort().join(', ');
          return words === 'deferred, deferred, delivered'
            ? 'delivered, the others deferred, once each'
            : words;
        },
      );

    seen('Sealdir does not run, and a server elsewhere asks', expected.downAtRcpt, async () => {
      await site.stopServer();
      const told = await refusal({ to: [ALICE], message: message('down') });
      const found = told === '' ? `taken, ${await verdicts(ALICE)}` : told;
      if (!/^taken/.test(found)) assert.match(found, /: 4\d\d/);
      return /^taken/.test(found) ? found : 'told to wait';
    });

    seen('Sealdir does not run, then runs again', 'deferred, delivered', async () => {
      await site.stopServer(); // the case above has done so
      await site.mta.hand({ to: [ALICE], message: message('restart') });
      assert.deepEqual(await verdicts(ALICE), ['deferred']);
      assert.match((await site.mta.queue()).join('\n'), /^\S+ (?:deferred )?alice@example\.com(?!.* frozen)/);
      await site.startServer();
      await site.mta.flush();
      const found = await verdicts(ALICE, 2);
      await opened(ALICE, 'restart');
      assert.deepEqual(await site.mta.bounces(), []);
      return found.join(', ');
    });

    if (isLong)
      seen('50 MB', 'delivered', async () => {
        await site.stopServer();
        await site.serve(expected.maxMessageSize);
        // just below the limit of the mail server: Exim counts 37 bytes for each of the shorter lines
        const body = expected.maxMessageSize === '50MiB' ? filled(52_300_000) : SHORT_LINE.repeat(1_410_000);
        const text = message('fifty megabytes', body);
        await site.mta.send({ to: [ALICE], message: text });
        const found = await verdicts(ALICE);
        const whole = await opened(ALICE, 'fifty megabytes');
        const sha = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
        assert.equal(sha(whole.subarray(-text.length)), sha(text));
        return `${found}`;
      });

    test('the matrix has what was seen', () => {
      assert.deepEqual(matrix.missing(), []);
    });
  });
}
