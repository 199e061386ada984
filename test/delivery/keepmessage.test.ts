// `seal` of a message that is encrypted already: as it came, or sealed, as a delivery does it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UNMETERED } from '../../src/core/meter.ts';
import { isFor } from '../../src/delivery/keeping.ts';
import { keepOrSealMessage } from '../../src/delivery/keepmessage.ts';
import { select } from '../../src/delivery/select.ts';
import { realWorld } from '../../src/edge/world.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { armored, asStored, inline, pgpMime } from '../support/encrypted.ts';
import { type FreshKey, freshKey, openSealed } from '../support/freshkey.ts';
import { testLong } from '../support/long.ts';

const [alice, bob] = await Promise.all([freshKey('alice@example.com'), freshKey('bob@example.com')]);
const ARMOR = await armored('for your eyes only', [alice]);

async function sealed(
  message: Buffer,
  key: FreshKey,
  pieceBytes: number,
  encrypted = 'keep',
): Promise<Buffer> {
  const entry = { certificates: await parseCertificates(key.certificate), problems: [] };
  const keys = await select(entry, { unusable: 'defer', subkeys: 'all' }, Date.now());
  if ('why' in keys) assert.fail(keys.why);
  async function* input(): AsyncGenerator<Buffer> {
    for (let at = 0; at < message.length; at += pieceBytes) yield message.subarray(at, at + pieceBytes);
  }
  const out: Buffer[] = [];
  const options = {
    world: realWorld('mx.example.com'),
    meter: UNMETERED,
    keys,
    headerPolicy: 'visible' as const,
    maxHeaderBytes: 100_000,
    isTheirs: encrypted === 'keep' ? (ids: ReadonlySet<string>) => isFor(keys, ids) : undefined,
  };
  for await (const piece of keepOrSealMessage(input(), options)) out.push(Buffer.from(piece));
  return Buffer.concat(out);
}

test('what is encrypted to the key comes out as it went in, with LF line ends', async () => {
  for (const message of [pgpMime(ARMOR), inline(ARMOR)])
    for (const pieceBytes of [1, 100, 100_000])
      for (const input of [message, asStored(message)])
        assert.ok((await sealed(input, alice, pieceBytes)).equals(asStored(message)));
});

test('what is not, or only looks like it at its end, is sealed whole', async () => {
  const plain = Buffer.from('Subject: hi\r\n\r\nhello\r\n');
  const footer = Buffer.concat([inline(ARMOR), Buffer.from('a footer\r\n')]);
  for (const [message, key] of [
    [plain, alice],
    [footer, alice],
    [pgpMime(ARMOR), bob],
  ] as const)
    for (const pieceBytes of [1, 100, 100_000]) {
      const out = await sealed(message, key, pieceBytes);
      assert.deepEqual((await openSealed(out, [key.secret])).plaintext, message);
    }
});

testLong('a site may have it sealed, and one that is too large to be held is', async () => {
  const message = pgpMime(ARMOR);
  const out = await sealed(message, alice, 1000, 'seal');
  assert.deepEqual((await openSealed(out, [alice.secret])).plaintext, message);
  const large = inline(await armored('x'.repeat(26 * 1024 * 1024), [alice]));
  const opened = await openSealed(await sealed(large, alice, 1_000_000), [alice.secret]);
  assert.ok(opened.plaintext.equals(large));
});
