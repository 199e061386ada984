// Damaged messages that were encrypted to the recipient: what is still stored as it came is, for gpg too,
// session keys and encrypted data with integrity and nothing else; and nothing makes the judge throw.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Passthrough } from '../../src/delivery/passthrough.ts';
import { HeaderScanner } from '../../src/mime/header.ts';
import { armored, armorOfPackets, inline, pgpMime } from '../support/encrypted.ts';
import { freshKey } from '../support/freshkey.ts';
import { fuzz } from '../support/fuzz.ts';
import { mutated } from '../support/mutate.ts';
import { dearmor } from '../support/packets.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';

const key = await freshKey('alice@example.com');
const armors = [
  await armored('for your eyes only', [key]),
  await armored(randomBytes(3000).toString('base64'), [key, await freshKey('bob@example.com')]),
];
const messages = [...armors.map((armor) => pgpMime(armor)), ...armors.map((armor) => inline(armor))];
const packets = armors.map((armor) => dearmor(Buffer.from(armor)));

/** Whether a delivery would store this as it came, cut into pieces anywhere. */
function isKept(message: Buffer, pieceBytes: number): boolean {
  const scanner = new HeaderScanner(100_000);
  let judge: Passthrough | undefined;
  for (let at = 0; at < message.length; at += pieceBytes) {
    const piece = message.subarray(at, at + pieceBytes);
    if (judge !== undefined) {
      if (!judge.update(piece)) return false;
      continue;
    }
    const scan = scanner.update(piece);
    if (scan.state === 'tooBig') return false;
    if (scan.state === 'more') continue;
    judge = Passthrough.of(scan.block, scanner.seen);
    if (judge === undefined || !judge.update(scanner.seen)) return false;
  }
  return judge?.final() ?? false;
}

/** What gpg finds in a message, by the names of its packets. */
async function packetsOfGpg(message: Buffer): Promise<string[]> {
  const armor = /-----BEGIN PGP MESSAGE[\s\S]*/.exec(message.toString('latin1'))?.[0] ?? '';
  const { stdout } = await run('gpg', ['--batch', '--list-packets'], { stdin: Buffer.from(armor, 'latin1') });
  return [...stdout.toString().matchAll(/^:([a-z ]+?) packet:?/gm)].map(([, name]) => name ?? '');
}

async function agrees(message: Buffer, pieceBytes: number): Promise<void> {
  const kept = isKept(message, pieceBytes);
  assert.equal(isKept(message, message.length || 1), kept, 'however it is cut');
  if (!kept) return;
  const found = await packetsOfGpg(message);
  const data = found.indexOf('encrypted data');
  assert.ok(data > 0, `encrypted data: ${found}`);
  assert.ok(
    found.slice(0, data).every((name) => /^(pubkey|symkey) enc$/.test(name)),
    `${found}`,
  );
  assert.equal(found.length, data + 1, `${found}`);
}

const pieceSize = fc.integer({ min: 1, max: 3000 });

test('the messages are kept before they are damaged', needs('gpg'), async () => {
  for (const message of messages) {
    assert.ok(isKept(message, 100));
    await agrees(message, 100);
  }
});

test('a damaged message is kept only if gpg finds encrypted data and nothing else', needs('gpg'), (t) =>
  fuzz(t, {
    arbitrary: fc.tuple(mutated(messages), pieceSize),
    check: ([message, pieceBytes]) => agrees(message, pieceBytes),
  }),
);

test('so it is if the packets are damaged within good armor', needs('gpg'), (t) =>
  fuzz(t, {
    arbitrary: fc.tuple(mutated(packets), pieceSize),
    check: ([bytes, pieceBytes]) => agrees(inline(armorOfPackets(bytes)), pieceBytes),
  }),
);

test('a line that is put in anywhere makes it none', (t) =>
  fuzz(t, {
    arbitrary: fc.tuple(fc.constantFrom(...messages), fc.nat(), fc.stringMatching(/^[!-~][ -~]{0,70}$/)),
    check: ([message, place, line]) => {
      const lines = message.toString('latin1').split('\r\n');
      const header = lines.indexOf('');
      const at = header + 1 + (place % (lines.length - header - 1));
      const text = [...lines.slice(0, at), `${line} `, ...lines.slice(at)].join('\r\n');
      assert.ok(!isKept(Buffer.from(text, 'latin1'), 500), text);
    },
  }));
