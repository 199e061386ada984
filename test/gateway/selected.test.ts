// A selected mailbox before a server that is written here: more of everything than real mailboxes have.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { fetchOpened } from '../../src/gateway/fetching.ts';
import { Mailbox, newCaches } from '../../src/gateway/mailbox.ts';
import { Output } from '../../src/gateway/output.ts';
import { searchOpened } from '../../src/gateway/searching.ts';
import { Selected } from '../../src/gateway/selected.ts';
import { metadataOf } from '../../src/gateway/shown.ts';
import { Upstream } from '../../src/gateway/upstream.ts';
import { fetchOf } from '../../src/imap/fetch.ts';
import { searchOf } from '../../src/imap/search.ts';
import { ValueReader } from '../../src/imap/values.ts';
import { openView } from '../../src/view/view.ts';
import { testLong } from '../support/long.ts';

const read = (text: string) => new ValueReader([Buffer.from(text)]).rest();

describe('a selected mailbox', { timeout: 60_000 }, () => {
  /** `answer`: the untagged responses to a command, in pieces if it has any. */
  async function withSelected(
    answer: (command: string) => string | readonly (string | Buffer)[],
    use: (selected: Selected, client: PassThrough, caches: ReturnType<typeof newCaches>) => Promise<void>,
    tagged: (command: string) => string = () => 'OK done',
  ): Promise<void> {
    const serve = (socket: Socket) => {
      let text = '';
      socket.write('* OK [CAPABILITY IMAP4rev1 LITERAL+] hello\r\n');
      socket.on('data', (bytes) => {
        text += bytes;
        const lines = text.split('\r\n');
        text = lines.pop() ?? '';
        for (const line of lines)
          for (const piece of [answer(line), `${line.split(' ')[0]} ${tagged(line)}\r\n`].flat())
            socket.write(piece);
      });
    };
    const server = createServer(serve).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const upstream = new Upstream(socket, 'S', async () => undefined);
    const [client, caches, mailbox] = [new PassThrough(), newCaches(), new Mailbox('INBOX')];
    mailbox.uidValidity = 1;
    const opener = { sessionKeyOf: () => Promise.reject(new Error('nothing is opened here')) };
    const selected = new Selected(mailbox, {
      ...{ client: new Output(client), upstream, opener, caches },
      pass: async () => undefined,
      complain: (_, error) => assert.fail(String(error)),
    });
    try {
      await upstream.greeting;
      await use(selected, client, caches);
    } finally {
      upstream.close();
      server.close();
    }
  }

  /** A server with so many messages, all of which it finds. */
  const finding = async (keys: string, by: 'number' | 'uid') => {
    const all = Array.from({ length: 200_000 }, (_, n) => n + 1);
    const answer = (line: string) =>
      line.includes('SEARCH')
        ? `* SEARCH ${all.join(' ')}\r\n`
        : all.map((n) => `* ${n} FETCH (UID ${n})\r\n`).join('');
    await withSelected(answer, async (selected, client) => {
      const found: Buffer[] = [];
      client.on('data', (bytes) => found.push(bytes));
      await searchOpened(selected, searchOf(read(keys)), by);
      await turn();
      assert.equal(Buffer.concat(found).toString(), `* SEARCH ${all.join(' ')}\r\n`);
    });
  };

  test('may have hundreds of thousands of messages', () => finding('SEEN', 'number'));

  testLong('and their UIDs', () => finding('SEEN', 'uid'));

  test('what lists show of a message answers all keys of SEARCH that are not about its text', async () => {
    const messages = ['Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=', 'Subject: else\r\nTo: bob@example.com'];
    const asked: string[] = [];
    const answer = (line: string) => {
      asked.push(line);
      const both = '* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\n';
      return line.includes('SEARCH') ? '* SEARCH 1 2\r\n' : both;
    };
    await withSelected(answer, async (selected, client, caches) => {
      for (const [n, header] of messages.entries()) {
        const message = Buffer.from(`${header}\r\nDate: ${n + 1} Feb 2026 12:00:00 +0000\r\n\r\ntext\r\n`);
        caches.metadata.set(selected.mailbox.keyOf(n + 1), metadataOf(openView(message)));
      }
      let heard = '';
      client.on('data', (bytes) => {
        heard += bytes;
      });
      const found = {
        'SUBJECT else': ' 2',
        'SUBJECT "GRÜße"': ' 1',
        'TO example': ' 2',
        'HEADER To ""': ' 2',
        'NOT FROM x': ' 1 2',
        'SENTON 1-Feb-2026': ' 1',
        'SENTON " 1-Feb-2026"': ' 1',
        'OR SENTSINCE 2-Feb-2026 SUBJECT gr': ' 1 2',
        'LARGER 77': ' 1',
        'SMALLER 79': ' 2',
      };
      for (const [keys, numbers] of Object.entries(found)) {
        heard = '';
        await searchOpened(selected, searchOf(read(keys)), 'number');
        await turn();
        assert.equal(heard, `* SEARCH${numbers}\r\n`, keys);
      }
    });
    assert.ok(!asked.some((line) => line.includes('BODY')), 'none is asked for');
  });

  testLong('a stored message that is too large to be held is shown as it is stored', async () => {
    const piece = Buffer.alloc(2 ** 20, 'x');
    const head = `* 1 FETCH (UID 1 BODY[] {${513 * piece.length}}\r\n`;
    const asked: string[] = [];
    const answer = (line: string) => {
      asked.push(line.slice(line.indexOf(' ') + 1));
      if (line.includes('STRUCTURE')) return '* 1 FETCH (BODYSTRUCTURE (("A" "B")("A" "B") "ENCRYPTED"))\r\n';
      return line.includes('(UID BODY.PEEK[]')
        ? [head, ...Array(513).fill(piece), ')\r\n']
        : '* 1 FETCH (UID 1)\r\n';
    };
    await withSelected(answer, (selected) =>
      fetchOpened(selected, fetchOf([Buffer.from('1 BODY.PEEK[]')]), 'number'),
    );
    assert.deepEqual(asked.slice(-2), ['FETCH 1 (UID BODY.PEEK[])', 'FETCH 1 (BODY.PEEK[])']);
  });

  test('a keyword that looks like a section, and an answer that nobody can read, end nothing', async () => {
    const list = (keyword: string) => `(\\Seen ${keyword})`;
    const answers = [list('BODY[x'), list('BODY['), list('BINARY['), '(\\Seen', list('a]')];
    const answer = () =>
      answers.map((flags, n) => `* ${n + 1} FETCH (UID ${n + 1} FLAGS ${flags})\r\n`).join('');
    await withSelected(answer, async (selected, client, caches) => {
      const metadata = metadataOf(openView(Buffer.from('Subject: x\r\n\r\n')));
      for (const n of answers.keys()) caches.metadata.set(selected.mailbox.keyOf(n + 1), metadata);
      await fetchOpened(selected, fetchOf([Buffer.from('1:5 (FLAGS RFC822.SIZE)')]), 'number');
      await turn();
      const shown = (n: number) =>
        n === 3 ? `UID 4 FLAGS ${answers[n]}` : `FLAGS ${answers[n]} RFC822.SIZE ${metadata.size}`;
      assert.equal(
        String(client.read()),
        answers.map((_, n) => `* ${n + 1} FETCH (${shown(n)})\r\n`).join(''),
      );
    });
  });

  test('a fault of whoever reads an answer fails the command, and the connection goes on', async () => {
    const answer = () => '* 1 FETCH (UID 1 X {3}\r\nabc)\r\n* 2 FETCH (UID 2)\r\n';
    await withSelected(answer, async (selected) => {
      const read: number[] = [];
      const faulty = selected.fetch('1:2 (UID)', async ({ number }) => {
        read.push(number);
        throw new RangeError(`fault ${number}`);
      });
      await assert.rejects(faulty, /fault 1/);
      assert.deepEqual(read, [1, 2]);
      assert.equal((await selected.numbered('2', ' ')).length, 2);
    });
  });

  test('a message that another session has removed has no answer, and its code is passed on', async () => {
    const gone = 'OK [EXPUNGEISSUED] Some messages were already expunged';
    const isWhole = (line: string) => line.includes('BODY.PEEK[]');
    const answer = (line: string) => {
      if (line.includes('SEARCH')) return '* SEARCH 1\r\n';
      if (line.includes('STRUCTURE')) return '* 1 FETCH (BODYSTRUCTURE (("A" "B")("A" "B") "ENCRYPTED"))\r\n';
      return `* 1 FETCH (UID 1${isWhole(line) ? ' BODY[] NIL' : ''})\r\n`;
    };
    const tagged = (line: string) => (isWhole(line) ? gone : 'OK done');
    const use = async (selected: Selected, client: PassThrough) => {
      await fetchOpened(selected, fetchOf([Buffer.from('1 BODY.PEEK[TEXT]')]), 'number');
      await turn();
      assert.equal(client.read(), null);
      assert.equal(selected.completed('FETCH').text, gone);
      await searchOpened(selected, searchOf(read('BODY x')), 'number');
      await turn();
      assert.equal(String(client.read()), '* SEARCH\r\n');
    };
    await withSelected(answer, use, tagged);
    await withSelected(answer, async (selected) => {
      await selected.numbered('1');
      assert.equal(selected.completed('FETCH').text, 'OK FETCH completed');
    });
  });

  test('an answer waits for a client that does not read, whatever it has asked for', async () => {
    const header = `Subject: ${'x'.repeat(60_000)}\r\n\r\n`;
    const items = 200;
    await withSelected(
      () => '* 1 FETCH (UID 1)\r\n',
      async (selected, client, caches) => {
        caches.metadata.set(selected.mailbox.keyOf(1), metadataOf(openView(Buffer.from(header))));
        const command = fetchOf([Buffer.from(`1 (${Array(items).fill('BODY.PEEK[HEADER]').join(' ')})`)]);
        const answered = fetchOpened(selected, command, 'number');
        while (!client.writableNeedDrain) await turn();
        for (let n = 0; n < 20; n++) await turn();
        const waiting = client.writableLength + client.readableLength;
        assert.ok(waiting < 10 * header.length, `${waiting} bytes wait`);
        let bytes = 0;
        client.on('data', (piece) => {
          bytes += piece.length;
        });
        await answered;
        await turn();
        const item = `BODY[HEADER] {${header.length}}\r\n${header} `;
        assert.equal(bytes, '* 1 FETCH ()\r\n'.length + items * item.length - 1);
      },
    );
  });
});
