// Commands in each state of a session and in any order, pipelined and cut anywhere, sent to a real server
// over its socket. A model says which replies there have to be. Every acknowledged message has to be in new/,
// and nothing else.

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { BYTE_BY_BYTE, type Cut, cut, someCut, WHOLE } from '../support/chunks.ts';
import { fuzz } from '../support/fuzz.ts';
import { connectLmtp, writeApart } from '../support/lmtp.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';
import { asData } from '../support/wireform.ts';
import { COMMANDS, MESSAGES, say } from './commands.ts';
import { type Command, LIMITS, MAILBOXES, type Mailbox, type Message, SessionModel } from './model.ts';

interface Step {
  readonly command: Command;
  /** Is sent if the command is a DATA that has to be accepted. */
  readonly message: Message;
  readonly lineEnd: '\r\n' | '\n';
}

/** `at` says how many bytes have to be sent before a reply is due, or a message stored. */
interface Expected {
  readonly bytes: string;
  readonly replies: { readonly code: number; readonly at: number }[];
  readonly stored: { readonly mailbox: Mailbox; readonly at: number }[];
  /** Bytes that the client sends after the end of the session. */
  readonly afterEnd: string;
}

/** Returns the whole dialogue as the model expects it. It ends with QUIT, if nothing ends it before. */
function dialogueOf(steps: readonly Step[]): Expected {
  const model = new SessionModel();
  const expected = {
    bytes: '',
    replies: [{ code: 220, at: 0 }],
    stored: [] as Expected['stored'],
    afterEnd: '',
  };
  const quit: Step = { command: say('QUIT'), message: { bytes: '' }, lineEnd: '\r\n' };
  for (const { command, message, lineEnd } of [...steps, quit]) {
    const line = `${command.line}${lineEnd}`;
    if (model.isClosed) {
      expected.afterEnd += line;
      continue;
    }
    expected.bytes += line;
    const code = model.command(command);
    expected.replies.push({ code, at: expected.bytes.length });
    if (code !== 354) continue;
    expected.bytes += asData(Buffer.from(message.bytes, 'latin1')).toString('latin1');
    const { codes, stored } = model.receive(message);
    const at = expected.bytes.length;
    expected.replies.push(...codes.map((each) => ({ code: each, at })));
    expected.stored.push(...stored.map((mailbox) => ({ mailbox, at })));
  }
  return expected;
}

const FIRST_MESSAGE: Message = MESSAGES[1] ?? { bytes: '' };
const step = (command: Command, message = FIRST_MESSAGE): Step => ({ command, message, lineEnd: '\r\n' });

const NINE_MISTAKES = Array<Step>(LIMITS.errors - 1).fill(step(say('STARTTLS')));

const STATES: Record<string, readonly Step[]> = {
  'before LHLO': [],
  'after LHLO': [step(say('LHLO'))],
  'after MAIL': [step(say('LHLO')), step(say('MAIL'))],
  'after RCPT': [step(say('LHLO')), step(say('MAIL')), step(say('RCPT'))],
  'after as many RCPTs as there may be': [
    ...[step(say('LHLO')), step(say('MAIL'))],
    ...Array<Step>(LIMITS.recipients).fill(step(say('RCPT'))),
  ],
  'after a message': [step(say('LHLO')), step(say('MAIL')), step(say('RCPT')), step(say('DATA'))],
  'after nine mistakes': NINE_MISTAKES,
  // a client that delivers a message starts to count its mistakes anew
  'after nine mistakes and a message': [
    ...NINE_MISTAKES,
    ...[step(say('LHLO')), step(say('MAIL')), step(say('RCPT')), step(say('DATA'))],
  ],
};

