// The contract of lmtp/contract.ts: the server makes its calls in that order wherever a client leaves, and
// each accepted RCPT gets one reply even if a delivery breaks its side.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { type Reply, replyOf } from '../../src/core/outcome.ts';
import { Connections } from '../../src/lmtp/connections.ts';
import type { LmtpTransaction } from '../../src/lmtp/contract.ts';
import { LmtpServer } from '../../src/lmtp/server.ts';
import { openSession } from '../support/lmtp.ts';
import { listenFor } from '../support/lmtpport.ts';
import { until } from '../support/until.ts';

const FOREVER_MS = 1_000_000;

/** A delivery that stores nothing. Writes down each call, and fails if another one is under way. */
class Recorder implements LmtpTransaction {
  recipientCount = 0;
  readonly calls: string[] = [];
  #underWay: string | undefined;

  async recipient(): Promise<Reply> {
    await this.#call('recipient');
    this.recipientCount++;
    return replyOf('recipientOk');
  }

  announce(): boolean {
    assert.equal(this.#underWay, undefined);
    if (this.recipientCount > 0) this.calls.push('announce');
    return this.recipientCount > 0;
  }

  start(): void {
    assert.equal(this.#underWay, undefined);
    this.calls.push('start');
  }

  write(_pieces: readonly Buffer[]): Promise<void> {
    return this.#call('write');
  }

  async *finish(): AsyncGenerator<Reply> {
    await this.#call('finish');
    for (let given = 0; given < this.recipientCount; given++) yield replyOf('stored');
  }

  async abort(): Promise<void> {
    this.calls.push('abort');
  }

  async #call(name: string): Promise<void> {
    assert.equal(this.#underWay, undefined, `${name} during ${this.#underWay}`);
    this.calls.push(name);
    this.#underWay = name;
    await new Promise((resolve) => setImmediate(resolve));
    this.#underWay = undefined;
  }
}

async function openServer(t: TestContext, begin: () => LmtpTransaction) {
  const faults: string[] = [];
  const server = new LmtpServer(
    {
      world: { micros: () => performance.now() * 1000 },
      host: 'mx.example.com',
      maxMessageBytes: 10_000_000,
      maxConnections: 10,
      maxPeerConnections: 10,
      idleMs: FOREVER_MS,
      blockMs: FOREVER_MS,
      dataMs: FOREVER_MS,
      sessionMs: FOREVER_MS,
      tls: undefined,
      requiresTls: false,
      distrusted: () => assert.fail(),
      replied: () => {},
      begin,
      fault: (what, error) => faults.push(`${what}: ${(error as Error).message}`),
    },
    new Connections(),
  );
  return { faults, port: await listenFor(server, t) };
}

/** Sends a message to two recipients. Returns the codes of the two replies and of the NOOP after them. */
async function repliesTo(t: TestContext, transaction: LmtpTransaction) {
  const { port, faults } = await openServer(t, () => transaction);
  const session = await openSession(port);
  for (const line of ['MAIL FROM:<>', 'RCPT TO:<a>', 'RCPT TO:<b>', 'DATA']) await session.say(line);
  session.write('Subject: x\r\n\r\nx\r\n.\r\nNOOP\r\n');
  const replies = [await session.reply(), await session.reply(), await session.reply()];
  await session.vanish();
  return { replies: replies.map((reply) => reply.slice(0, 9)), faults };
}

test('a delivery that ends its replies early, or throws, has `internal` for each RCPT that is left', async (t) => {
  class Short extends Recorder {
    override async *finish(): AsyncGenerator<Reply> {
      yield replyOf('stored');
    }
  }
  class Throwing extends Recorder {
    override async *finish(): AsyncGenerator<Reply> {
      yield replyOf('stored');
      throw new Error('a bug');
    }
  }
  const expected = ['250 2.0.0', '451 4.3.0', '250 2.0.0'];
  assert.deepEqual(await repliesTo(t, new Short()), { replies: expected, faults: [] });
  assert.deepEqual(await repliesTo(t, new Throwing()), { replies: expected, faults: ['delivery: a bug'] });
});

test('of a delivery that yields too many replies the last ones are dropped', async (t) => {
  class Talkative extends Recorder {
    override async *finish(): AsyncGenerator<Reply> {
      for (const why of ['stored', 'diskFull', 'overQuota', 'storeFailed'] as const) yield replyOf(why);
    }
  }
  const { replies } = await repliesTo(t, new Talkative());
  assert.deepEqual(replies, ['250 2.0.0', '452 4.3.1', '250 2.0.0']);
});

test('a RCPT whose decision throws is answered `internal`, and the session goes on', async (t) => {
  class Undecided extends Recorder {
    override async recipient(): Promise<Reply> {
      throw new Error('a bug');
    }
  }
  const { port, faults } = await openServer(t, () => new Undecided());
  const session = await openSession(port);
  await session.say('MAIL FROM:<>');
  assert.match(await session.say('RCPT TO:<a>'), /^451 4\.3\.0 /);
  assert.match(await session.say('DATA'), /^503 /);
  await session.vanish();
  assert.deepEqual(faults, ['command: a bug']);
});

/** The order of calls in contract.ts. A transaction that was not finished is aborted. */
const ORDER = /^(recipient )*(announce start (write )*(finish (abort )?|abort )|abort )$/;

test('calls come in the order of the contract, one at a time, wherever the client leaves', async (t) => {
  const transactions: Recorder[] = [];
  const { port, faults } = await openServer(t, () => {
    const transaction = new Recorder();
    transactions.push(transaction);
    return transaction;
  });
  const message = `DATA\r\n${`${'x'.repeat(70)}\r\n`.repeat(100)}.\r\n`;
  const commands = ['MAIL FROM:<>', 'RCPT TO:<a>', 'RCPT TO:<b>', 'RSET', 'LHLO again', 'QUIT'];
  const dialogue = fc.array(
    fc.oneof(
      fc.constantFrom(...commands).map((line) => `${line}\r\n`),
      fc.constant(message),
    ),
    { maxLength: 12 },
  );
  const ending = fc.constantFrom('destroy', 'end');
  await fc.assert(
    fc.asyncProperty(dialogue, fc.nat(10_000), ending, async (lines, leaveAt, how) => {
      transactions.length = 0;
      const session = await openSession(port);
      const bytes = lines.join('').slice(0, leaveAt);
      await new Promise((resolve) =>
        session.socket.write(`MAIL FROM:<>\r\nRCPT TO:<a>\r\n${bytes}`, resolve),
      );
      if (how === 'end') {
        session.socket.end();
        while ((await session.reply()) !== '');
      }
      await session.vanish();
      const histories = () => transactions.map(({ calls }) => `${calls.join(' ')} `);
      const isOver = (history: string) => / (finish|abort) $/.test(` ${history}`);
      await until('every transaction is over', () => histories().every(isOver));
      for (const history of histories()) assert.match(history, ORDER);
      assert.deepEqual(faults, []);
    }),
    { numRuns: 200 },
  );
});
