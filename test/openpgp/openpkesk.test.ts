// Session-key packets are opened with what decryption alone gives, in each spelling that an agent or a card
// has for it; and what is almost right is refused.

import assert from 'node:assert/strict';
import {
  constants,
  createCipheriv,
  createECDH,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  privateDecrypt,
  randomBytes,
} from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import * as openpgp from 'openpgp';
import { recipientKeyOf } from '../../src/keys/material.ts';
import { keyDerivation } from '../../src/openpgp/ecdhkdf.ts';
import { packetHeader } from '../../src/openpgp/framer.ts';
import { openSealedKey, readSealedKey, type SealedKey } from '../../src/openpgp/openpkesk.ts';
import { readPacket } from '../../src/openpgp/packets.ts';
import { sessionKeyEncryptor } from '../../src/openpgp/pkesk.ts';
import { type PublicKey, readPublicKey } from '../../src/openpgp/publickey.ts';

type Generate = Parameters<typeof openpgp.generateKey>[0];

interface Pair {
  readonly key: PublicKey;
  readonly encrypt: ReturnType<typeof sessionKeyEncryptor>;
  /** Numbers of the secret part, by their names in RFC 9580. */
  readonly secret: Readonly<Record<string, Uint8Array>>;
}

async function makePair(options: Partial<Generate>): Promise<Pair> {
  const { publicKey, privateKey } = await openpgp.generateKey({
    ...options,
    userIDs: [{ email: 'alice@example.com' }],
    format: 'object',
  });
  const { keyPacket } = await publicKey.getEncryptionKey();
  const recipient = recipientKeyOf(keyPacket);
  const key = readPublicKey(keyPacket.write());
  const [secret] = await privateKey.getDecryptionKeys();
  assert.ok(recipient && key && secret);
  const { privateParams } = secret.keyPacket as unknown as { privateParams: Pair['secret'] };
  return { key, encrypt: sessionKeyEncryptor(recipient), secret: privateParams };
}

const numberOf = (secret: Pair['secret'], name: string) => Buffer.from(secret[name] ?? []);
const sealedIn = (packet: Buffer): SealedKey => {
  const sealed = readSealedKey(readPacket(packet, 0)?.packet.body ?? Buffer.alloc(0));
  assert.ok(sealed);
  return sealed;
};

/** Returns the point that a secret of a curve and a packet agree on. */
function shared(secret: Pair['secret'], name: string, { cipher }: SealedKey): Buffer {
  assert.ok(cipher.kind === 'ecdh');
  if (name === 'curve25519Legacy') {
    const scalar = numberOf(secret, 'd').reverse(); // big-endian in the packet
    const der = (head: string, bytes: Uint8Array) => Buffer.concat([Buffer.from(head, 'hex'), bytes]);
    const privateKey = createPrivateKey({
      key: der('302e020100300506032b656e04220420', scalar),
      format: 'der',
      type: 'pkcs8',
    });
    const publicKey = createPublicKey({
      key: der('302a300506032b656e032100', cipher.point.subarray(1)),
      format: 'der',
      type: 'spki',
    });
    return Buffer.concat([Buffer.of(0x40), diffieHellman({ privateKey, publicKey })]);
  }
  const ecdh = createECDH(name);
  ecdh.setPrivateKey(numberOf(secret, 'd'));
  const x = ecdh.computeSecret(cipher.point);
  return Buffer.concat([Buffer.of(4), x, randomBytes(x.length)]);
}

const CURVES = [
  ['curve25519Legacy', 'curve25519Legacy'],
  ['nistP256', 'prime256v1'],
  ['nistP521', 'secp521r1'],
  ['brainpoolP512r1', 'brainpoolP512r1'],
] as const;

for (const [curve, name] of CURVES)
  test(`${curve}: the session key comes from a point, with its prefix and its other half or without`, async () => {
    const { key, encrypt, secret } = await makePair({ type: 'ecc', curve });
    await fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.constantFrom(3 as const, 6 as const),
        (bytes, packetVersion) => {
          const sealed = sealedIn(encrypt({ packetVersion, cipher: 9, key: bytes }));
          const point = shared(secret, name, sealed);
          const half = point.subarray(1, key.numbers.kind === 'ecdh' ? 1 + coordinate(key.numbers.point) : 0);
          for (const spelling of [point, point.subarray(1), half]) {
            const opened = openSealedKey(sealed, key, spelling, 'padded');
            assert.ok(opened && Buffer.from(opened.key).equals(bytes));
            assert.equal(opened.cipher, packetVersion === 3 ? 9 : undefined);
          }
          for (const wrong of [
            point.subarray(2),
            half.subarray(2),
            Buffer.alloc(0),
            randomBytes(point.length),
          ])
            assert.equal(openSealedKey(sealed, key, wrong, 'padded'), undefined);
        },
      ),
      { numRuns: 10 },
    );
  });

function coordinate(point: Uint8Array): number {
  return point[0] === 0x40 ? 32 : (point.length - 1) / 2;
}

