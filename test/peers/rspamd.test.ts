// A real rspamd judges mail in front of Sealdir, as the milter of a real Postfix, with the files of
// config/rspamd and config/postfix/milter.main.cf.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openCorpus } from '../support/corpus.ts';
import { dkimVerifies, makeDkimKey } from '../support/dkim.ts';
import { isLong, spread } from '../support/long.ts';
import { shipped } from '../support/mailhost.ts';
import { needs } from '../support/peers.ts';
import { type Postfix, startPostfix } from '../support/postfix.ts';
import { type Rspamd, startRspamd } from '../support/rspamd.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';
import { submit } from '../support/submit.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const PATTERN = 'JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X';
/** As from a server elsewhere: rspamd adds no fields for clients of its own network. */
const ELSEWHERE = ['XCLIENT ADDR=203.0.113.7 NAME=mx.example.org', 'EHLO mx.example.org'];
const MOST_MS = 480_000;
const corpus = openCorpus();

describe('rspamd in front of Sealdir', {
  ...needs('rspamd', 'postfix', 'unbound', 'root'),
  timeout: MOST_MS,
}, () => {
  const dkim = makeDkimKey();
  let alice: TestKey;
  let sealdir: TestServer;
  let rspamd: Rspamd;
  let postfix: Postfix;

  before(async () => {
    alice = await makeKey(ALICE);
    const rules = shipped('rspamd/folders.toml');
    sealdir = await startSealdir({ keys: { [ALICE]: alice.certificate }, toml: { rest: rules } });
    rspamd = await startRspamd(sealdir.directory, { 'example.com.mail.key': dkim.privateKey });
    postfix = await startPostfix({
      dir: sealdir.directory,
      transport: `lmtp:inet:127.0.0.1:${sealdir.port}`,
      domains: ['example.com'],
      main: shipped('postfix/milter.main.cf').replace(':11332', `:${rspamd.port}`),
      settings: {
        smtpd_authorized_xclient_hosts: '127.0.0.1',
        smtpd_relay_restrictions: 'reject_unauth_destination',
      },
    });
  });
  after(async () => {
    await postfix?.stop();
    await rspamd?.stop();
    await sealdir?.stop();
  });

  interface Sent {
    readonly body: string;
    readonly from?: string;
    readonly fields?: string;
    readonly before?: readonly string[];
  }

  const send = ({ body, from = 'me@example.org', fields = '', before = ELSEWHERE }: Sent) => {
    const text = `From: <${from}>\r\nTo: <${ALICE}>\r\nSubject: a letter\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\nMessage-ID: <${Date.now()}@example.org>\r\n${fields}\r\n${body}\r\n`;
    return submit(postfix.port, { from, to: [ALICE], before, message: Buffer.from(text) });
  };

  /** Sends a message, and returns where it came to and what its recipient reads. */
  const delivered = (sent: Sent) => came(() => send(sent));

  async function came(sending: () => Promise<unknown>): Promise<{ folder: string; text: Buffer }> {
    const count = sealdir.outcomes().length;
    await sending();
    await until('it is delivered', () => sealdir.outcomes().length > count);
    const line = sealdir.outcomes().at(-1);
    const folder = line?.folder ?? 'INBOX';
    const mailbox = join(sealdir.directory, 'mail/example.com/alice', folder === 'INBOX' ? '' : `.${folder}`);
    const [file] = (await readdir(join(mailbox, 'new'))).filter((name) => name === line?.file);
    assert.ok(file !== undefined);
    return { folder, text: await readSealed(await readFile(join(mailbox, 'new', file)), alice) };
  }

  test('a message with the GTUBE pattern is refused, and nothing of it is stored', async () => {
    const count = sealdir.outcomes().length;
    await assert.rejects(send({ body: `X${PATTERN}` }), /554 5\.7\.1 Gtube pattern/);
    assert.equal(sealdir.outcomes().length, count);
    assert.deepEqual(await postfix.queue(), []);
  });

  test('a message that rspamd marks comes to Junk, and one that it does not to the inbox', async () => {
    const marked = await delivered({ body: `Y${PATTERN}` });
    assert.equal(marked.folder, 'Junk');
    assert.match(marked.text.toString(), /^X-Spam: Yes\r?$/m);
    // a message that others have marked has points for that, and gets a mark of our own
    const judged = await delivered({ body: 'Good morning', fields: 'X-Spam: Yes\r\n' });
    assert.equal(judged.folder, 'Junk');
    assert.match(judged.text.toString(), /^X-Spam-Status: Yes, score=/m);
    const other = await delivered({ body: 'Good morning' });
    assert.equal(other.folder, 'INBOX');
    assert.match(other.text.toString(), /^X-Spam-Status: No, score=/m);
  });

  test('what rspamd marks of the spam of a corpus comes to Junk, and what it refuses nowhere', {
    skip: corpus.skip,
  }, async () => {
    const kind = (name: string) => corpus.messages.filter((each) => each.name.startsWith(`${name}/`));
    const seen = { refused: 0, Junk: 0, INBOX: 0 };
    for (const each of [
      ...spread(kind('sa-spam-1'), isLong ? 50 : 8),
      ...spread(kind('sa-hard-ham-1'), isLong ? 10 : 4),
    ]) {
      const count = sealdir.outcomes().length;
      const message = each.wire();
      const sending = () =>
        submit(postfix.port, { from: 'me@example.org', to: [ALICE], before: ELSEWHERE, message });
      const result = await came(sending).catch((error: Error) => error.message);
      if (typeof result === 'string') {
        assert.match(result, /554 5\.7\.1 Spam message rejected/, each.name);
        assert.equal(sealdir.outcomes().length, count);
        seen.refused += 1;
        continue;
      }
      const [header = ''] = result.text.toString('latin1').split('\r\n\r\n');
      const isMarked = /^X-Spam-Status: Yes, score=/m.test(header);
      assert.equal(result.folder, isMarked ? 'Junk' : 'INBOX', each.name);
      seen[isMarked ? 'Junk' : 'INBOX'] += 1;
    }
    assert.ok(seen.Junk > (isLong ? 10 : 1) && seen.INBOX > 0, JSON.stringify(seen));
  });

  test('marks that came with a message are taken out of it', async () => {
    const fields = 'X-Spam: Yes\r\nX-Spam-Status: Yes, score=99\r\n';
    const { text } = await delivered({ body: 'Good morning', fields });
    assert.doesNotMatch(text.toString(), /score=99/);
    assert.equal(text.toString().match(/^X-Spam: /gm)?.length, 1);
  });

  test('what a user sends who is logged in is signed, and nothing else in their name', async () => {
    const loggedIn = ['XCLIENT ADDR=203.0.113.7 LOGIN=alice@example.com', 'EHLO client.test'];
    const sent = await delivered({ body: 'To myself', from: ALICE, before: loggedIn });
    assert.match(sent.text.toString(), /^DKIM-Signature:[^:]*\bd=example\.com; s=mail;/m);
    assert.ok(await dkimVerifies(sent.text, dkim));
    assert.ok(!(await dkimVerifies(Buffer.from(`${sent.text}x`), dkim)));
    const forged = await delivered({ body: 'To myself', from: ALICE });
    assert.doesNotMatch(forged.text.toString(), /^DKIM-Signature:/m);
  });

  test('while rspamd is down, mail is deferred and nothing is let through', async () => {
    await rspamd.stop();
    await assert.rejects(send({ body: 'Good morning' }), /451 4\.7\.1/);
  });
});
