import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { CopyFailure } from '../../src/core/errors.ts';
import { UNMETERED } from '../../src/core/meter.ts';
import type { World } from '../../src/core/world.ts';
import { prepareSealer } from '../../src/delivery/seal.ts';
import { realWorld } from '../../src/edge/world.ts';
import { LiteralData } from '../../src/openpgp/literal.ts';
import type { Encryption } from '../../src/openpgp/message.ts';
import { lend, noise } from '../support/chunks.ts';
import { dearmor, readPackets } from '../support/packets.ts';
import { ENCRYPTIONS, nameOf, newReader, type Reader } from '../support/sealing.ts';

const OUTER = { trace: Buffer.from('Return-Path: <>\n'), inherited: Buffer.from('Subject: x\n y\n') };
const MESSAGE = Buffer.from('Subject: x\r\n y\r\n\r\nhello\r\n');

let reader: Reader;

before(async () => {
  reader = await newReader();
});

async function sealed(message: Buffer, encryption: Encryption, world: World = realWorld('mx.example.com')) {
  const sealer = await prepareSealer(reader.sealingKeys(encryption), { world, meter: UNMETERED });
  const literal = new LiteralData();
  const out = [...sealer.head(OUTER)];
  const emit = (piece: Buffer) => out.push(...sealer.update(piece));
  lend(message, [1000], (piece) => literal.update(piece, emit));
  literal.final(emit);
  out.push(...sealer.final());
  return { file: Buffer.concat(out), size: sealer.size, wireSize: sealer.wireSize };
}

for (const encryption of ENCRYPTIONS) {
  test(`${nameOf(encryption)}: two copies of one message share no session key and no ciphertext`, async () => {
    const [one, other] = await Promise.all([sealed(MESSAGE, encryption), sealed(MESSAGE, encryption)]);
    const [a, b] = [dearmor(one.file), dearmor(other.file)];
    assert.notDeepEqual(await reader.sessionKeyOf(a), await reader.sessionKeyOf(b));
    assert.notDeepEqual(readPackets(a)[1]?.body.subarray(4, 60), readPackets(b)[1]?.body.subarray(4, 60));
    assert.notEqual(boundaryOf(one.file), boundaryOf(other.file));
    assert.ok((await reader.decrypt(a)).equals(MESSAGE));
    assert.ok((await reader.decrypt(b)).equals(MESSAGE));
  });
}

test('the sizes a sealer tells are those of the file, with LF and with CRLF line ends', async () => {
  for (const length of [0, 1, 47, 48, 8384, 65_536, 131_073]) {
    for (const encryption of ENCRYPTIONS) {
      const { file, size, wireSize } = await sealed(noise(length), encryption);
      assert.equal(size, file.length);
      assert.equal(wireSize, file.toString('latin1').replaceAll('\n', '\r\n').length);
    }
  }
});

test('a sealed file has the outer fields, the frame and armor, in 7-bit LF lines, and no more', async () => {
  const { file } = await sealed(MESSAGE, { version: 1, keyBytes: 32 });
  const text = file.toString('latin1');
  assert.match(text, /^[\n -~]+$/);
  const boundary = boundaryOf(file);
  assert.ok(text.startsWith(`${OUTER.trace}MIME-Version: 1.0\nContent-Type: multipart/encrypted; `));
  const [head = '', version = '', armor = '', end = '', ...others] = text.split(`--${boundary}`);
  assert.deepEqual(others, []);
  assert.match(head, /boundary="[^\n]+"\nSubject: x\n y\n\n$/);
  assert.match(version, /\n\nVersion: 1\n\n$/);
  assert.match(armor, /\n\n-----BEGIN PGP MESSAGE-----\n\n[^-]+\n-----END PGP MESSAGE-----\n\n$/);
  assert.equal(end, '--\n');
});

test('randomness that fails at any call is a failure of this copy, before any byte of it exists', async () => {
  for (const encryption of ENCRYPTIONS) {
    const calls = await countRandom(encryption);
    assert.ok(calls >= 3, 'session key, prefix or salt, boundary');
    for (let failing = 1; failing <= calls; failing++) {
      const real = realWorld('mx.example.com');
      let call = 0;
      const random = (length: number) => {
        if (++call === failing) throw new Error('no entropy');
        return real.random(length);
      };
      const sealing = prepareSealer(reader.sealingKeys(encryption), {
        world: { ...real, random },
        meter: UNMETERED,
      });
      await assert.rejects(sealing, (error) => error instanceof CopyFailure && error.why === 'cryptoFailed');
    }
  }
});

test('randomness that comes up short is a failure of this copy', async () => {
  const real = realWorld('mx.example.com');
  for (const encryption of ENCRYPTIONS) {
    const world = { ...real, random: (length: number) => real.random(length - 1) };
    const sealing = prepareSealer(reader.sealingKeys(encryption), { world, meter: UNMETERED });
    await assert.rejects(sealing, (error) => error instanceof CopyFailure && error.why === 'cryptoFailed');
  }
});

test('keys that are no longer valid now are a failure of this copy', async () => {
  const keys = reader.sealingKeys({ version: 1, keyBytes: 32 });
  const expired = { ...keys, usable: keys.usable.map((each) => ({ ...each, validUntil: Date.now() - 1 })) };
  const sealing = prepareSealer(expired, { world: realWorld('mx.example.com'), meter: UNMETERED });
  await assert.rejects(sealing, (error) => error instanceof CopyFailure && error.why === 'cryptoFailed');
});

async function countRandom(encryption: Encryption): Promise<number> {
  const real = realWorld('mx.example.com');
  let calls = 0;
  const random = (length: number) => {
    calls++;
    return real.random(length);
  };
  await sealed(MESSAGE, encryption, { ...real, random });
  return calls;
}

function boundaryOf(file: Buffer): string {
  const [, boundary] = /boundary="([^"]+)"/.exec(file.toString('latin1')) ?? [];
  assert.ok(boundary !== undefined);
  return boundary;
}
