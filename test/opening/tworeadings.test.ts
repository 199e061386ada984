// What is too long to be held is read twice. What comes out is what was verified, whatever the file is by
// then, and nobody is asked for the session key again.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import type { Opener, SessionKey } from '../../src/keys/opening.ts';
import { type Opened, openPackets } from '../../src/opening/open.ts';
import { kept, packetsIn } from '../../src/opening/source.ts';
import { packetHeader } from '../../src/openpgp/framer.ts';
import { CLI } from '../support/child.ts';
import { noise } from '../support/chunks.ts';
import { armorOfPackets } from '../support/encrypted.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { testLong } from '../support/long.ts';
import { holderOf, joined, literalOf, sealPackets, sourceOf } from '../support/opening.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { ENCRYPTIONS, nameOf } from '../support/sealing.ts';
import { makeKey } from '../support/testkeys.ts';

const MIB = 1024 * 1024;
const MOST_HELD = 100_000;
const key = await makeKey('alice@example.com');
const { opener, recipients } = await holderOf(key.secretKey);
const CONTENT = noise(1_500_000);
const PIECES = [65_536];

/** Counts questions, and keeps the session keys that were told. */
class Watched implements Opener {
  readonly told: SessionKey[] = [];

  async sessionKeyOf(sealed: readonly Uint8Array[]): Promise<SessionKey> {
    const found = await opener.sessionKeyOf(sealed);
    this.told.push(found);
    return found;
  }
}

/** Resolves to all that came out before an error, and to the error. */
async function takenOf(opened: Opened): Promise<{ taken: Buffer; error: unknown }> {
  const pieces: Uint8Array[] = [];
  let error: unknown;
  try {
    for await (const piece of opened.pieces()) pieces.push(piece);
  } catch (thrown) {
    error = thrown;
  }
  return { taken: Buffer.concat(pieces), error };
}

for (const encryption of [ENCRYPTIONS[2], ENCRYPTIONS[4]].flatMap((each) => each ?? []))
  test(`${nameOf(encryption)}: what is read twice is the message, and its session key is erased`, async () => {
    const packets = sealPackets(literalOf(CONTENT, 'name'), recipients.slice(0, 1), encryption);
    const watched = new Watched();
    const opened = await openPackets(sourceOf(packets, PIECES), watched, { mostHeld: MOST_HELD });
    assert.deepEqual([opened.bytes, opened.literalName], [CONTENT.length, 'name']);
    const { taken, error } = await takenOf(opened);
    assert.equal(error, undefined);
    assert.ok(taken.equals(CONTENT));
    assert.equal(watched.told.length, 1);
    assert.ok(watched.told.every(({ key: bytes }) => bytes.every((byte) => byte === 0)));
  });

test('compressed content is read twice too, and more of it than there is of the message', async () => {
  const content = Buffer.alloc(3_000_000, 'abc');
  const body = Buffer.concat([Buffer.of(2), deflateSync(literalOf(content))]);
  const inner = Buffer.concat([packetHeader(8, body.length), body]);
  const packets = sealPackets(inner, recipients.slice(0, 1), { version: 1, keyBytes: 32 });
  const opened = await openPackets(sourceOf(packets, PIECES), opener, { mostHeld: MOST_HELD });
  assert.equal(opened.bytes, content.length);
  assert.ok((await takenOf(opened)).taken.equals(content));
});

test('of a file that changes between its two readings, nothing comes out that was not verified', async () => {
  const packets = sealPackets(literalOf(CONTENT), recipients.slice(0, 1), { version: 1, keyBytes: 32 });
  const changes: Record<string, (bytes: Buffer) => Buffer> = {
    'a bit': (bytes) => {
      const changed = Buffer.from(bytes);
      changed[900_000] = (changed[900_000] ?? 0) ^ 1;
      return changed;
    },
    'its end': (bytes) => bytes.subarray(0, 900_000),
    'all of it': () =>
      sealPackets(literalOf(noise(10)), recipients.slice(0, 1), { version: 1, keyBytes: 32 }),
    'its form': () => Buffer.from('no packets'),
  };
  for (const [what, change] of Object.entries(changes)) {
    let current = packets;
    const opened = await openPackets(() => sourceOf(current, PIECES)(), opener, { mostHeld: MOST_HELD });
    current = change(packets);
    const { taken, error } = await takenOf(opened);
    assert.match(`${error}`, /changed/, what);
    assert.ok(taken.length < 900_000 && taken.equals(CONTENT.subarray(0, taken.length)), what);
  }
});

test('what comes once is kept as it is, and read as often as it takes', async () => {
  const packets = sealPackets(literalOf(CONTENT), recipients.slice(0, 1), { version: 1, keyBytes: 32 });
  const source = kept(sourceOf(packets, PIECES)());
  for await (const piece of source()) {
    assert.ok(piece.length > 0);
    break; // the rest is still there
  }
  const opened = await openPackets(source, opener, { mostHeld: MOST_HELD });
  assert.ok((await takenOf(opened)).taken.equals(CONTENT));
  assert.ok((await joined(source())).equals(packets));
});

test('a large message in memory lets others have their turns', async () => {
  const packets = sealPackets(literalOf(CONTENT), recipients.slice(0, 1), { version: 1, keyBytes: 32 });
  const message = Buffer.from(armorOfPackets(packets));
  let turns = 0;
  const count = () => {
    turns += 1;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  const opened = await openPackets(packetsIn(message), opener);
  clearImmediate(timer);
  assert.ok((await joined(opened.pieces())).equals(CONTENT));
  assert.ok(turns >= 3, `${turns} turns for ${message.length} bytes`);
});

test('what the source or the opener throws is thrown', async () => {
  const packets = sealPackets(literalOf(CONTENT), recipients.slice(0, 1), { version: 1, keyBytes: 32 });
  const failing = async function* () {
    yield packets.subarray(0, 500_000);
    throw new Error('the disk is on fire');
  };
  await assert.rejects(openPackets(failing, opener), /on fire/);
  const asked = { sessionKeyOf: () => Promise.reject(new Error('nobody is there')) };
  await assert.rejects(openPackets(sourceOf(packets), asked), /nobody is there/);
});

testLong(
  'open takes a bounded amount of memory for 200 MB in a file',
  { ...needs('time'), timeout: 300_000 },
  async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    t.after(() => rm(directory, { recursive: true }));
    const put = (name: string, bytes: string | Uint8Array) => writeFile(join(directory, name), bytes);
    await put('secret.asc', key.secretKey);
    await put('certificate', key.certificate);
    const peak = async (bytes: number, ...args: string[]) => {
      const message = messageOfSize(bytes);
      const sealed = await run(process.execPath, [CLI, 'seal', '-k', 'certificate'], {
        cwd: directory,
        stdin: message,
      });
      await put('sealed.eml', sealed.stdout);
      const open = ['-f', '%M', process.execPath, CLI, 'open', '-k', 'secret.asc', ...args, 'sealed.eml'];
      const { code, stdout, stderr } = await run('time', open, { cwd: directory, timeoutMs: 100_000 });
      assert.equal(code, 0, stderr);
      if (args.length === 0) assert.ok(stdout.equals(message));
      return Number(stderr.trim().split('\n').at(-1)) * 1024;
    };
    const small = await peak(10_000);
    for (const args of [[], ['--into', 'out']]) {
      const large = await peak(200 * MIB, ...args);
      t.diagnostic(`${args}: ${(large - small) / MIB} MiB more than for 10 kB`);
      assert.ok(large - small < 160 * MIB, `${(large - small) / MIB} MiB`);
    }
  },
);
