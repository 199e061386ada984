// A message that was changed does not open, whatever was changed in it, and never as another one: one bit
// anywhere, and packets that are cut, repeated, moved, spliced. What opens at all is what openpgp.js opens.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import * as openpgp from 'openpgp';
import { NotOpenedError } from '../../src/keys/opening.ts';
import { openPackets } from '../../src/opening/open.ts';
import { packetsIn } from '../../src/opening/source.ts';
import { UnsupportedError } from '../../src/openpgp/faults.ts';
import { packetHeader } from '../../src/openpgp/framer.ts';
import type { Encryption } from '../../src/openpgp/message.ts';
import { Seipd1 } from '../../src/openpgp/seipd1.ts';
import { fuzz } from '../support/fuzz.ts';
import { isLong, testLong } from '../support/long.ts';
import { mutated } from '../support/mutate.ts';
import {
  type Holder,
  holderOf,
  joined,
  literalOf,
  openedByLibrary,
  openedNatively,
  sealPackets,
  sourceOf,
} from '../support/opening.ts';
import { dearmor } from '../support/packets.ts';
import { makeKey } from '../support/testkeys.ts';

const CONTENT = Buffer.from('Subject: x\r\n\r\nhi\r\n');
const V1 = { version: 1, keyBytes: 32 } as const;
const V2 = { version: 2, keyBytes: 32, aead: 'ocb' } as const;
const [v4, v6] = [await makeKey('alice@example.com'), await makeKey('alice@example.com', { version: 6 })];
const [alice, bob] = [await holderOf(v4.secretKey), await holderOf(v6.secretKey)];
const first = ({ recipients }: Holder) => recipients.slice(0, 1);

interface Sealed {
  readonly holder: Holder;
  readonly packets: Buffer;
}

const sealed = (holder: Holder, encryption: Encryption, inner = literalOf(CONTENT)): Sealed => ({
  holder,
  packets: sealPackets(inner, first(holder), encryption),
});

const MESSAGES: Readonly<Record<string, Sealed>> = {
  'SEIPD v1, Curve25519': sealed(alice, V1),
  'SEIPD v2, Curve25519': sealed(alice, V2),
  'SEIPD v2, X25519, a v6 key': sealed(bob, V2),
  ...(isLong ? await moreMessages() : {}),
};

/** Other keys, ciphers and contents. */
async function moreMessages(): Promise<Record<string, Sealed>> {
  const holderFor = async (options: object) => {
    const userIDs = [{ email: 'alice@example.com' }];
    const { privateKey } = await openpgp.generateKey({ ...options, userIDs, format: 'armored' });
    return holderOf(privateKey);
  };
  const rsa = await holderFor({ type: 'rsa', rsaBits: 2048 });
  const nist = await holderFor({ type: 'ecc', curve: 'nistP256' });
  const brainpool = await holderFor({ type: 'ecc', curve: 'brainpoolP256r1' });
  const x448 = await holderFor({ type: 'curve448' });
  const deflated = Buffer.concat([Buffer.of(1), deflateRawSync(literalOf(CONTENT))]);
  const zip = Buffer.concat([packetHeader(8, deflated.length), deflated]);
  const withMarker = Buffer.concat([Buffer.from('\xca\x03PGP', 'latin1'), literalOf(CONTENT)]);
  return {
    'SEIPD v1, RSA': sealed(rsa, V1),
    'SEIPD v2, RSA': sealed(rsa, V2),
    'SEIPD v1, NIST P-256': sealed(nist, V1),
    'SEIPD v1, Brainpool P-256': sealed(brainpool, V1),
    'SEIPD v2, X448': sealed(x448, V2),
    'SEIPD v1, AES-128': sealed(alice, { version: 1, keyBytes: 16 }),
    'SEIPD v2, AES-128 in GCM': sealed(alice, { version: 2, keyBytes: 16, aead: 'gcm' }),
    'SEIPD v1, compressed': sealed(alice, V1, zip),
    'SEIPD v2, compressed': sealed(bob, V2, zip),
    'SEIPD v1, with a marker': sealed(alice, V1, withMarker),
  };
}

/** Resolves to the whole of a message, or to undefined if it does not open. */
async function outcome(packets: Buffer, { opener }: Holder): Promise<Buffer | undefined> {
  const opened = await openPackets(sourceOf(packets), opener).catch((error: unknown) => {
    assert.ok(error instanceof NotOpenedError, `${error}`);
    return undefined;
  });
  return opened && joined(opened.pieces());
}

for (const [what, { holder, packets }] of Object.entries(MESSAGES))
  test(`${what}: with one bit changed, whichever it is, nothing comes out`, async () => {
    assert.ok((await outcome(packets, holder))?.equals(CONTENT));
    for (let bit = 0; bit < packets.length * 8; bit += isLong ? 1 : 11) {
      const changed = Buffer.from(packets);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(await outcome(changed, holder), undefined, `bit ${bit & 7} of octet ${bit >> 3}`);
    }
  });

