// BODY[...]: numbers of parts, partials, and what no message may change about them.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Section } from '../../src/core/section.ts';
import type { Part } from '../../src/view/parts.ts';
import { type MessageView, openView } from '../../src/view/view.ts';
import { isLong } from '../support/long.ts';
import { oddMessage } from '../support/oddmime.ts';
import { parseSection } from '../support/section.ts';

const RUNS = { numRuns: isLong ? 20_000 : 150 };
const WHOLE: Section = { part: [], kind: 'all', names: [] };
const text = (view: MessageView, section: string) => {
  const parsed = parseSection(section);
  assert.ok(parsed, section);
  return view.section(parsed).toString('latin1');
};

/** The message of RFC 3501 §6.4.5. Each part has its number as its text. */
const NUMBERED = [
  'Subject: outer\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\n1\n--a\nContent-Type: application/x\n\n2\n',
  '--a\nContent-Type: message/rfc822\n\nSubject: 3\nContent-Type: multipart/mixed; boundary=b\n\n',
  '--b\n\n3.1\n--b\nContent-Type: application/x\n\n3.2\n--b--\n',
  '--a\nContent-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: image/gif\n\n4.1\n',
  '--c\nContent-Type: message/rfc822\n\nSubject: 4.2\nContent-Type: multipart/mixed; boundary=d\n\n',
  '--d\n\n4.2.1\n--d\nContent-Type: multipart/alternative; boundary=e\n\n',
  '--e\n\n4.2.2.1\n--e\nContent-Type: text/richtext\n\n4.2.2.2\n--e--\n--d--\n--c--\n--a--\n',
].join('');

