// Real filters mark real spam, and the rules of README have it in Junk: SpamAssassin and bogofilter with the
// messages of a corpus, and marks that came with messages of that corpus. For rspamd: rspamd.test.ts.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type CorpusMessage, openCorpus } from '../support/corpus.ts';
import { examples } from '../support/examples.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { isLong, spread, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { toWireForm } from '../support/wireform.ts';

const ALICE = 'alice@example.com';
const corpus = openCorpus();
const kind = (name: string) => corpus.messages.filter((each) => each.name.startsWith(`${name}/`));
const SPAM = spread(kind('sa-spam-1'), isLong ? 40 : 6);
const HAM = spread(kind('sa-hard-ham-1'), isLong ? 20 : 6);

/** What a mark looks like, as it is in a header. Fields may be folded. */
const MARKED = [
  /^X-Spam-Flag: *yes *$/im,
  /^X-Spam-Status: *yes\b/im,
  /^X-Spam: *yes *$/im,
  /^X-Bogosity: *spam\b/im,
  /^X-MailScanner-SpamCheck: *spam\b/im,
  /^X-Forefront-Antispam-Report: .*\bSFV:SPM\b/im,
];

describe('spam', { skip: corpus.skip, timeout: 900_000 }, () => {
  let alice: TestKey;
  let server: TestServer;
  let directory = '';

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    alice = await makeKey(ALICE);
    const [rest = ''] = examples().filter((text) => text.includes('X-Bogosity'));
    server = await startSealdir({ keys: { [ALICE]: alice.certificate }, toml: { rest } });
  });
  after(async () => {
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /** Delivers messages, and says of each whether it came to Junk. It has to be whole there. */
  async function areJunk(messages: readonly Buffer[]): Promise<boolean[]> {
    const session = await openSession(server.socketPath);
    const verdicts: boolean[] = [];
    for (const message of messages) {
      const { final } = await deliver(session, { to: [ALICE], message });
      assert.match(final[0] ?? '', /^250 2\.0\.0 /);
      const { folder = 'INBOX', file = '' } = server.outcomes().at(-1) ?? {};
      const below = folder === 'INBOX' ? 'new' : `.${folder}/new`;
      const stored = await readFile(join(server.directory, 'mail/example.com/alice', below, file));
      const opened = await readSealed(stored, alice);
      assert.ok(opened.equals(message), 'the bytes of the message');
      verdicts.push(folder === 'Junk');
    }
    await session.vanish();
    return verdicts;
  }

  /** Messages that a filter has looked at come to Junk if it has marked them; some are, and some are not. */
  async function agree(messages: readonly Buffer[]): Promise<void> {
    const expected = messages.map((message) => {
      const [header = ''] = message.toString('latin1').split('\r\n\r\n');
      return MARKED.some((mark) => mark.test(header.replaceAll(/\r\n[ \t]+/g, ' ').replaceAll('\r', '')));
    });
    assert.deepEqual(await areJunk(messages), expected);
    assert.ok(expected.includes(true) && expected.includes(false), String(expected));
  }

  test('a message of the corpus that came with a mark is in Junk, one with a field that says no is not', async () => {
    const isSeen = (text: string) =>
      /^X-(Spam|Spam-Flag|Spam-Status|MailScanner-SpamCheck|Forefront-Antispam-Report):/im.test(text);
    const judged = corpus.messages.filter((each) => {
      const [header = ''] = each.wire().toString('latin1').split('\r\n\r\n');
      return isSeen(header);
    });
    assert.ok(judged.length > 20);
    await agree(judged.map((each) => each.wire()));
  });

  for (const [filter, yes, no] of [
    [
      'Microsoft 365',
      'X-Forefront-Antispam-Report: CIP:203.0.113.7;CTRY:US;LANG:en;SCL:5;SRV:;\r\n\tIPV:NLI;SFV:SPM;H:mx.example.org;CAT:SPM;DIR:INB;',
      'X-Forefront-Antispam-Report: CIP:203.0.113.7;CTRY:US;LANG:en;SCL:1;SRV:;\r\n\tIPV:NLI;SFV:NSPM;H:mx.example.org;CAT:NONE;DIR:INB;',
    ],
    [
      'MailScanner',
      'X-MailScanner-SpamCheck: spam, SpamAssassin (not cached, score=12.4,\r\n\trequired 5, BAYES_99 3.50)',
      'X-MailScanner-SpamCheck: not spam, SpamAssassin (score=0.3, required 5)',
    ],
    [
      'amavis',
      'X-Spam-Flag: YES\r\nX-Spam-Score: 7.1\r\nX-Spam-Status: Yes, score=7.1 tagged_above=2 required=6.31',
      'X-Spam-Flag: NO\r\nX-Spam-Score: -1.9\r\nX-Spam-Status: No, score=-1.9 tagged_above=2 required=6.31',
    ],
  ] as const)
    test(`${filter}: what it marks is in Junk, what it does not is not`, async () => {
      const body = '\r\nSubject: x\r\n\r\nx\r\n';
      assert.deepEqual(await areJunk([Buffer.from(yes + body), Buffer.from(no + body)]), [true, false]);
    });

  testLong('SpamAssassin marks spam of the corpus, which comes to Junk', needs('spamassassin'), async () => {
    const mbox = join(directory, 'mbox');
    await writeFile(mbox, Buffer.concat([...SPAM, ...HAM].map(asMbox)));
    const args = ['--local', '--prefspath=/dev/null', '--mbox', mbox];
    const { code, stdout, stderr } = await run('spamassassin', args, { timeoutMs: 180_000 });
    assert.equal(code, 0, stderr);
    const marked = stdout
      .toString('latin1')
      .split(/^From \S+ .*\n/m)
      .slice(1);
    assert.equal(marked.length, SPAM.length + HAM.length);
    for (const text of marked) assert.match(text, /^X-Spam-Status: (Yes|No), score=/m);
    await agree(marked.map((text) => toWireForm(Buffer.from(text, 'latin1'))));
  });

  test('bogofilter marks spam of the corpus, which comes to Junk', needs('bogofilter'), async () => {
    const bogofilter = async (args: readonly string[], messages: readonly CorpusMessage[]) => {
      const stdin = Buffer.concat(messages.map(asMbox));
      const { code, stdout, stderr } = await run('bogofilter', ['-d', directory, ...args], { stdin });
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const others = (name: string, known: readonly CorpusMessage[]) =>
      kind(name)
        .filter((each) => !known.includes(each))
        .slice(0, 150);
    await bogofilter(['-s', '-M'], others('sa-spam-1', SPAM));
    await bogofilter(['-n', '-M'], others('sa-hard-ham-1', HAM));
    const marked: Buffer[] = [];
    for (const message of [...SPAM, ...HAM])
      marked.push(toWireForm(await bogofilter(['-p', '-e', '-o', '0.6,0.4'], [message])));
    for (const text of marked) assert.match(text.toString('latin1'), /^X-Bogosity: (Spam|Ham|Unsure), /m);
    await agree(marked);
  });
});

/** Returns a message as it stands in an mbox. */
function asMbox(message: CorpusMessage): Buffer {
  const text = message.wire().toString('latin1').replaceAll('\r\n', '\n');
  return Buffer.from(
    `From x@example.org Mon Nov  2 10:00:00 2026\n${text.replaceAll(/^(>*From )/gm, '>$1')}\n`,
    'latin1',
  );
}
