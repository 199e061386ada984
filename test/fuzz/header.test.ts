// Any header block, through the whole delivery: the sealed message is the original byte for byte, and outside
// stand only fields that may stand there, and nothing of the body.

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Cut, cut, someCut } from '../support/chunks.ts';
import { openSite, repliesOf, type Site } from '../support/delivery.ts';
import { freshKey, openSealed } from '../support/freshkey.ts';
import { fuzz } from '../support/fuzz.ts';

// Capital letters tell where a byte of the message comes from, so nothing else may have them: an S comes from
// a field that must be sealed only, a B from the body, or from lines that some reader takes for the body.
const shownField = fc.constantFrom(
  ...['from: a@example.org', 'to:b', 'subject: \xfc\xff hi', 'x-odd:', 'received: x\r\n\ty', 'list-id: <x>'],
  ...['references: <a>\r\n <b>\r\n <c>', 'date: now\n then', 'x-y:z:z', `x-long: ${'v'.repeat(2000)}`],
);
const sealedField = fc.constantFrom(
  ...[
    'content-type: SSSS',
    'content-type:SSSS\r\n SSSS',
    'content-transfer-encoding: SSSS',
    'content-id:SSSS',
  ],
  ...['mime-version: SSSS', 'return-path: <SSSS>', 'dkim-signature: SSSS\r\n\tSSSS', 'arc-seal: SSSS'],
);
/** Lines after which nothing is shown, nor anything of themselves. */
const lastLine = fc.constantFrom(
  ...[
    '',
    '\r',
    ' ',
    '\t',
    '\x0b',
    'no field',
    '\xfc: x',
    ': x',
    'a b: x',
    '\0',
    'x-cr: a\rSSSS',
    'x-nul: SSSS\0',
  ],
  ...['x-cr: SSSS\r\n \rSSSS', 'x-cr: SSSS\r\r', 'to : SSSS', 'x-vt: S\x0bS: S', 'From SSSS', '>from SSSS'],
);
const bodyLine = fc.constantFrom(
  ...[
    'BBBB',
    'BB: BB',
    ' BB',
    '\tBB: B',
    'BB',
    'BB\rB: B',
    'From BB',
    '.B',
    '',
    '--BB',
    'BBBB: BB\n BB',
    'B\0',
  ],
  ...['subject: BBBB', 'from: BB\r\n BB', 'date : BB'],
);
/** Before the header: nothing, or a line that readers skip. */
const firstLine = fc.constantFrom('', '', '', 'From x@example.org Thu Jan  1 00:00:00 1970\r\n');
const message = fc
  .tuple(
    firstLine,
    fc.array(fc.tuple(fc.oneof(shownField, sealedField), fc.constantFrom('\r\n', '\r\n', '\n')), {
      maxLength: 12,
    }),
    fc.tuple(lastLine, fc.constantFrom('\r\n', '\n')),
    fc.array(fc.tuple(bodyLine, fc.constantFrom('\r\n', '\n', '')), { maxLength: 8 }),
  )
  .map((parts) => parts.flat(2).join(''));

const key = await freshKey('alice@example.com');

async function deliver(site: Site, text: string, lengths: Cut): Promise<Buffer> {
  const transaction = site.transaction();
  await transaction.recipient(Buffer.from('<alice@example.com>'));
  transaction.start();
  for (const piece of cut(Buffer.from(text, 'latin1'), lengths)) {
    await transaction.write([piece]);
    piece.fill('S'); // its owner may reuse it now
  }
  assert.deepEqual(
    (await repliesOf(transaction)).map(({ code }) => code),
    [250],
  );
  const [file, ...others] = await site.files();
  assert.ok(file !== undefined && others.length === 0);
  await rm(join(site.store, file.path));
  return file.bytes;
}

test('outside stand only fields that may stand there, and inside every byte that came', async (t) => {
  await using site = await openSite(t, { keys: [key] });
  await fuzz(t, {
    arbitrary: fc.tuple(message, someCut),
    async check([text, lengths]) {
      const stored = await deliver(site, text, lengths);
      const end = stored.indexOf('\n\n');
      // our own fields have capital letters, and stand before the original ones
      const lines = stored.toString('latin1', 0, end + 1).split(/^(?![ \t])/m);
      const own = lines.slice(0, 6).map((line) => line.split(':')[0]);
      assert.deepEqual(own, [
        'Return-Path',
        'Delivered-To',
        'Received',
        'Sealed-At-Delivery',
        'MIME-Version',
        'Content-Type',
      ]);
      const outer = lines
        .slice(6)
        .join('')
        .replace(/^Subject: \[\.\.\.\]\n$/m, ''); // or ours, if there is none
      assert.doesNotMatch(outer, /[SB]/);
      assert.match(outer, /^(?:[!-9;-~]+:[^\r\n\0\v\f]*\n(?:[ \t][^\r\n\0\v\f]*\n)*)*$/);
      assert.ok((await openSealed(stored, [key.secret])).plaintext.equals(Buffer.from(text, 'latin1')));
    },
  });
});
