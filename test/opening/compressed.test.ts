// Compressed content, as programs cut it: the decompression may have ended before the packet has, and some
// bytes may stand behind its end.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { deflateRawSync, deflateSync } from 'node:zlib';
import { openPackets } from '../../src/opening/open.ts';
import { Reading } from '../../src/opening/reading.ts';
import { packetsIn } from '../../src/opening/source.ts';
import { packetHeader } from '../../src/openpgp/framer.ts';
import { shortOf } from '../support/long.ts';
import { holderOf, joined, literalOf, openedNatively, sealPackets, sourceOf } from '../support/opening.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { makeKey } from '../support/testkeys.ts';

const { certificate, secretKey } = await makeKey('alice@example.com');
const { opener, recipients } = await holderOf(secretKey);
const V1 = { version: 1, keyBytes: 32 } as const;

const SIZES = [1, 1000, 65_530, 65_536, 131_072, 200_001, 1_048_563, 2_000_000];
const BEHIND = [0, 1, 4, 70_000];
const CUTS = [[16_384], [65_536], [1_000_000], [4096, 7]];

const CASES = SIZES.flatMap((size) =>
  BEHIND.flatMap((behind) =>
    CUTS.flatMap((cut) => ([1, 2] as const).map((kind) => ({ size, behind, cut, kind }))),
  ),
);

test('content comes out whole, wherever its compression ends and whatever stands behind that', async () => {
  for (const { size, behind, cut, kind } of shortOf(CASES, 12)) {
    const content = Buffer.from(randomBytes(size).toString('base64').slice(0, size));
    const deflate = kind === 1 ? deflateRawSync : deflateSync;
    const deflated = deflate(literalOf(content));
    const inner = Buffer.concat([Buffer.of(kind), deflated, Buffer.alloc(behind)]);
    const packet = Buffer.concat([packetHeader(8, inner.length), inner]);
    const packets = sealPackets(packet, recipients.slice(0, 1), V1);
    const opened = await openedNatively(packets, opener, cut);
    assert.ok(opened.equals(content), JSON.stringify({ size, behind, cut, kind }));
  }
});

/** A literal packet in parts of 2 ** power bytes (RFC 9580 §4.2.1.4), as programs write it that stream. */
function inParts(content: Buffer, power: number): Buffer {
  const body = Buffer.concat([Buffer.from('b\0\0\0\0\0'), content]);
  const pieces: Buffer[] = [Buffer.of(0xcb)];
  let at = 0;
  for (; body.length - at > 2 ** power; at += 2 ** power)
    pieces.push(Buffer.of(0xe0 | power), body.subarray(at, at + 2 ** power));
  const length = Buffer.alloc(5, 0xff);
  length.writeUInt32BE(body.length - at, 1);
  return Buffer.concat([...pieces, length, body.subarray(at)]);
}

// the decompression writes one piece after the other into the same memory, while the first ones are held
test('compressed content that is in parts comes out whole, however it is cut', async () => {
  const content = Buffer.from(randomBytes(300_000).toString('base64'));
  const cases = [9, 11, 13, 14, 16].flatMap((power) =>
    [[65_536], [16_384], [8192], [3000]].flatMap((cut) =>
      ([1, 2] as const).map((kind) => ({ power, cut, kind })),
    ),
  );
  for (const { power, cut, kind } of cases) {
    const deflated = (kind === 1 ? deflateRawSync : deflateSync)(inParts(content, power));
    const inner = Buffer.concat([Buffer.of(kind), deflated]);
    const packet = Buffer.concat([packetHeader(8, inner.length), inner]);
    const packets = sealPackets(packet, recipients.slice(0, 1), V1);
    const opened = await openPackets(sourceOf(packets, cut), opener);
    assert.ok((await joined(opened.pieces())).equals(content), JSON.stringify({ power, cut, kind }));
  }
});

test('what sq compresses comes out whole', needs('sq'), async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-compressed-'));
  try {
    await writeFile(join(directory, 'cert'), certificate);
    for (const size of shortOf([1_048_563, 200_000, 8_000_000], 1)) {
      const content = Buffer.from(randomBytes(size).toString('base64').slice(0, size));
      const args = ['encrypt', '--recipient-cert', join(directory, 'cert')];
      const { stdout, stderr } = await run('sq', args, { stdin: content });
      assert.ok(stdout.length > 0, stderr);
      // the way a message in memory comes, not that by which the library would have opened it
      const reading = new Reading(packetsIn(stdout), (sealed) => opener.sessionKeyOf(sealed));
      assert.ok((await joined(reading.content())).equals(content), `${size}`);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('compression that is cut off is a change, whatever it gave before', async () => {
  const deflated = deflateRawSync(literalOf(randomBytes(300_000)));
  for (const left of [1, 1000, 200_000]) {
    const inner = Buffer.concat([Buffer.of(1), deflated.subarray(0, -left)]);
    const packet = Buffer.concat([packetHeader(8, inner.length), inner]);
    const packets = sealPackets(packet, recipients.slice(0, 1), V1);
    await assert.rejects(openedNatively(packets, opener, [16_384]));
  }
});
