// SMTP smuggling: sequences that some server might take for the end of the data but that are not CRLF.CRLF,
// with commands after them, cut anywhere, sent to a real server over its socket. One message arrives that has
// all of it, and no command is obeyed.

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { BYTE_BY_BYTE, type Cut, cut, WHOLE } from '../support/chunks.ts';
import { readData } from '../support/data.ts';
import { isLongForm } from '../support/fuzz.ts';
import { openSession, writeApart } from '../support/lmtp.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';

const VICTIM = 'victim@example.com';
const ACCOMPLICE = 'accomplice@example.com';

// Those that some server has taken for the end come first: the short form tries only them.
const LINE_ENDS = few(4, [
  '\r\n',
  '\n',
  '\r',
  '\r\0\n',
  '\n\r',
  '\r\r\n',
  '\r\n\n',
  '\0\r\n',
  '\r\n\0',
  '\x85',
  '\x0b',
]);
const DOTS = few(2, ['.', '..', '.\0', '\0.', '...', ' .', '. ', '.\x08', '=2E', '\xae']);
const sequencesWith = (dot: string) =>
  LINE_ENDS.flatMap((before) => LINE_ENDS.map((next) => before + dot + next)).filter(
    (sequence) => readData(`${sequence}x`).rest === undefined,
  );

const HEAD = 'Subject: s\r\n\r\na';
const TAIL = `MAIL FROM:<>\r\nRCPT TO:<${ACCOMPLICE}>\r\nDATA\r\nsmuggled\r\n`;

/** Cuts data nowhere, into bytes within the sequence, and into two at each place in and around it. */
function cutsOf(sequence: string): Cut[] {
  const places = Array.from({ length: sequence.length + 3 }, (_, n) => HEAD.length - 1 + n);
  const within: Cut = [HEAD.length, ...Array<number>(sequence.length).fill(1), 1000];
  return [WHOLE, within, ...places.map((at) => [at, 1000])];
}

function few<T>(count: number, all: readonly T[]): readonly T[] {
  return isLongForm() ? all : all.slice(0, count);
}

describe('smuggling', () => {
  let key: TestKey;
  let server: TestServer;
  let session: Awaited<ReturnType<typeof openSession>>;

  before(async () => {
    key = await makeKey(VICTIM);
    server = await startSealdir({ keys: { [VICTIM]: key.certificate, [ACCOMPLICE]: key.certificate } });
    session = await openSession(server.socketPath);
  });
  after(async () => {
    await session.vanish();
    await server.stop();
  });

  /** Sends the data. Returns how many bytes of message the server has received. */
  async function deliver(data: string, lengths: Cut): Promise<number> {
    session.write(`MAIL FROM:<a@example.org>\r\nRCPT TO:<${VICTIM}>\r\nDATA\r\n`);
    for (const code of ['250', '250', '354']) assert.equal((await session.reply()).slice(0, 3), code);
    await writeApart(session, cut(Buffer.from(`${data}.\r\nVRFY x\r\n`, 'latin1'), lengths));
    // if there were a reply too many, the second would not be that of VRFY
    for (const code of ['250', '252']) assert.equal((await session.reply()).slice(0, 3), code);
    return (JSON.parse(server.log.at(-1) ?? '') as { bytes: number }).bytes;
  }

  async function onlyMessage(): Promise<string> {
    const message = await readSealed(await server.stored(VICTIM), key);
    for (const file of await server.files(VICTIM, 'new')) await rm(file);
    return message.toString('latin1');
  }

  for (const dot of DOTS) {
    test(`no sequence with ${JSON.stringify(dot)} in it ends the data but CRLF.CRLF`, async () => {
      for (const sequence of sequencesWith(dot)) {
        const data = HEAD + sequence + TAIL;
        const { message } = readData(data);
        for (const lengths of cutsOf(sequence)) {
          const bytes = await deliver(data, lengths);
          assert.equal(bytes, message.length, JSON.stringify({ sequence, lengths }));
        }
        for (const file of await server.files(VICTIM, 'new')) await rm(file);
        await deliver(data, BYTE_BY_BYTE);
        assert.equal(await onlyMessage(), message, JSON.stringify(sequence));
      }
    });
  }

  test('no smuggled message has been delivered', async () => {
    assert.deepEqual(await server.files(ACCOMPLICE, 'new'), []);
  });
});
