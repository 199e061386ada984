// Bytes that nobody means well with: never an exception, never more than what a pass over them takes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { matchesKey } from '../../src/view/search/search.ts';
import { openingView, openView } from '../../src/view/view.ts';
import { openCorpus } from '../support/corpus.ts';
import { fuzz, isLongForm } from '../support/fuzz.ts';
import { readImapData } from '../support/imapdata.ts';
import { spread } from '../support/long.ts';
import { mutated } from '../support/mutate.ts';

const corpus = openCorpus();
const files = spread(corpus.messages, isLongForm() ? 400 : 40).map(({ wire }) => wire());
const MANY_BYTES = isLongForm() ? 1 << 18 : 1 << 14;
const own = Buffer.from('From: a@b\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\na\n--x--\n');

function check(bytes: Uint8Array): void {
  const view = openView(Buffer.from(bytes));
  for (const data of [view.envelope, view.body, view.bodyStructure]) readImapData(data);
  for (const part of [[1], [2, 1], [1, 1, 1]])
    for (const kind of ['all', 'mime', 'header', 'text', 'fields', 'notFields'] as const)
      assert.ok(view.section({ part, kind, names: ['subject'] }).length <= view.size + 2);
  for (const kind of ['text', 'body', 'from', 'subject'] as const)
    matchesKey(view, { kind, text: 'no such word' });
  matchesKey(view, { kind: 'sentbefore', day: 0 });
}

test('changed messages never throw', (t) => fuzz(t, { arbitrary: mutated([own, ...files]), check }));

test('random bytes never throw', (t) => fuzz(t, { arbitrary: fc.uint8Array({ maxLength: 2000 }), check }));

test('messages that are made to be expensive are read in one pass or a few', () => {
  const many = (text: string, bytes = MANY_BYTES) => text.repeat(Math.ceil(bytes / text.length));
  const boundaries = Array.from({ length: 99 }, (_, n) => {
    const boundary = `${'b'.repeat(60)}${n}`;
    return `Content-Type: multipart/mixed; boundary=${boundary}\n\n--${boundary}\n`;
  }).join('');
  const messages = [
    many('--\n'),
    many('\n'),
    many('a:\n'),
    many(' \n'),
    `${boundaries}\n${many(`--${'b'.repeat(60)}x\n`)}`,
    `${boundaries}\n${many('--\n')}`,
    `Content-Type: multipart/mixed; boundary=x\n\n${many('--x\n')}`,
    `Content-Type: multipart/mixed; boundary=\n\n${many('--\n')}`,
    many('Content-Type: message/rfc822\n\n'),
    ...[
      '(',
      ')',
      '"',
      '\\',
      '<',
      ',',
      ':;',
      'a@b,',
      'g:',
      '=?x?q?',
      '=?',
      '*=',
      ';a=b',
      ';a*1=b',
      '[',
      '.',
      '@',
      '+',
      '\r\n ',
    ].map(
      (text) =>
        `From: ${many(text)}\nSubject: ${many(text)}\nDate: ${many(text)}\n` +
        `Content-Type: text/plain; charset=utf-7; ${many(text)}\n` +
        `Content-Language: ${many(text)}\n\n${many(text)}`,
    ),
    `Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n${many('= ')}`,
    `Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n${many(' ')}x`,
    `Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n${many('=')}`,
  ];
  for (const message of messages) check(Buffer.from(message));
});

test('of headers that nobody writes the first part is listed, and the message opens in turns', () => {
  const many = (bytes: number) => 'To: a@example.org, b@example.org\n'.repeat(bytes / 34);
  const inner = `Subject: inside\n${many(3 << 20)}\ntext\n`;
  const message = Buffer.from(`Subject: outside\nContent-Type: message/rfc822\n${many(2 << 20)}\n${inner}`);
  const work = openingView(message);
  let turns = 0;
  while (work.next().done !== true) turns++;
  assert.ok(turns > 50, `${turns}`);
  const view = openView(message);
  assert.ok(view.envelope.length < 6 << 20 && view.bodyStructure.length < 6 << 20);
  for (const [data, subject] of [
    [view.envelope, '"outside"'],
    [view.bodyStructure, '"inside"'],
  ] as const) {
    readImapData(data);
    assert.ok(data.includes(subject));
  }
  const whole = view.section({ part: [1], kind: 'header', names: [] });
  assert.ok(whole.length > 3 << 20, 'what is asked for by its name is whole');
});