for (const [what, { holder, packets }] of Object.entries(MESSAGES))
  test(`${what}: cut anywhere, or with something after it, nothing comes out`, async () => {
    for (let end = 0; end < packets.length; end += isLong ? 1 : 9)
      assert.equal(await outcome(packets.subarray(0, end), holder), undefined, `${end}`);
    for (const rest of [packets, Buffer.of(0xcb, 0), Buffer.of(0), literalOf(CONTENT)])
      assert.equal(await outcome(Buffer.concat([packets, rest]), holder), undefined, `${rest.length}`);
  });

test('version 1 without its code, and another one, do not open', async () => {
  const sessionKey = Buffer.alloc(32, 1);
  const body = (code: Buffer) => {
    const layer = new Seipd1(sessionKey, Buffer.alloc(16, 2));
    const pieces = [...layer.update(literalOf(CONTENT)), ...layer.update(code)];
    return Buffer.concat(pieces);
  };
  const opener = { sessionKeyOf: async () => ({ cipher: 9, key: Buffer.from(sessionKey) }) };
  const keyPacket = sealed(alice, V1).packets.subarray(0, 2 + 94);
  for (const code of [
    Buffer.alloc(0),
    Buffer.alloc(22),
    Buffer.concat([Buffer.of(0xd3, 20), Buffer.alloc(20)]),
  ]) {
    const sealed = body(code);
    const packets = Buffer.concat([keyPacket, packetHeader(18, sealed.length), sealed]);
    await assert.rejects(openPackets(sourceOf(packets), { ...opener }), NotOpenedError);
  }
});

test('armor that is cut off, or more than one, is told', async () => {
  const message = await openpgp.createMessage({ binary: CONTENT });
  const encryptionKeys = await openpgp.readKey({ armoredKey: v4.certificate });
  const armor = await openpgp.encrypt({ message, encryptionKeys });
  const open = (text: string) => openPackets(packetsIn(Buffer.from(text)), alice.opener);
  assert.ok((await joined((await open(armor)).pieces())).equals(CONTENT));
  await assert.rejects(open(armor.slice(0, -10)), /cut off/);
  await assert.rejects(open(`${armor}${armor}`), /more than one/);
  await assert.rejects(open('Subject: x\r\n\r\ntext\r\n'), /no sealed message/);
  assert.ok(
    (await openedNatively(dearmor(Buffer.from(armor.replaceAll('\r\n', '\n'))), alice.opener)).equals(
      CONTENT,
    ),
  );
});

test('damaged packets open as openpgp.js opens them, or not at all', async (t) => {
  const { packets } = sealed(alice, V1);
  const long = Buffer.from('The content of a message. '.repeat(400));
  const files = [
    packets,
    sealed(alice, V2).packets,
    sealPackets(literalOf(long), alice.recipients, V1),
    sealPackets(literalOf(long, 'name'), alice.recipients, V2),
  ];
  const contents = [CONTENT, long];
  await fuzz(t, {
    arbitrary: mutated(files),
    async check(damaged) {
      const ours = await outcome(damaged, alice);
      if (ours === undefined) return;
      assert.ok(
        contents.some((each) => each.equals(ours)),
        'one of those that were sealed',
      );
      assert.ok((await openedByLibrary(damaged, alice.opener)).equals(ours), 'as openpgp.js');
    },
  });
});

testLong('damaged packets inside open as openpgp.js opens them, or not at all', async (t) => {
  const literal = literalOf(Buffer.from('The content of a message. '.repeat(50)), 'name');
  const inParts = Buffer.concat([
    Buffer.of(0xcb, 0xe9),
    literal.subarray(3, 515),
    Buffer.of(0xe0, 1, 0xe0, 2, 0),
  ]);
  const files = [
    literal,
    inParts,
    Buffer.concat([Buffer.of(0xca, 3, 0x50, 0x47, 0x50), literal, Buffer.of(0xd5, 2, 0, 0)]),
    Buffer.concat([Buffer.of(0xaf), literal.subarray(3)]),
  ];
  await fuzz(t, {
    arbitrary: fc.tuple(mutated(files), fc.constantFrom(V1, V2)),
    async check([inner, encryption]) {
      const packets = sealPackets(inner, first(alice), encryption);
      const natively = await openedNatively(packets, alice.opener).catch((error: unknown) => {
        assert.ok(error instanceof UnsupportedError, `${error}`);
        return undefined;
      });
      if (natively === undefined) return;
      assert.ok((await openedByLibrary(packets, alice.opener)).equals(natively));
    },
  });
});
