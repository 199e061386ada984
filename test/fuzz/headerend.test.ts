// Readers disagree where a header ends. Random messages around everything they disagree about: no line that
// is shown outside may be body for any of them, for the models of bodystart.ts, for a real Python or for a
// real NeoMutt.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HeaderScanner } from '../../src/mime/header.ts';
import { outerFields } from '../../src/mime/policy.ts';
import { type Cut, cut, someCut, WHOLE } from '../support/chunks.ts';
import { fuzz } from '../support/fuzz.ts';
import { makeMaildir, readWithNeoMutt } from '../support/mailreaders.ts';
import { needs } from '../support/peers.ts';
import { openPythonReader } from '../support/python.ts';
import { BODY_STARTS } from './bodystart.ts';

/** `#` becomes a number of its own in each place, so that what is shown can be found in the message again. */
const line = fc.constantFrom(
  ...[
    'Subject: #',
    'From: #',
    'To:#',
    'Date: #',
    'Message-ID: <#>',
    'List-Id: #',
    'X-Odd: #',
    'Card-Number: #',
  ],
  ...['Content-Type: #', 'Subject: #', 'From: #', 'Received: #', '#: x', 'Name#: Joe', 'http://#', 'From:#'],
  ...[' #', '\t#', ' Card-Number: #', ' ', '\t', ' \t ', '', '', 'no field #', 'Dear # Bob: x', '#', '--#'],
  ...['Subject : #', 'From : #', 'Card-Number\t: #', ' : #', ': #', ':', '\xfcber#: x', 'Name\x07#: x', '.'],
  ...['From # Thu Jan  1 00:00:00 1970', 'From #  Thu Jan  1 00:00:00 1970', 'From # Thu', 'From #: x'],
  ...['>From # Thu Jan  1 00:00:00 1970', '>From #', '>From: #', 'From Card-Number: #', 'From now on: #'],
  ...[
    'Subject: #\0',
    'Subject: \0#',
    '\0',
    '\0Subject: #',
    'Sub\0ject: #',
    ' \0#',
    'X: #\0\0Pin: #',
    '\x0b',
    '\x0c',
  ],
  ...[
    'Subject: #\x0bPin: #',
    'X: #\x0c\x0cPin: #',
    ' \x0c',
    'X: #\x1cPin: #',
    'X: #\x1e',
    'Subject: \x1b$B#',
    ' \x0b',
  ],
);
const lineEnd = fc.oneof(
  { weight: 12, arbitrary: fc.constant('\r\n') },
  fc.constantFrom(
    '\n',
    '\r',
    '\r\r',
    '\r\r\n',
    '\n\r',
    '\r\n\r',
    '\0\r\n',
    ' \r\n',
    '\r \r\n',
    '\r\n\r\n',
    '\x85',
    '\n\n',
  ),
);
const template = fc.array(fc.tuple(line, lineEnd), { maxLength: 12 }).map((lines) => lines.flat().join(''));

const message = template.map((text) => numbered(text));

const TEMPLATES = [
  'From: a@b.example\r\nSubject: hello\r\rName: Joe\r\nCard-Number: #\r\nPin-Code: #\r\n\r\nbye\r\n',
  'From: a@b.example\r\nSubject: hello\r\n\rName: Joe\r\nCard-Number: #\r\n\r\n',
  'From: a@b.example\r\nSubject: hello\r\n x\r\ry\r\nCard-Number: #\r\n\r\n',
  'From: a@b.example\r\nSubject : hello\r\nCard-Number: #\r\n\r\n',
  'From: a@b.example\r\nX: \0\r\nCard-Number: #\r\n\r\n',
  'From now on use this\r\nCard-Number: #\r\nSubject: #\r\n\r\n',
  '>From x Thu Jan  1 00:00:00 1970\r\nSubject: #\r\n\r\n',
  'From x Thu Jan  1 00:00:00\r\nSubject: #\r\n\r\n',
];
const FINDS = TEMPLATES.map((text) => numbered(text));

function numbered(text: string, first = 0): string {
  let number = first;
  return text.replaceAll('#', () => `q${number++}q`);
}

