// The packets inside of an encrypted message, in all forms that they may have (RFC 9580 §4.2, §10.3): what is
// read natively is what openpgp.js reads, wherever it is cut; what is not is left to it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { openPackets } from '../../src/opening/open.ts';
import { UnsupportedError } from '../../src/openpgp/faults.ts';
import { packetHeader } from '../../src/openpgp/framer.ts';
import { BYTE_BY_BYTE, noise, someCut, WHOLE } from '../support/chunks.ts';
import { isLong, shortOf } from '../support/long.ts';
import {
  holderOf,
  joined,
  literalOf,
  openedByLibrary,
  openedNatively,
  sealPackets,
  sourceOf,
} from '../support/opening.ts';
import { makeKey } from '../support/testkeys.ts';

const { opener, recipients } = await holderOf((await makeKey('alice@example.com')).secretKey);
const seal = (inner: Buffer, version: 1 | 2 = 1) =>
  sealPackets(
    inner,
    recipients.slice(0, 1),
    version === 1 ? { version, keyBytes: 32 } : { version, keyBytes: 32, aead: 'ocb' },
  );

const CONTENT = Buffer.from('Subject: x\r\n\r\nthe content\r\n'.repeat(20));
const BODY = Buffer.concat([Buffer.from('b\x04name'), Buffer.alloc(4, 1), CONTENT]);
const whole = (tag: number, body: Uint8Array) => Buffer.concat([packetHeader(tag, body.length), body]);
const LITERAL = whole(11, BODY);

/** New header with lengths of 2^power for a part each, and the rest in a last one. */
function inParts(tag: number, body: Buffer, power: number): Buffer {
  const out: Buffer[] = [Buffer.of(0xc0 | tag)];
  let at = 0;
  for (; at + 2 ** power <= body.length; at += 2 ** power)
    out.push(Buffer.of(224 + power), body.subarray(at, at + 2 ** power));
  return Buffer.concat([...out, packetHeader(0, body.length - at).subarray(1), body.subarray(at)]);
}

function old(tag: number, type: 0 | 1 | 2 | 3, body: Buffer): Buffer {
  const head = Buffer.alloc(1 + ([1, 2, 4, 0][type] ?? 0));
  head[0] = 0x80 | (tag << 2) | type;
  if (type !== 3) head.writeUIntBE(body.length, 1, head.length - 1);
  return Buffer.concat([head, body]);
}

function fiveOctets(tag: number, body: Buffer): Buffer {
  const head = Buffer.of(0xc0 | tag, 0xff, 0, 0, 0, 0);
  head.writeUInt32BE(body.length, 2);
  return Buffer.concat([head, body]);
}

const OPS = whole(4, Buffer.from([3, 0, 8, 22, 1, 2, 3, 4, 5, 6, 7, 8, 1]));
// Ed25519Legacy, with no subpackets but its date; its numbers are 1
const SIGNATURE = whole(2, Buffer.from('0400160800060502650000000000a1b2000101000101', 'hex'));
const MARKER = whole(10, Buffer.from('PGP'));
const padding = (bytes: number) => whole(21, noise(bytes));
const compressed = (algorithm: number, body: Buffer) => Buffer.concat([Buffer.of(algorithm), body]);
const ZIP = compressed(1, deflateRawSync(LITERAL));
const ZLIB = compressed(2, deflateSync(LITERAL));

