// The texts of header fields that a rule may test, as mailparser has them; and what hostile ones cost.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFields } from '../../src/edge/headerfields.ts';
import { headerFieldsOf } from '../../src/mime/header.ts';

const read = async (header: string | Buffer) =>
  Object.fromEntries(await readFields([...headerFieldsOf(Buffer.from(header))]));

test('a field without a structure is its text, unfolded, and each of several counts', async () => {
  assert.deepEqual(await read('X-Spam-Flag: YES\r\nX-Folded: a\r\n  b\r\n\tc\r\nX-SPAM-FLAG:  no \r\n'), {
    'x-spam-flag': ['YES', 'no'],
    'x-folded': ['a b c'],
  });
});

test('encoded words are decoded in every field, and 8-bit text is UTF-8', async () => {
  const header =
    'Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n =?utf-8?b?IHp1?=\r\nX-A: =?iso-8859-1?q?=FC?=\r\nX-B: ü\r\n';
  assert.deepEqual(await read(header), { subject: ['grüße zu'], 'x-a': ['ü'], 'x-b': ['ü'] });
  assert.deepEqual(await read(Buffer.from('X-C: caf\xe9\r\nX-D: =?x-none?q?=E9?= =?broken\r\n', 'latin1')), {
    'x-c': ['caf\ufffd'],
    'x-d': ['\ufffd =?broken'],
  });
});

test('of addresses, lists and references each part is a text of its own', async () => {
  const header = [
    'From: =?utf-8?q?J=C3=BCrgen?= <a@b.example>, team: c@d.example;',
    'List-Id: "A list" <one.lists.example>',
    'List-Unsubscribe: <mailto:u@lists.example>, <https://lists.example/u>',
    'References: <1@a>',
    '\t<2@b>',
    '',
  ].join('\r\n');
  const { from = [], ...rest } = await read(header);
  for (const text of ['a@b.example', 'Jürgen', 'team', 'c@d.example']) assert.ok(from.includes(text), text);
  assert.deepEqual(rest, {
    'list-id': ['A list', 'one.lists.example'],
    'list-unsubscribe': ['u@lists.example', 'https://lists.example/u'],
    references: ['<1@a>', '<2@b>'],
  });
});

test('of a field that may stand once the first counts', async () => {
  const found = await read(
    'Subject: a\r\nSubject: b\r\nList-Id: <a.x>\r\nList-Id: <b.x>\r\nFrom: a@x\r\nFrom: b@x\r\n',
  );
  assert.deepEqual(found.subject, ['a']);
  assert.deepEqual(found['list-id'], ['a.x']);
  assert.ok(found.from?.includes('a@x') && !found.from.includes('b@x'));
});

test('names of properties are names of fields like others', async () => {
  assert.deepEqual(
    await read('__proto__: x\r\nList-__proto__: <x>\r\nList-Constructor: <x>\r\nconstructor: y\r\n'),
    {
      ['__proto__']: ['x'],
      'list-__proto__': [],
      'list-constructor': [],
      constructor: ['y'],
    },
  );
});

const PIECES = ['(', '<', '"\\', 'a,', 'g:', '=?utf-8?q?=C3=A4?= ', '=?', ' ', 'a@b ', 'a=b;', '\\', ')('];
const NAMES = ['From', 'To', 'List-Id', 'Subject', 'References', 'Content-Type', 'X-A', 'DKIM-Signature'];
const MOST_MS = 200; // 25 at most on a machine with nothing else to do

test('the most hostile field of 4 KiB is read in a moment, whatever it is', async () => {
  for (const name of NAMES) {
    for (const piece of PIECES) {
      const header = `${name}: ${piece.repeat(4096 / piece.length)}x\r\n`;
      const { user } = process.cpuUsage();
      assert.deepEqual(Object.keys(await read(header)), [name.toLowerCase()]);
      const ms = (process.cpuUsage().user - user) / 1000;
      assert.ok(ms < MOST_MS, `${name}: ${piece} takes ${ms} ms`);
    }
  }
});
