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
// a field that must be sealed only, a B from the body.
const shownField = fc.constantFrom(
  ...[
    'from: a@example.org',
    'to : b',
    'subject: \xfc\xff hi',
    'x-odd:',
    'received: x\r\n\ty',
    'list-id: <x>',
  ],
  ...['references: <a>\r\n <b>\r\n <c>', 'date: now\n then', 'x-y:z:z', `x-long: ${'v'.repeat(2000)}`],
);
const sealedField = fc.constantFrom(
  ...[
    'content-type: SSSS',
    'content-type\t: SSSS\r\n SSSS',
    'content-transfer-encoding: SSSS',
    'content-id:SSSS',
  ],
  ...['mime-version: SSSS', 'return-path: <SSSS>', 'dkim-signature: SSSS\r\n\tSSSS', 'arc-seal: SSSS'],
  ...['x-cr: a\rSSSS', 'x-nul: SSSS\0', 'x-cr: b\r\n \rSSSS', 'x-cr: SSSS\r\r'],
);
const separator = fc.constantFrom(
  ...[
    '\r\n',
    '\n',
    '\r\r\n',
    ' \r\n',
    '\t\r\n',
    '\x0b\r\n',
    'no field\r\n',
    '\xfc: x\r\n',
    ': x\r\n',
    'a b: x\r\n',
    '\0\r\n',
  ],
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
);
const message = fc
  .tuple(
    fc.constantFrom('', '', 'From x thu\r\n', '>From x\r\n'),
    fc.array(fc.tuple(fc.oneof(shownField, sealedField), fc.constantFrom('\r\n', '\r\n', '\n')), {
      maxLength: 12,
    }),
    separator,
    fc.array(fc.tuple(bodyLine, fc.constantFrom('\r\n', '\n', '')), { maxLength: 8 }),
  )
  .map(([mbox, fields, between, body]) => [mbox, fields.flat(), between, body.flat()].flat().join(''));

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

test('what stands outside is fields that may stand there, and inside is every byte that came', async (t) => {
  await using site = await openSite(t, { keys: [key] });
  await fuzz(t, {
    arbitrary: fc.tuple(message, someCut),
    async check([text, lengths]) {
      const stored = await deliver(site, text, lengths);
      const end = stored.indexOf('\n\n');
      // our own fields have capital letters: three before the original ones, two after them
      const lines = stored.toString('latin1', 0, end + 1).split(/^(?![ \t])/m);
      const own = [...lines.slice(0, 3), ...lines.slice(-2)].map((line) => line.split(':')[0]);
      assert.deepEqual(own, ['Return-Path', 'Delivered-To', 'Received', 'MIME-Version', 'Content-Type']);
      const outer = lines.slice(3, -2).join('');
      assert.doesNotMatch(outer, /[SB]/);
      assert.match(outer, /^(?:[!-9;-~]+[ \t]*:[^\r\n\0]*\n(?:[ \t][^\r\n\0]*\n)*)*$/);
      assert.ok((await openSealed(stored, [key.secret])).plaintext.equals(Buffer.from(text, 'latin1')));
    },
  });
});