describe('sections', () => {
  test('parts have the numbers of RFC 3501 §6.4.5', () => {
    const view = openView(Buffer.from(NUMBERED));
    for (const number of ['1', '2', '3.1', '3.2', '4.1', '4.2.1', '4.2.2.1', '4.2.2.2'])
      assert.equal(text(view, number), number);
    assert.match(text(view, 'HEADER'), /^Subject: outer\r\n.*\r\n\r\n$/s);
    assert.match(text(view, '3.HEADER'), /^Subject: 3\r\n.*\r\n\r\n$/s);
    assert.match(text(view, '3.TEXT'), /^--b\r\n\r\n3\.1\r\n.*\r\n--b--\r\n$/s);
    assert.equal(text(view, '3'), text(view, '3.HEADER') + text(view, '3.TEXT'));
    assert.equal(text(view, '4.1.MIME'), 'Content-Type: image/gif\r\n\r\n');
    assert.equal(text(view, '4.2.HEADER.FIELDS (subject X-Y)'), 'Subject: 4.2\r\n\r\n');
    for (const missing of ['5', '1.1.1', '1.2', '2.HEADER', '1.TEXT', '3.3', '4.2.2.3', '5.MIME'])
      assert.equal(text(view, missing), '', missing);
  });

  test('a message without parts is its own part 1', () => {
    const view = openView(Buffer.from('Subject: x\n\nbody'));
    assert.equal(text(view, '1'), 'body');
    assert.equal(text(view, '1.MIME'), 'Subject: x\r\n\r\n');
    for (const missing of ['1.1', '2', '1.HEADER']) assert.equal(text(view, missing), '');
  });

  test('what is no section is told apart', () => {
    assert.deepEqual(parseSection('1.2.HEADER.FIELDS.NOT (A "b")'), {
      part: [1, 2],
      kind: 'notFields',
      names: ['A', 'b'],
    });
    assert.deepEqual(parseSection('text'), { part: [], kind: 'text', names: [] });
    for (const wrong of [
      '0',
      '1.',
      '.1',
      'MIME',
      '1.MIMES',
      'HEADER.FIELDS',
      'TEXT (A)',
      '1 2',
      'HEADER.FIELDS ()',
    ])
      assert.equal(parseSection(wrong), undefined, wrong);
  });

  test('header and text make the message, and a part lies within the one around it', () => {
    fc.assert(
      fc.property(oddMessage('any'), (message) => {
        const view = openView(message);
        assert.equal(text(view, 'HEADER') + text(view, 'TEXT'), text(view, ''));
        assert.equal(view.size, view.section(WHOLE).length);
        assertNested(view.parts);
      }),
      RUNS,
    );
  });

  test('partials put together make the section, and beyond its end there is nothing', () => {
    fc.assert(
      fc.property(oddMessage(), fc.integer({ min: 1, max: 99 }), (message, length) => {
        const view = openView(message);
        const pieces: Buffer[] = [];
        for (let origin = 0; origin < view.size; origin += length)
          pieces.push(view.section(WHOLE, { origin, length }));
        assert.deepEqual(Buffer.concat(pieces), view.section(WHOLE));
        assert.equal(view.section(WHOLE, { origin: view.size, length }).length, 0);
      }),
      RUNS,
    );
  });

  test('line ends make no difference, and a message is copied for them at most', () => {
    fc.assert(
      fc.property(oddMessage(), (message) => {
        const unix = Buffer.from(message.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
        const wire = Buffer.from(unix.toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
        const [fromUnix, fromWire] = [openView(unix), openView(wire)];
        assert.deepEqual(fromUnix.summary(), fromWire.summary());
        assert.equal(text(fromUnix, ''), text(fromWire, ''));
        assert.equal(fromWire.bytes, wire);
        for (const section of ['', '1', 'TEXT', '1.MIME', '2.TEXT']) {
          const parsed = parseSection(section);
          const bytes = parsed && fromWire.section(parsed);
          assert.ok(bytes?.length === 0 || bytes?.buffer === wire.buffer, 'a copy');
        }
      }),
      RUNS,
    );
  });

  test('a header that was kept answers for its fields as the message does', () => {
    fc.assert(
      fc.property(oddMessage(), (message) => {
        const view = openView(message);
        const kept = openView(Buffer.from(text(view, 'HEADER'), 'latin1'));
        for (const section of ['HEADER.FIELDS (Subject From)', 'HEADER.FIELDS.NOT (Subject)', 'HEADER'])
          assert.equal(text(kept, section), text(view, section));
      }),
      RUNS,
    );
  });

  test('fields of a message within go on to an empty line, be it of another part', () => {
    const within =
      '--b\nContent-Type: message/rfc822\n\nSubject: in\n--b\nContent-Type: text/html\nFrom: x\n\nx\n--b--\n';
    const view = openView(Buffer.from(`Content-Type: multipart/mixed; boundary=b\n\n${within}`));
    assert.equal(text(view, '1.HEADER'), 'Subject: in');
    assert.equal(text(view, '1.HEADER.FIELDS (Subject From)'), 'Subject: in\r\nFrom: x\r\n\r\n');
    assert.equal(
      text(view, '1.HEADER.FIELDS.NOT (From)'),
      'Subject: in\r\n--b\r\nContent-Type: text/html\r\n\r\n',
    );
  });

  test('what has no colon before the line ends has no name, nor has one of more than 1,000 bytes', () => {
    const [most, more] = ['m'.repeat(1000), 'm'.repeat(1001)];
    const header = `From\n : folded\nTo\n${most}: x\n${more}: x\nCc\0Subject: y\n\n`;
    const view = openView(Buffer.from(header));
    assert.equal(text(view, 'HEADER.FIELDS (From To)'), '\r\n');
    assert.equal(text(view, `HEADER.FIELDS (${most} ${more})`), `${most}: x\r\n\r\n`);
    assert.equal(text(view, 'HEADER.FIELDS.NOT (Cc)'), header.replace(/Cc.*\n/, '').replaceAll('\n', '\r\n'));
    const type = openView(
      Buffer.from(`Content-Type${' '.repeat(40)}: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n`),
    );
    assert.equal(text(type, '1'), 'x');
  });

  test('a NUL is shown as 0x80', () => {
    assert.equal(text(openView(Buffer.from('A: b\0\n\n\0c')), ''), 'A: b\x80\r\n\r\n\x80c');
  });
});

function assertNested(part: Part): void {
  let end = part.body.start;
  for (const child of part.children) {
    assert.ok(child.header.start >= end, 'they overlap');
    assert.ok(child.header.end <= child.body.start && child.body.start <= child.body.end);
    assert.ok(child.body.end <= part.body.end, 'it goes beyond');
    end = child.body.end;
    assertNested(child);
  }
}