const KNOWN: Readonly<Record<string, Buffer>> = {
  'a literal packet': LITERAL,
  'parts of one octet': inParts(11, BODY, 0),
  'parts of two octets': inParts(11, BODY, 1),
  'parts of 256 octets': inParts(11, BODY, 8),
  'a length of five octets': fiveOctets(11, BODY),
  'an old header, two octets': old(11, 1, BODY),
  'an old header, four octets': old(11, 2, BODY),
  'an old header without a length': old(11, 3, BODY),
  'no content': whole(11, Buffer.from('b\0\0\0\0\0', 'latin1')),
  'text, with a name': whole(
    11,
    Buffer.concat([Buffer.from('u\x03\xc3\xa9x', 'latin1'), Buffer.alloc(4), CONTENT]),
  ),
  'a marker before and padding after it': Buffer.concat([MARKER, LITERAL, padding(1000)]),
  'padding of nothing and of 100,000 bytes': Buffer.concat([padding(0), LITERAL, padding(100_000)]),
  'a signature': Buffer.concat([OPS, LITERAL, SIGNATURE]),
  'two signatures': Buffer.concat([OPS, OPS, LITERAL, SIGNATURE, SIGNATURE]),
  'an old signature in front': Buffer.concat([SIGNATURE, LITERAL]),
  ZIP: whole(8, ZIP),
  ZLIB: whole(8, ZLIB),
  'ZIP in parts of one octet': inParts(8, ZIP, 0),
  'ZLIB without a length': old(8, 3, ZLIB),
  'compressed, with signatures inside': whole(
    8,
    compressed(2, deflateSync(Buffer.concat([OPS, LITERAL, SIGNATURE]))),
  ),
  'compressed, with signatures around it': Buffer.concat([OPS, whole(8, ZIP), SIGNATURE]),
  'compressed, without a length inside': whole(8, compressed(1, deflateRawSync(old(11, 3, BODY)))),
};

for (const [n, [what, inner]] of Object.entries(KNOWN).entries())
  test(`${what} is read natively as openpgp.js reads it, wherever it is cut`, async () => {
    for (const version of isLong ? ([1, 2] as const) : ([n % 2 === 0 ? 1 : 2] as const)) {
      const packets = seal(inner, version);
      const byLibrary = await openedByLibrary(packets, opener);
      const cuts = inner.length < 5000 ? [BYTE_BY_BYTE, WHOLE, [97]] : [[997], WHOLE];
      for (const lengths of shortOf(cuts, 2))
        assert.ok((await openedNatively(packets, opener, lengths)).equals(byLibrary), `v${version}`);
    }
  });

const REFUSED: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'no packet': Buffer.from('text'),
  'padding alone': padding(100),
  'two literal packets': Buffer.concat([LITERAL, LITERAL]),
  'a literal packet that is cut off': LITERAL.subarray(0, -1),
  'a literal packet that ends in its name': whole(11, BODY.subarray(0, 4)),
  'a signature without its one-pass packet': Buffer.concat([LITERAL, SIGNATURE]),
  'a one-pass packet without its signature': Buffer.concat([OPS, LITERAL]),
  'an encrypted message': seal(LITERAL),
  'compressed packets in compressed ones': whole(8, compressed(1, deflateRawSync(whole(8, ZIP)))),
  'compressed data that is cut off': whole(8, ZLIB.subarray(0, -8)),
  'compressed data that is none': whole(8, compressed(2, noise(100))),
  'a user ID after it': Buffer.concat([LITERAL, whole(13, Buffer.from('a'))]),
};

for (const [what, inner] of Object.entries(REFUSED))
  test(`${what}: opens neither natively nor by openpgp.js`, async () => {
    const packets = seal(inner);
    await assert.rejects(openedNatively(packets, opener));
    await assert.rejects(openPackets(sourceOf(packets), opener), /changed|cannot read/);
  });

test('what only openpgp.js knows is opened by it', async () => {
  const uncompressed = whole(8, compressed(0, LITERAL));
  const unknown = Buffer.concat([whole(60, Buffer.from('private')), LITERAL]);
  for (const inner of [uncompressed, unknown]) {
    const packets = seal(inner);
    await assert.rejects(openedNatively(packets, opener), UnsupportedError);
    const opened = await openPackets(sourceOf(packets), opener);
    assert.ok((await joined(opened.pieces())).equals(CONTENT));
    assert.deepEqual([opened.bytes, opened.literalName], [CONTENT.length, 'name']);
  }
});

test('any content comes out of any cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(400_000),
      someCut,
      fc.constantFrom(1 as const, 2 as const),
      async (bytes, lengths, version) => {
        const content = noise(bytes);
        const packets = seal(literalOf(content, 'name'), version);
        assert.ok((await openedNatively(packets, opener, lengths)).equals(content));
      },
    ),
    { numRuns: isLong ? 200 : 5 },
  );
});
