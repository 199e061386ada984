// Header policies of the recipients of one message: what stands outside of each copy, what is inside, and
// that the bytes that were received come out of it again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeaderPolicy } from '../../src/core/headerpolicy.ts';
import { MOST_INSERTIONS } from '../../src/mime/insertions.ts';
import { openCorpus } from '../support/corpus.ts';
import { codesOf, deliver, openSite, type Site } from '../support/delivery.ts';
import { FIXTURES } from '../support/fixtures.ts';
import { type FreshKey, freshKey, openSealed } from '../support/freshkey.ts';
import { isLong, testLong } from '../support/long.ts';
import { originalOf } from '../support/original.ts';

const [ann, bob, cat, dan, eve] = await Promise.all(
  ['ann', 'bob', 'cat', 'dan', 'eve'].map((name) => freshKey(`${name}@example.com`)),
);
const KEYS = [ann, bob, cat, dan, eve].filter((key) => key !== undefined);
const ADDRESSES = KEYS.map(({ address }) => address);
const headerPolicies: Readonly<Record<string, HeaderPolicy>> = {
  'bob@example.com': 'baseline',
  'cat@example.com': 'minimal',
  'dan@example.com': 'baseline',
  'eve@example.com': 'minimal',
};
const STORED = '250 2.0.0';
const SMALL = Buffer.from(
  'From: a@example.org\r\nTo: everybody@example.org\r\nSubject: Canary-Subject\r\nContent-Type: text/plain\r\n\r\nbody\r\n',
);
const LARGE = Buffer.concat([SMALL, Buffer.alloc(400_000, 'line of text\r\n')]);

/** Resolves to the stored file of a recipient, in two parts, and what is inside; and removes nothing. */
async function copyOf(site: Site, { address, secret }: FreshKey) {
  const [local, domain] = address.split('@');
  const [file, ...others] = (await site.files()).filter(({ path }) =>
    path.startsWith(`${domain}/${local}/new/`),
  );
  assert.ok(file !== undefined && others.length === 0, address);
  const { plaintext, literalName } = await openSealed(file.bytes, [secret]);
  const pieces = originalOf([plaintext], literalName);
  return {
    outside: file.bytes.subarray(0, file.bytes.indexOf('-----BEGIN')).toString('latin1'),
    inside: plaintext.toString('latin1'),
    literalName,
    original: pieces && Buffer.concat(pieces),
  };
}

test('each copy of a message has the policy of its recipient, inside and outside', async (t) => {
  for (const [message, pieceBytes] of [
    [SMALL, 1],
    [SMALL, 1000],
    [LARGE, 50_000],
  ] as const) {
    const site = await openSite(t, { keys: KEYS, headerPolicies });
    const { replies } = await deliver(site.transaction(), ADDRESSES, message, pieceBytes);
    assert.deepEqual(
      codesOf(replies),
      ADDRESSES.map(() => STORED),
    );
    const insides = new Map<string, Set<string>>();
    for (const key of KEYS) {
      const policy = headerPolicies[key.address] ?? 'visible';
      const { outside, inside, literalName, original } = await copyOf(site, key);
      assert.ok(original?.equals(message), key.address);
      assert.equal(outside.includes('Canary-Subject'), policy === 'visible', policy);
      assert.equal(outside.includes('Subject: [...]'), policy !== 'visible', policy);
      assert.equal(outside.includes('everybody@'), policy !== 'minimal', policy);
      assert.ok(outside.includes(`Delivered-To: ${key.address}\n`));
      assert.equal(inside === message.toString('latin1'), policy === 'visible', policy);
      assert.equal(literalName === '', policy === 'visible', policy);
      assert.equal(/^HP-Outer: To: /m.test(inside), policy === 'baseline', policy);
      insides.set(policy, (insides.get(policy) ?? new Set()).add(inside));
    }
    for (const [policy, distinct] of insides) assert.equal(distinct.size, 1, policy);
  }
});

test('a copy that fails leaves those of other policies, and of its own, alone', async (t) => {
  const site = await openSite(t, { keys: KEYS, headerPolicies, limits: { maxMailboxDeliveries: 1 } });
  const release = site.parts.mailboxes.take(`${site.store}/example.com/bob`, 1);
  const first = await deliver(site.transaction(), ADDRESSES, LARGE);
  assert.deepEqual(codesOf(first.accepted), [
    '250 2.1.5',
    '450 4.2.1',
    '250 2.1.5',
    '250 2.1.5',
    '250 2.1.5',
  ]);
  release?.();
  const transaction = site.transaction();
  for (const address of ADDRESSES) await transaction.recipient(Buffer.from(`<${address}>`));
  const busy = site.parts.mailboxes.take(`${site.store}/example.com/bob`, 1); // fills up before DATA
  transaction.start();
  await transaction.write([LARGE]);
  const replies = [];
  for await (const reply of transaction.finish()) replies.push(reply);
  assert.deepEqual(codesOf(replies), [STORED, '450 4.2.1', STORED, STORED, STORED]);
  busy?.();
  assert.ok((await site.files()).every(({ path }) => path.includes('/new/') && !path.includes('/bob/')));
});

test('a message that ends in its header, or has none, has its policy outside and is exact inside', async (t) => {
  for (const text of ['Subject: Canary-Subject\r\n', 'Subject: Canary-Subject', 'no header', '']) {
    const site = await openSite(t, { keys: KEYS, headerPolicies });
    await deliver(site.transaction(), ADDRESSES, Buffer.from(text));
    for (const key of KEYS) {
      const { outside, original, inside } = await copyOf(site, key);
      assert.deepEqual([original?.toString(), inside], [text, text]);
      if (key !== ann) assert.doesNotMatch(outside, /Canary/);
    }
  }
});

test('of every fixture and of real messages the received bytes come out again', async (t) => {
  const { messages } = openCorpus();
  const real = messages
    .filter((_, index) => index % (isLong ? 25 : 200) === 0)
    .map(({ name, wire }) => ({ name, bytes: wire() }));
  for (const { name, bytes } of [...FIXTURES, ...real]) {
    await using site = await openSite(t, {
      keys: KEYS.slice(1, 3),
      headerPolicies,
      limits: { maxHeaderBytes: 2 ** 21 },
    });
    await deliver(site.transaction(), ADDRESSES.slice(1, 3), bytes, 30_000);
    for (const key of KEYS.slice(1, 3)) {
      const { original } = await copyOf(site, key);
      assert.ok(original?.equals(bytes), `${name} for ${key.address}`);
    }
  }
});

testLong('a header of many small fields, or of many types, is sealed in its time', async (t) => {
  const fields = 'a:\r\n'.repeat(500_000);
  const types = 'Content-Type: a/b\r\n'.repeat(100_000);
  const semicolons = `Content-Type: a/b${';hp=\r\n '.repeat(2000)}\r\n`;
  const comments = `Content-Type: ${'(a)'.repeat(5000)}\r\n`.repeat(MOST_INSERTIONS);
  for (const header of [fields, types, semicolons, comments]) {
    const message = Buffer.from(`${header}\r\nbody\r\n`);
    await using site = await openSite(t, { keys: KEYS, headerPolicies, limits: { maxHeaderBytes: 2 ** 21 } });
    const start = performance.now();
    const { replies } = await deliver(site.transaction(), ADDRESSES, message);
    assert.ok(performance.now() - start < 10_000, 'it took seconds');
    assert.deepEqual(
      codesOf(replies),
      ADDRESSES.map(() => STORED),
    );
    const { original } = await copyOf(site, KEYS[1] as FreshKey);
    assert.ok(original?.equals(message));
  }
});
