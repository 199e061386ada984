// What SEARCH finds, by messages with words that are there once. test/peers/view.test.ts asks Dovecot too.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { charsetDecoder } from '../../src/view/search/charset.ts';
import { matchesKey, type SearchKey } from '../../src/view/search/search.ts';
import { sentDay } from '../../src/view/search/sentday.ts';
import { openView } from '../../src/view/view.ts';
import { SEARCHED } from '../support/searches.ts';

const views = SEARCHED.map(({ name, bytes }) => ({ name, view: openView(bytes) }));
const found = (key: SearchKey) =>
  views.flatMap(({ name, view }) => (matchesKey(view, key) ? [name] : [])).join(', ');

/** Texts -> where BODY finds them, and where TEXT does. */
const WORDS: Readonly<Record<string, readonly [body: string, text: string]>> = {
  grüße: ['base64', 'base64'],
  KÖLN: ['base64', 'base64'],
  café: ['quoted-printable, decomposed', 'quoted-printable, decomposed'],
  cafe: ['quoted-printable, decomposed', 'quoted-printable, decomposed'],
  naht: ['quoted-printable', 'quoted-printable'],
  'foo=zz trailing\nnext': ['quoted-printable', 'quoted-printable'],
  'über uns alle': ['', 'quoted-printable'],
  preambleword: ['', ''],
  epilogueword: ['', ''],
  partword: ['multipart', 'multipart'],
  imageword: ['', ''],
  imgname: ['', 'multipart'],
  innersubject: ['', 'multipart'],
  innerbody: ['multipart', 'multipart'],
  dsnword: ['multipart', 'multipart'],
  bläulich: ['8bit', '8bit'],
  ähnlich: ['no charset', 'no charset'],
  unknownword: ['unknown charset', 'unknown charset'],
  weirdword: ['', ''],
  sixteen: ['UTF-16', 'UTF-16'],
  'Grün seven 1 + 2': ['UTF-7', 'UTF-7'],
  straße: ['decomposed', 'decomposed'],
  strasse: ['', ''],
  'hello!': ['', ''],
  hello: ['broken base64', 'letter, broken base64'],
  'X-Foo: bar baz': ['', 'letter'],
  Привет: ['two types', 'two types'],
  boundaryless: ['without boundary', 'without boundary'],
  twoencodings: ['', ''],
  withparameter: ['encoding; x', 'encoding; x'],
  'NOT breaking wide,1': ['styles', 'styles'],
  tiế: ['styles', 'styles'],
  tiê: ['', ''],
  日本: ['alias', 'alias'],
  order: ['UTF-16 of the other order', 'UTF-16 of the other order'],
  'three=?': ['', 'broken words'],
};

