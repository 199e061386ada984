import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CommandTarget, MAX_LINE_BYTES, SessionParser } from '../../src/lmtp/parser.ts';
import { BYTE_BY_BYTE, type Cut, cut, someCut, WHOLE } from '../support/chunks.ts';

/** Writes down what the parser does. Answers a command as `answers` says, and any other at once. */
class Recorder implements CommandTarget {
  isClosed = false;
  readonly seen: string[] = [];
  readonly parser: SessionParser = new SessionParser(this);
  readonly #answers: Record<string, (done: () => void) => void>;

  constructor(answers: Record<string, (done: () => void) => void> = {}) {
    this.#answers = answers;
  }

  command(line: Buffer, done: () => void): void {
    const text = line.toString('latin1');
    this.seen.push(text);
    if (text === 'DATA') this.#startData();
    if (text === 'QUIT') this.isClosed = true;
    const answer = this.#answers[text];
    if (answer) answer(done);
    else done();
  }

  lineTooLong(done: () => void): void {
    this.seen.push('(too long)');
    done();
  }

  #startData(): void {
    let message = '';
    this.parser.startData({
      write: async (pieces) => {
        message += Buffer.concat(pieces).toString('latin1');
      },
      end: async () => {
        this.seen.push(`(message ${JSON.stringify(message)})`);
      },
    });
  }
}

async function dialogue(bytes: string, lengths: Cut = WHOLE): Promise<string[]> {
  const recorder = new Recorder();
  for (const piece of cut(Buffer.from(bytes, 'latin1'), lengths)) await recorder.parser.take(piece);
  return recorder.seen;
}