test('a session key that is padded to 40 bytes is read, and padding that is not equal is not', async () => {
  const { key, encrypt, secret } = await makePair({ type: 'ecc', curve: 'nistP256' });
  assert.ok(key.numbers.kind === 'ecdh');
  const bytes = randomBytes(16);
  const sealed = sealedIn(encrypt({ packetVersion: 3, cipher: 7, key: bytes }));
  assert.ok(sealed.cipher.kind === 'ecdh');
  const { cipher } = sealed;
  const point = shared(secret, 'prime256v1', sealed);
  const kek = keyDerivation(key.numbers, key.fingerprint)?.(point.subarray(1, 33));
  assert.ok(kek);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  const message = Buffer.concat([Buffer.of(7), bytes, Buffer.of(sum >> 8, sum & 0xff)]);
  const open = (padded: Buffer) => {
    const wrap = createCipheriv(`id-aes${kek.length * 8}-wrap`, kek, Buffer.alloc(8, 0xa6));
    const wrapped = Buffer.concat([wrap.update(padded), wrap.final()]);
    return openSealedKey({ ...sealed, cipher: { ...cipher, wrapped } }, key, point, 'padded');
  };
  const long = Buffer.concat([message, Buffer.alloc(21, 21)]);
  assert.ok(Buffer.from(open(long)?.key ?? []).equals(bytes));
  long[20] = 20;
  assert.equal(open(long), undefined);
  assert.equal(open(Buffer.alloc(40, 41)), undefined);
  assert.equal(open(Buffer.alloc(40)), undefined);
});

test('RSA: padding with and without its zero, or taken away by a card; nothing that is almost right', () => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { n = '', e = '' } = pair.publicKey.export({ format: 'jwk' });
  const rsa = {
    kind: 'rsa',
    algorithm: 1,
    n: Buffer.from(n, 'base64url'),
    e: Buffer.from(e, 'base64url'),
  } as const;
  const fingerprint = randomBytes(20);
  const key = { algorithm: 1, fingerprint, keyId: '', numbers: rsa };
  const bytes = randomBytes(32);
  const encrypt = sessionKeyEncryptor({ version: 4, fingerprint, material: rsa });
  const sealed = sealedIn(encrypt({ packetVersion: 3, cipher: 9, key: bytes }));
  assert.ok(sealed.cipher.kind === 'rsa');
  const { c } = sealed.cipher;
  const whole = Buffer.concat([Buffer.alloc(256 - c.length), c]);
  const frame = privateDecrypt({ key: pair.privateKey, padding: constants.RSA_NO_PADDING }, whole);
  const message = frame.subarray(-35);
  for (const [spelling, padding] of [
    [frame, 'padded'],
    [frame.subarray(1), 'padded'],
    [message, 'bare'],
  ] as const) {
    const opened = openSealedKey(sealed, key, spelling, padding);
    assert.ok(opened && Buffer.from(opened.key).equals(bytes));
    assert.equal(opened.cipher, 9);
  }
  const of = (...parts: (number | Uint8Array)[]) =>
    Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : part)));
  const filled = (count: number) => Buffer.alloc(count, 0xff);
  const flipped = Buffer.from(message);
  flipped[20] = (flipped[20] ?? 0) ^ 1;
  const wrong = {
    'another block type': of(0, 1, filled(20), 0, message),
    'no zero': of(0, 2, filled(200)),
    'seven bytes of padding': of(0, 2, filled(7), 0, message),
    'a wrong sum': of(0, 2, filled(20), 0, flipped),
    'a byte too few': of(0, 2, filled(20), 0, message.subarray(1)),
    'a byte too many': of(0, 2, filled(20), 0, 9, message),
    'nothing after the zero': of(0, 2, filled(20), 0),
    nothing: Buffer.alloc(0),
    zeros: Buffer.alloc(256),
  };
  for (const [what, bad] of Object.entries(wrong))
    assert.equal(openSealedKey(sealed, key, bad, 'padded'), undefined, what);
  const least = of(0, 2, filled(8), 0, message);
  assert.ok(openSealedKey(sealed, key, least, 'padded'), 'eight bytes of padding');
});

test('whatever stands in a packet, reading it does not throw', () => {
  const heads = [Buffer.from([3, ...Buffer.alloc(8)]), Buffer.from([6, 0]), Buffer.from([4, 0, 0, 0, 0])];
  fc.assert(
    fc.property(
      fc.constantFrom(...heads),
      fc.constantFrom(1, 16, 18, 25),
      fc.uint8Array({ maxLength: 80 }),
      (head, algorithm, rest) => {
        const body = Buffer.concat([head, Buffer.of(algorithm), rest]);
        readSealedKey(body);
        readPublicKey(body);
      },
    ),
    { numRuns: 2_000 },
  );
  assert.equal(readSealedKey(packetHeader(1, 0)), undefined);
});

test('a shared secret is tried without its zeros too, as old programs had it, and no other way', async () => {
  const { key, encrypt } = await makePair({ type: 'ecc', curve: 'nistP256' });
  assert.ok(key.numbers.kind === 'ecdh');
  const sealed = sealedIn(encrypt({ packetVersion: 3, cipher: 9, key: Buffer.alloc(32, 1) }));
  assert.ok(sealed.cipher.kind === 'ecdh');
  const { cipher } = sealed;
  const derive = keyDerivation(key.numbers, key.fingerprint) ?? assert.fail();
  const message = Buffer.concat([Buffer.of(9), Buffer.alloc(32, 2), Buffer.of(0, 64), Buffer.alloc(5, 5)]);
  const opened = (used: Buffer, x: Buffer) => {
    const kek = derive(used);
    const wrap = createCipheriv(`id-aes${kek.length * 8}-wrap`, kek, Buffer.alloc(8, 0xa6));
    const wrapped = Buffer.concat([wrap.update(message), wrap.final()]);
    return openSealedKey({ ...sealed, cipher: { ...cipher, wrapped } }, key, x, 'padded');
  };
  const x = Buffer.concat([Buffer.of(0, 0), randomBytes(28).fill(7, 0, 1).fill(7, 27), Buffer.of(0, 0)]);
  for (const used of [x, x.subarray(2), x.subarray(0, 30)])
    assert.ok(opened(used, x)?.key.every((byte) => byte === 2));
  for (const used of [x.subarray(1), x.subarray(2, 30), x.subarray(0, 29)])
    assert.equal(opened(used, x), undefined);
});