describe('SEARCH', () => {
  test('BODY looks into bodies of text, and TEXT into all headers as well', () => {
    for (const [text, [body, all]] of Object.entries(WORDS)) {
      assert.equal(found({ kind: 'body', text }), body, `BODY ${text}`);
      assert.equal(found({ kind: 'text', text }), all, `TEXT ${text}`);
    }
    assert.equal(found({ kind: 'body', text: '' }).split(', ').length, SEARCHED.length);
  });

  test('SUBJECT takes blanks for one, and encoded words for what they say', () => {
    assert.equal(found({ kind: 'subject', text: 'HELLO big world' }), 'letter');
    assert.equal(found({ kind: 'subject', text: 'Hello  big' }), '');
    assert.equal(found({ kind: 'subject', text: 'über uns' }), 'quoted-printable');
    assert.equal(found({ kind: 'subject', text: 'こんにちは' }), 'ISO-2022-JP');
    assert.equal(found({ kind: 'subject', text: 'abc x one=?utf-8' }), 'broken words');
    assert.equal(found({ kind: 'subject', text: ' folded first' }), '');
    assert.equal(found({ kind: 'subject', text: 'folded first' }), 'apostrophe');
  });

  test('FROM and TO look through addresses as they are written anew, HEADER through what stands there', () => {
    assert.equal(found({ kind: 'from', text: '"jo, doe" <jo@example.org>' }), 'letter');
    assert.equal(found({ kind: 'from', text: 'comment' }), '');
    assert.equal(found({ kind: 'header', name: 'FROM', text: 'comment' }), 'letter');
    assert.equal(found({ kind: 'to', text: 'grp: <a@b.c>, "x y" <d@e.f>;' }), 'letter');
    assert.equal(found({ kind: 'header', name: 'x-foo', text: '' }), 'letter, empty text');
    assert.equal(found({ kind: 'header', name: 'from', text: '' }), 'letter, apostrophe');
    assert.equal(found({ kind: 'from', text: '"mason\\\'s list" <m@' }), 'apostrophe');
    assert.equal(found({ kind: 'to', text: 'undisclosed-recipients:;' }), 'apostrophe');
    assert.equal(
      found({ kind: 'cc', text: 'JÖRG x.y O\'Neil <o.n@x.example>, "a.b" <c@d.e>, "a b":;' }),
      'apostrophe',
    );
  });

  test('a day is the one that the sender has written', () => {
    const day = (text: string) => {
      const days = sentDay(text);
      return days === undefined ? 'none' : new Date(days * 86_400_000).toISOString().slice(0, 10);
    };
    assert.equal(day('Mon, 02 Nov 2026 23:30:00 -0500'), '2026-11-02');
    assert.equal(day('2 nov 26 23:59 +1400'), '2026-11-02');
    assert.equal(day('(c) Mon (x), 2 (y) November 2026 10:00:00 GMT (z)'), '2026-11-02');
    assert.equal(day('1 Jan 70 00:00:00 +0000'), '1970-01-01');
    for (const none of [
      '',
      'bad',
      'Mon Nov 2 10:00:00 2026',
      '31 Feb 2026 10:00:00 +0000',
      '2 Nov 2026',
      '2 Nov 2026 25:00 GMT',
    ])
      assert.equal(day(none), 'none', none);
    const key = { day: sentDay('3 Nov 2026 00:00 GMT') ?? 0 };
    assert.equal(found({ kind: 'senton', ...key }), 'short date');
    assert.ok(!found({ kind: 'sentbefore', ...key }).includes('short date'));
    assert.equal(found({ kind: 'sentsince', ...key }), 'short date');
  });

  test('LARGER and SMALLER leave out the size itself', () => {
    const view = openView(Buffer.from('A: b\n\n'));
    assert.equal(view.size, 8);
    for (const [kind, bytes, matches] of [
      ['larger', 7, true],
      ['larger', 8, false],
      ['smaller', 8, false],
      ['smaller', 9, true],
    ] as const)
      assert.equal(matchesKey(view, { kind, bytes }), matches);
  });

  test('a word is found across the pieces that a long text is read in', () => {
    const body = `${'x'.repeat((1 << 20) - 3)}sought für immer${'x'.repeat(100)}`;
    for (const charset of ['utf-8', 'utf-7']) {
      const view = openView(Buffer.from(`Content-Type: text/plain; charset=${charset}\n\n${body}`));
      assert.ok(matchesKey(view, { kind: 'body', text: 'SOUGHT F' }), charset);
    }
    const umlauts = openView(Buffer.from(`Subject: u\n\n${'ü'.repeat(1 << 20)}!`));
    assert.ok(matchesKey(umlauts, { kind: 'body', text: 'Ü!' }));
    assert.ok(!matchesKey(umlauts, { kind: 'body', text: '\ufffd' }));
  });

  test('UTF-7 may be cut anywhere', () => {
    const bytes = Buffer.from('a +- b +APwA9g-c +AOQ-');
    for (let cut = 0; cut <= bytes.length; cut++) {
      const decoder = charsetDecoder('utf-7');
      const pieces = [bytes.subarray(0, cut), bytes.subarray(cut), undefined];
      assert.equal(pieces.map((piece) => decoder.decode(piece)).join(''), 'a + b üöc ä', `cut at ${cut}`);
    }
  });
});
