// ENVELOPE, BODY and BODYSTRUCTURE: a table of what Dovecot has answered, and what holds for all messages.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { openView } from '../../src/view/view.ts';
import { type ImapData, readImapData } from '../support/imapdata.ts';
import { isLong } from '../support/long.ts';
import { oddMessage } from '../support/oddmime.ts';

const RUNS = { numRuns: isLong ? 20_000 : 150 };
const view = (text: string) => openView(Buffer.from(text, 'latin1'));

/** The value of To -> its addresses. */
const ADDRESSES: Readonly<Record<string, string>> = {
  'A B <a@b>': '(("A B" NIL "a" "b"))',
  'a@b (A (n) B)': '(("A (n) B" NIL "a" "b"))',
  '"A, B" <a@b>, c@d': '(("A, B" NIL "a" "b")(NIL NIL "c" "d"))',
  'g: a@b, c@d;': '((NIL NIL "g" NIL)(NIL NIL "a" "b")(NIL NIL "c" "d")(NIL NIL NIL NIL))',
  'undisclosed-recipients:;': '((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))',
  'A. B. <a@b.c>': '(("A. B." NIL "a" "b.c"))',
  'a..b@c': '((NIL NIL "a..b" "c"))',
  'a b': '(("a b" NIL "MISSING_MAILBOX" "MISSING_DOMAIN"))',
  a: '((NIL NIL "a" "MISSING_DOMAIN"))',
  'A <a@b': '(("A" NIL "a" "SYNTAX_ERROR"))',
  '<@r1,@r2:a@b>': '((NIL "@r1,@r2" "a" "b"))',
  'a@[1.2.3.4]': '((NIL NIL "a" "[1.2.3.4]"))',
  '=?utf-8?q?J=C3=B6rg?= <a@b>': '(("=?utf-8?q?J=C3=B6rg?=" NIL "a" "b"))',
  'J\xf6rg <a@b>': '(({4}\r\nJ\xf6rg NIL "a" "b"))',
  '"A\n  B" <a@b>': '(({3}\r\nA B NIL "a" "b"))',
  '(nobody)': 'NIL',
  '': 'NIL',
};

/** The value of Content-Type -> what comes of it. */
const TYPES: Readonly<Record<string, string>> = {
  'text/html; Charset=UTF-8': '"text" "html" ("Charset" "UTF-8")',
  'TEXT/PLAIN; x=y': '"TEXT" "PLAIN" ("x" "y" "charset" "us-ascii")',
  'TEXT/PLAIN; charset=US-ASCII': '"text" "plain" ("charset" "us-ascii")',
  'a/b; n*0=x; n*1=y': '"a" "b" ("n" "xy")',
  "a/b; n*1*=%21; n*0*=utf-8''x%20": '"a" "b" ("n*" "utf-8\'\'x%20%21")',
  "a/b; n*=utf-8''x%20": '"a" "b" ("n*" "utf-8\'\'x%20")',
  'a/b; n*0=x; n*2=y': '"a" "b" ("n*0" "x" "n*2" "y")',
  'a/b; n==?utf-8?q?x?=; m="a b"': '"a" "b" ("n" "=?utf-8?q?x?=" "m" "a b")',
  'a/b; n=foo bar.txt; m=y': '"a" "b" ("n" "foo" "m" "y")',
  'a/b (c) ; n = "x\\"y"': '"a" "b" ("n" "x\\"y")',
  'a/b c': '"" "" NIL',
  text: '"text" "" ("charset" "us-ascii")',
  multipart: '"application" "octet-stream" NIL',
};