function outside(text: string, lengths: Cut): string {
  const scanner = new HeaderScanner(100_000);
  for (const piece of cut(Buffer.from(text, 'latin1'), lengths)) {
    const scan = scanner.update(piece);
    if (scan.state === 'complete') return outerFields(scan.block, 'visible').toString('latin1');
  }
  return outerFields(scanner.end(), 'visible').toString('latin1');
}

/** Checks that nothing of `shown` stands after `bodyStart` in the message. */
function assertNoBody(text: string, shown: string, bodyStart: number, reader: string): void {
  for (const [mark] of shown.matchAll(/q\d+q/g)) {
    const place = text.indexOf(mark);
    assert.ok(
      place < bodyStart,
      `${mark} is body: ${reader}, from ${bodyStart} on, in ${JSON.stringify(text)}`,
    );
  }
}

test('nothing that stands outside is body for any kind of reader', async (t) => {
  await fuzz(t, {
    arbitrary: fc.tuple(message, someCut),
    finds: FINDS.map((text): [string, Cut] => [text, WHOLE]),
    check([text, lengths]) {
      const shown = outside(text, lengths);
      assert.doesNotMatch(shown, /[\r\0\v\f]|^[ \t]*\n/m);
      for (const [reader, bodyStart] of Object.entries(BODY_STARTS))
        assertNoBody(text, shown, bodyStart(text), reader);
    },
  });
});

describe('Python', needs('python3'), () => {
  test('nothing that stands outside is body for it, and its model says what it says', async (t) => {
    const python = await openPythonReader();
    t.after(() => python.close());
    const model = BODY_STARTS['Python email'];
    await fuzz(t, {
      arbitrary: message,
      finds: FINDS,
      async check(text) {
        const { bodyStart } = await python.view(Buffer.from(text, 'latin1'));
        assert.equal(model?.(text), bodyStart, JSON.stringify(text));
        assertNoBody(text, outside(text, WHOLE), bodyStart, 'python3');
      },
    });
  });
});

describe('NeoMutt', needs('neomutt', 'script'), () => {
  test('nothing that stands outside is body for it, and its model says what it says', async (t) => {
    const seed = Number(process.env.SEALDIR_FUZZ_SEED ?? Math.trunc(Math.random() * 0x7fffffff));
    t.diagnostic(`SEALDIR_FUZZ_SEED=${seed}`);
    const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    // it shows nothing of a body of another type, and the mark at the end tells which messages it shows at
    // all
    const texts = [...TEMPLATES, ...fc.sample(template, { numRuns: 300, seed })].map((text, n) =>
      numbered(`${text.replaceAll('Content-Type', 'Content-Typo')}\r\n\r\n#\r\n`, 100 * n),
    );
    const maildir = join(directory, 'box');
    await makeMaildir(
      maildir,
      texts.map((text) => Buffer.from(text, 'latin1')),
    );
    const bodies = await readWithNeoMutt(maildir, directory);
    await rm(directory, { recursive: true });
    const body = new Set(bodies.join('').match(/q\d+q/g));
    const seen = texts.filter((text) => body.has(text.match(/q\d+q(?=\r\n$)/)?.[0] ?? ''));
    assert.ok(seen.length > texts.length / 2, `${seen.length} of ${texts.length} are shown`);
    for (const text of seen) assertAsNeoMutt(text, body);
  });
});

/** Checks a message against the marks that NeoMutt has shown as the body of some message. */
function assertAsNeoMutt(text: string, body: ReadonlySet<string>): void {
  const bodyStart = BODY_STARTS.NeoMutt?.(text) ?? 0;
  for (const [mark] of outside(text, WHOLE).matchAll(/q\d+q/g))
    assert.ok(!body.has(mark), `${mark} is body: neomutt, in ${JSON.stringify(text)}`);
  if (text.includes('\0')) return; // what it makes of a NUL depends on what its buffer held before
  for (const { 0: mark, index } of text.matchAll(/q\d+q/g))
    assert.equal(body.has(mark), index >= bodyStart, `${mark}: body for neomutt, in ${JSON.stringify(text)}`);
}