/** Waits until the parser can do nothing more without another answer. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const SESSION =
  'LHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<x>\r\nDATA\r\nA: 1\r\n\r\n..\r\n.b\r\n.\r\nNOOP\r\nDATA\r\n.\r\nRSET\nNOOP\n';
const SEEN = [
  ...['LHLO a', 'MAIL FROM:<>', 'RCPT TO:<x>', 'DATA', '(message "A: 1\\r\\n\\r\\n.\\r\\nb\\r\\n")', 'NOOP'],
  ...['DATA', '(message "")', 'RSET', 'NOOP'],
];

test('a whole session in one piece gives its commands and messages in their order', async () => {
  assert.deepEqual(await dialogue(SESSION), SEEN);
});

test('a session is the same byte by byte and however it is cut', async () => {
  assert.deepEqual(await dialogue(SESSION, BYTE_BY_BYTE), SEEN);
  for (let at = 1; at < SESSION.length; at++)
    assert.deepEqual(await dialogue(SESSION, [at, SESSION.length]), SEEN);
  await fc.assert(
    fc.asyncProperty(someCut, async (lengths) => assert.deepEqual(await dialogue(SESSION, lengths), SEEN)),
  );
});

test('any bytes give the same commands however they are cut', async () => {
  const bytes = fc
    .array(fc.constantFrom('\r', '\n', '.', 'a', '\0', '\xff', '\r\n', '\r\nDATA\r\n', '\r\n.\r\n'), {
      maxLength: 40,
    })
    .map((pieces) => pieces.join(''));
  await fc.assert(
    fc.asyncProperty(bytes, someCut, async (text, lengths) => {
      const whole = await dialogue(text);
      assert.deepEqual(await dialogue(text, lengths), whole);
      assert.deepEqual(await dialogue(text, BYTE_BY_BYTE), whole);
    }),
    { numRuns: 300 },
  );
});

test('a line ends in CRLF or LF, and of several CRs before the LF only the last belongs to the end', async () => {
  assert.deepEqual(await dialogue('a\r\nb\nc\rd\r\r\n\r\n\n'), ['a', 'b', 'c\rd\r', '', '']);
});

test('a line without its end is not a command yet', async () => {
  assert.deepEqual(await dialogue('NOOP\r\nQUIT'), ['NOOP']);
});

test('a line of the longest length is a command, and one byte more is answered once', async () => {
  const longest = 'x'.repeat(MAX_LINE_BYTES - 1);
  for (const lengths of [WHOLE, BYTE_BY_BYTE, [1000]]) {
    assert.deepEqual(await dialogue(`${longest}\r\nNOOP\r\n`, lengths), [longest, 'NOOP']);
    assert.deepEqual(await dialogue(`${longest}y\r\nNOOP\r\n`, lengths), ['(too long)', 'NOOP']);
  }
});

test('an over-long line is answered once at its end, however long, and the session goes on', async () => {
  const session = `NOOP\r\n${'x'.repeat(50_000)}\r\nRSET\r\n${'y'.repeat(5000)}\nNOOP\r\n`;
  for (const lengths of [WHOLE, BYTE_BY_BYTE, [4096], [4097, 1]])
    assert.deepEqual(await dialogue(session, lengths), ['NOOP', '(too long)', 'RSET', '(too long)', 'NOOP']);
  assert.deepEqual(await dialogue('x'.repeat(50_000), [1000]), []);
});

test('nothing after a command that closes the session is dispatched', async () => {
  for (const lengths of [WHOLE, BYTE_BY_BYTE, [3]])
    assert.deepEqual(await dialogue('NOOP\r\nQUIT\r\nMAIL FROM:<>\r\nDATA\r\n', lengths), ['NOOP', 'QUIT']);
});

test('a command answered late holds the next one back', async () => {
  let answer = () => {};
  const recorder = new Recorder({
    'RCPT TO:<slow>': (done) => {
      answer = done;
    },
  });
  const taken = recorder.parser.take(
    Buffer.from('MAIL FROM:<>\r\nRCPT TO:<slow>\r\nRCPT TO:<b>\r\nDATA\r\n'),
  );
  await settle();
  assert.deepEqual(recorder.seen, ['MAIL FROM:<>', 'RCPT TO:<slow>']);
  answer();
  await taken;
  assert.deepEqual(recorder.seen, ['MAIL FROM:<>', 'RCPT TO:<slow>', 'RCPT TO:<b>', 'DATA']);
});

test('message bytes wait for the sink, and commands after the message wait for its end', async () => {
  const calls: string[] = [];
  const gates: (() => void)[] = [];
  const gate = (call: string) => {
    calls.push(call);
    return new Promise<void>((resolve) => gates.push(resolve));
  };
  const recorder = new Recorder();
  recorder.parser.startData({
    write: (pieces) => gate(`write ${Buffer.concat(pieces)}`),
    end: () => gate('end'),
  });
  const first = recorder.parser.take(Buffer.from('one'));
  const taken = first.then(() => recorder.parser.take(Buffer.from('two\r\n.\r\nNOOP\r\n')));
  await settle();
  assert.deepEqual(calls, ['write one']);
  gates.shift()?.();
  await settle();
  assert.deepEqual(calls, ['write one', 'write two\r\n']);
  gates.shift()?.();
  await settle();
  assert.deepEqual(calls, ['write one', 'write two\r\n', 'end']);
  assert.deepEqual(recorder.seen, []);
  gates.shift()?.();
  await taken;
  assert.deepEqual(recorder.seen, ['NOOP']);
});

test('a session that closes while its last bytes are written does not end the message', async () => {
  const calls: string[] = [];
  const recorder = new Recorder();
  recorder.parser.startData({
    write: async () => {
      calls.push('write');
      recorder.isClosed = true;
    },
    end: async () => {
      calls.push('end');
    },
  });
  await recorder.parser.take(Buffer.from('one\r\n.\r\nNOOP\r\n'));
  assert.deepEqual(calls, ['write']);
  assert.deepEqual(recorder.seen, []);
});

test('a thousand pipelined commands are answered in their order, and others get a turn in between', async () => {
  const lines = Array.from({ length: 1000 }, (_, n) => `NOOP ${n}`);
  const recorder = new Recorder();
  let answered = 0;
  setImmediate(() => {
    answered = recorder.seen.length;
  });
  await recorder.parser.take(Buffer.from(lines.map((line) => `${line}\r\n`).join('')));
  assert.deepEqual(recorder.seen, lines);
  assert.ok(answered > 0 && answered < 1000, `the first turn of others was after ${answered} commands`);
});