describe('ENVELOPE and BODYSTRUCTURE', () => {
  test('addresses are Dovecot’s', () => {
    for (const [value, addresses] of Object.entries(ADDRESSES))
      assert.equal(view(`To: ${value}\n\n`).envelope, `(NIL NIL NIL NIL NIL ${addresses} NIL NIL NIL NIL)`);
  });

  test('types and parameters are Dovecot’s', () => {
    for (const [value, type] of Object.entries(TYPES))
      assert.ok(view(`Content-Type: ${value}\n\nx`).body.startsWith(`(${type} NIL NIL "7bit" 1`), value);
  });

  test('of a field that is there twice the last text counts, and all addresses', () => {
    const { envelope } = view(
      'Subject: a\nSubject: b\nFrom: a@b\nFrom: c@d\nSender:\nDate: 1\nMessage-ID: <x>\n\n',
    );
    const from = '((NIL NIL "a" "b")(NIL NIL "c" "d"))';
    assert.equal(envelope, `("1" "b" ${from} ${from} ${from} NIL NIL NIL NIL "<x>")`);
  });

  test('extension data is all that BODYSTRUCTURE has more than BODY', () => {
    const message =
      'Content-Type: image/png\nContent-ID: <i>\nContent-Description: d\nContent-Transfer-Encoding: base64\n' +
      'Content-MD5: m\nContent-Disposition: attachment; filename=f\nContent-Language: en, de\nContent-Location: l\n\nx\n';
    const body = '("image" "png" NIL "<i>" "d" "base64" 3';
    assert.equal(view(message).body, `${body})`);
    assert.equal(view(message).bodyStructure, `${body} "m" ("attachment" ("filename" "f")) ("en" "de") "l")`);
  });

  test('a message that is not MIME has no Content fields', () => {
    assert.match(view('Content-ID: <i>\n\nx').body, /^\("text" "plain" \("charset" "us-ascii"\) NIL NIL/);
    assert.match(view('Content-ID: <i>\nMIME-Version: 1.0\n\nx').body, /"us-ascii"\) "<i>" NIL/);
  });

  test('a multipart without parts has one that is empty, and one of digests holds messages', () => {
    const none = '("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0)';
    assert.equal(view('Content-Type: multipart/mixed; boundary=x\n\n').body, `(${none} "mixed")`);
    const digest = 'Content-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: s\n\nt\n--x--\n';
    assert.match(view(digest).body, /^\(\("message" "rfc822" NIL NIL NIL "7bit" 15 \(NIL "s" /);
  });

  test('whatever a message is, they are data of IMAP with ten and seven members or more', () => {
    fc.assert(
      fc.property(oddMessage('any'), (message) => {
        const { envelope, body, bodyStructure } = openView(message);
        assert.equal(asList(readImapData(envelope)).length, 10);
        assertStructure(readImapData(body), 0);
        assertStructure(readImapData(bodyStructure), 4);
      }),
      RUNS,
    );
  });

  test('sizes are those of the sections', () => {
    fc.assert(
      fc.property(oddMessage(), (message) => {
        const opened = openView(message);
        const first = firstLeaf(readImapData(opened.body), []);
        const section = opened.section({
          part: first.path.length === 0 ? [1] : first.path,
          kind: 'all',
          names: [],
        });
        assert.equal(Number(first.size), section.length);
      }),
      RUNS,
    );
  });

  test('a summary survives JSON', () => {
    fc.assert(
      fc.property(oddMessage(), (message) => {
        const summary = openView(message).summary();
        assert.deepEqual(JSON.parse(JSON.stringify(summary)), summary);
      }),
      RUNS,
    );
  });
});

function asList(data: ImapData | undefined): readonly ImapData[] {
  assert.ok(Array.isArray(data), 'no list');
  return data;
}

/** `extension`: whether there is extension data, which has four members. */
function assertStructure(data: ImapData, extension: number): void {
  const members = asList(data);
  const parts = members.findIndex((member) => !Array.isArray(member));
  if (parts > 0) {
    for (const part of members.slice(0, parts)) assertStructure(part, extension);
    assert.equal(members.length - parts, 1 + extension);
  } else {
    assert.ok([7, 8, 10].includes(members.length - extension), `${members.length} members`);
    assert.match(String(members[6]), /^\d+$/);
  }
}

function firstLeaf(data: ImapData, path: readonly number[]): { path: readonly number[]; size: ImapData } {
  const [first, , , , , , size] = asList(data);
  if (Array.isArray(first)) return firstLeaf(first, [...path, 1]);
  return { path, size: size ?? null };
}