describe('a session', () => {
  let server: TestServer;
  let readLines = 0;

  before(async () => {
    const past = new Date(Date.now() - 86_400_000);
    const expired = await makeKey('expired@example.com', { date: past, expiresAfter: 3600 });
    server = await startSealdir({
      keys: {
        ...Object.fromEntries(
          await Promise.all(MAILBOXES.map(async (each) => [each, (await makeKey(each)).certificate])),
        ),
        'expired@example.com': expired.certificate,
        'broken@example.com': 'not a key',
      },
      toml: {
        lmtp: `max_message_size = ${LIMITS.messageBytes}
max_header_size = ${LIMITS.headerBytes}
max_recipients = ${LIMITS.recipients}`,
      },
    });
  });
  after(() => server.stop());

  /** Plays a dialogue against the server. The client closes its side after `leaveAt` bytes. */
  async function play(
    steps: readonly Step[],
    lengths: Cut,
    leaveAt = Number.POSITIVE_INFINITY,
  ): Promise<void> {
    const { bytes, replies, stored, afterEnd } = dialogueOf(steps);
    const client = await connectLmtp(server.socketPath);
    const toSend = Buffer.from(bytes, 'latin1').subarray(0, leaveAt);
    const last = leaveAt < bytes.length ? 0 : 1;
    await writeApart(client, cut(toSend.subarray(0, toSend.length - last), lengths));
    if (last === 0) client.socket.end();
    // bytes after the end have to arrive with the last byte of the session, or they could not be sent
    else client.write(Buffer.concat([toSend.subarray(-1), Buffer.from(afterEnd, 'latin1')]));
    const codes: number[] = [];
    for (let reply = await client.reply(); reply !== ''; reply = await client.reply())
      codes.push(Number(reply.slice(0, 3)));
    await client.vanish();
    const isDue = ({ at }: { at: number }) => at <= leaveAt;
    assert.deepEqual(
      codes,
      replies.filter(isDue).map(({ code }) => code),
    );
    await assertStored(stored.filter(isDue).map(({ mailbox }) => mailbox));
  }

  /** Checks that there is one file for each mailbox and message, as the log says. Then removes them. */
  async function assertStored(expected: readonly Mailbox[]): Promise<void> {
    await until('tmp/ is empty', async () => {
      const left = await Promise.all(MAILBOXES.map((each) => server.files(each, 'tmp')));
      return left.flat().length === 0;
    });
    const lines = server.log.slice(readLines).map((line) => JSON.parse(line) as { file?: string });
    readLines = server.log.length;
    const acknowledged = new Set(lines.flatMap(({ file }) => file ?? []));
    const files = (await Promise.all(MAILBOXES.map((each) => server.files(each, 'new')))).flat();
    assert.deepEqual(files.map((path) => path.split('/').at(-1)).sort(), [...acknowledged].sort());
    for (const mailbox of MAILBOXES) {
      const count = expected.filter((each) => each === mailbox).length;
      assert.equal((await server.files(mailbox, 'new')).length, count, mailbox);
    }
    await Promise.all(files.map((path) => rm(path)));
  }

  for (const [state, before] of Object.entries(STATES)) {
    test(`${state} each command gets its reply`, async () => {
      for (const command of COMMANDS) {
        await play([...before, step(command)], WHOLE).catch((error: Error) => {
          throw new Error(`${command.line.slice(0, 80)}: ${error.message}`, { cause: error });
        });
      }
    });
  }

  test('each message gets its replies', async () => {
    for (const message of MESSAGES) {
      for (const lengths of [WHOLE, [1000, 7], ...(message.bytes.length < 3000 ? [BYTE_BY_BYTE] : [])]) {
        const rcpts = [say('RCPT'), say('RCPT TO:<"bob"'), say('rcpt')].map((each) => step(each));
        await play([step(say('LHLO')), step(say('MAIL')), ...rcpts, step(say('DATA'), message)], lengths);
      }
    }
  });

  test('any commands get the replies of the model, in any order, however cut, and wherever the client leaves', async (t) => {
    const ordinary = fc.constantFrom(...['LHLO', 'MAIL', 'RCPT', 'RCPT TO:<"bob"', 'DATA', 'RSET'].map(say));
    const any = fc.record({
      command: fc.oneof({ weight: 3, arbitrary: ordinary }, fc.constantFrom(...COMMANDS)),
      message: fc.constantFrom(...MESSAGES),
      lineEnd: fc.constantFrom('\r\n' as const, '\r\n' as const, '\n' as const),
    });
    const leaveAt = fc.option(fc.oneof(fc.nat(300), fc.nat(10_000)), { nil: undefined });
    await fuzz(t, {
      arbitrary: fc.tuple(fc.array(any, { maxLength: 30 }), someCut, leaveAt),
      check: ([steps, lengths, at]) => play(steps, lengths, at),
    });
  });
});
