// Any bytes after DATA, cut anywhere, are sent to a real server over its socket. The server stores what a
// straightforward reader of the data gets, and takes what follows the end of the data as commands.

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { type Cut, cut, someCut } from '../support/chunks.ts';
import { readData } from '../support/data.ts';
import { fuzz } from '../support/fuzz.ts';
import { openSession, writeApart } from '../support/lmtp.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const MAX_MISTAKES = 10;

/** Pieces that never make a valid command. */
const hostile = fc
  .array(
    fc.oneof(
      { weight: 10, arbitrary: fc.constantFrom('\r', '\n', '.', 'a') },
      { weight: 4, arbitrary: fc.constantFrom('\r\n', '\r\n.', '\n.\n', '\r\n.\r', '\r\n.\0', '\0', '\xff') },
      fc.constantFrom('\r\n.\r\n', 'x'.repeat(1000), '.\r\n'.repeat(100), `${'y'.repeat(65_530)}\r\n`),
    ),
    { maxLength: 40 },
  )
  .map((pieces) => pieces.join(''));

/** Returns the codes of the replies to lines that are NOOP or no commands. */
function codesFor(lines: string): number[] {
  const commands = lines.split('\n').slice(0, -1);
  const codes = commands.map((line) => (/^NOOP\r?$/.test(line) ? 250 : 500));
  const last = codes.flatMap((code, n) => (code === 500 ? n : []))[MAX_MISTAKES - 1];
  return last === undefined ? codes : [...codes.slice(0, last), 421];
}

describe('data', () => {
  let key: TestKey;
  let server: TestServer;

  before(async () => {
    key = await makeKey(ALICE);
    server = await startSealdir({ keys: { [ALICE]: key.certificate } });
  });
  after(() => server.stop());

  async function deliver(data: string, lengths: Cut): Promise<void> {
    const sent = `${data}\r\n.\r\nNOOP\r\n`;
    const { message, rest = '' } = readData(sent);
    const session = await openSession(server.socketPath);
    session.write(`MAIL FROM:<a@example.org>\r\nRCPT TO:<${ALICE}>\r\nDATA\r\n`);
    const expected = [250, 250, 354, 250, ...codesFor(rest)];
    const sending = writeApart(session, cut(Buffer.from(sent, 'latin1'), lengths));
    for (const code of expected) assert.equal(Number((await session.reply()).slice(0, 3)), code);
    await sending;
    await session.vanish();
    const stored = await readSealed(await server.stored(ALICE), key);
    assert.ok(stored.equals(Buffer.from(message, 'latin1')), 'stored is what was sent');
    for (const file of await server.files(ALICE, 'new')) await rm(file);
  }

  test('any data, however it is cut, is stored as a straightforward reader reads it', (t) =>
    fuzz(t, {
      arbitrary: fc.tuple(hostile, someCut),
      finds: [
        ['', [1]],
        ['a\r\n.\r\n.\r\n', [1]],
        ['.\r', [1, 3]],
      ],
      check: ([data, lengths]) => deliver(data, lengths),
    }));
});
