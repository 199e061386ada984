// One mail transaction with real keys and a real store: who gets a file, who gets which reply, what stays
// behind.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holds } from '../support/canary.ts';
import {
  codesOf,
  deliver,
  filesBelow,
  opened,
  openSite,
  repliesOf,
  type SiteOptions,
} from '../support/delivery.ts';
import { freshKey } from '../support/freshkey.ts';

const [alice, bob] = await Promise.all([freshKey('alice@example.com'), freshKey('bob@example.com')]);
const MESSAGE = Buffer.from(
  'From: a@example.org\r\nSubject: hi\r\n\r\nbody \xff\0 bare\rand\nends\r\n',
  'latin1',
);
const LARGE = Buffer.concat([MESSAGE, Buffer.alloc(300_000, 'line of text\r\n')]);
const BOTH = ['alice@example.com', 'bob@example.com'];
const STORED = '250 2.0.0';

test('each recipient gets a file that only his key opens to the bytes sent', async (t) => {
  const site = await openSite(t, { keys: [alice, bob] });
  for (const message of [
    MESSAGE,
    LARGE,
    Buffer.from('\r\n'),
    Buffer.from('no header at all'),
    Buffer.alloc(0),
  ]) {
    const { accepted, replies } = await deliver(site.transaction(), BOTH, message, 1000);
    assert.deepEqual(codesOf(accepted), ['250 2.1.5', '250 2.1.5']);
    assert.deepEqual(codesOf(replies), [STORED, STORED]);
  }
  for (const key of [alice, bob]) {
    const lengths = (await opened(site, key)).map(({ length }) => length);
    assert.deepEqual(lengths.sort(), [MESSAGE.length, LARGE.length, 2, 16, 0].sort());
  }
});

test('the sizes in the name are those of the file with LF and with CRLF', async (t) => {
  const site = await openSite(t, { keys: [alice] });
  for (const message of [MESSAGE, LARGE]) await deliver(site.transaction(), ['alice@example.com'], message);
  const files = await site.files();
  assert.equal(files.length, 2);
  for (const { path, bytes } of files) {
    const lines = bytes.toString('latin1').split('\n').length - 1;
    assert.ok(path.endsWith(`,S=${bytes.length},W=${bytes.length + lines}`), path);
  }
});

test('a recipient given twice, in whatever spelling, gets one file and as many replies', async (t) => {
  const site = await openSite(t, { keys: [alice, bob] });
  const paths = [
    'alice@example.com',
    'bob@example.com',
    'Alice@EXAMPLE.com',
    '@relay.example:alice@example.com',
  ];
  const { replies } = await deliver(site.transaction(), paths, MESSAGE);
  assert.deepEqual(codesOf(replies), [STORED, STORED, STORED, STORED]);
  assert.equal((await opened(site, alice)).length, 1);
  assert.equal((await opened(site, bob)).length, 1);
  assert.equal(site.outcomeLog.length, 4);
});

test('a recipient with and without a detail gets one file', async (t) => {
  const site = await openSite(t, { keys: [alice] });
  const { replies } = await deliver(
    site.transaction(),
    ['alice+tag@example.com', 'alice@example.com'],
    MESSAGE,
  );
  assert.deepEqual(codesOf(replies), [STORED, STORED]);
  assert.deepEqual(await opened(site, alice), [MESSAGE]);
});

test('a copy names its own recipient and nobody else', async (t) => {
  const site = await openSite(t, { keys: [alice, bob] });
  await deliver(site.transaction(), BOTH, MESSAGE);
  for (const { path, bytes } of await site.files()) {
    const isAlices = path.includes('/alice/');
    assert.equal(bytes.includes('alice@example.com'), isAlices);
    assert.equal(bytes.includes('bob@example.com'), !isAlices);
  }
});

test('a refused recipient gets no file and no reply after DATA', async (t) => {
  const site = await openSite(t, { keys: [alice] });
  const { accepted, replies } = await deliver(
    site.transaction(),
    ['nobody@example.com', 'alice@example.com', 'bad address@example.com'],
    MESSAGE,
  );
  assert.deepEqual(codesOf(accepted), ['550 5.1.1', '250 2.1.5', '501 5.1.3']);
  assert.deepEqual(codesOf(replies), [STORED]);
  assert.equal((await site.files()).length, 1);
});

test('recipients over the limit are deferred, and the ones before them are served', async (t) => {
  const site = await openSite(t, { keys: [alice, bob], limits: { maxRecipients: 1 } });
  const { accepted, replies } = await deliver(site.transaction(), BOTH, MESSAGE);
  assert.deepEqual(codesOf(accepted), ['250 2.1.5', '452 4.5.3']);
  assert.deepEqual(codesOf(replies), [STORED]);
});

const TOO_BIG: Record<string, [SiteOptions['limits'], Buffer]> = {
  'a message over the limit': [{ maxMessageBytes: LARGE.length - 1 }, LARGE],
  'a message over the limit within its header': [{ maxMessageBytes: 10 }, MESSAGE],
  'a header over the limit': [
    { maxHeaderBytes: 5000 },
    Buffer.from(`X: ${'y'.repeat(10_000)}\r\n\r\nbody\r\n`),
  ],
  'a header of many fields over the limit': [{ maxHeaderBytes: 5000 }, Buffer.from('X: y\r\n'.repeat(2000))],
};

for (const [what, [limits, message]] of Object.entries(TOO_BIG)) {
  test(`${what} is refused for each recipient and leaves nothing`, async (t) => {
    const site = await openSite(t, { keys: [alice, bob], ...(limits && { limits }) });
    const { replies } = await deliver(site.transaction(), BOTH, message, 1000);
    assert.deepEqual(codesOf(replies), ['552 5.3.4', '552 5.3.4']);
    assert.deepEqual(await site.files(), []);
  });
}

test('a message of exactly the largest size is stored', async (t) => {
  const site = await openSite(t, { keys: [alice], limits: { maxMessageBytes: LARGE.length } });
  const { replies } = await deliver(site.transaction(), ['alice@example.com'], LARGE);
  assert.deepEqual(codesOf(replies), [STORED]);
});

test('a client that goes away during DATA leaves nothing, however much it had sent', async (t) => {
  const site = await openSite(t, { keys: [alice, bob] });
  for (const sent of [0, 10, MESSAGE.length, LARGE.length]) {
    const transaction = site.transaction();
    for (const path of BOTH) await transaction.recipient(Buffer.from(`<${path}>`));
    transaction.start();
    await transaction.write([LARGE.subarray(0, sent)]);
    await transaction.abort();
    assert.deepEqual(await site.files(), [], `${sent} bytes sent`);
    await transaction.write([LARGE.subarray(sent)]);
    assert.deepEqual(await site.files(), [], `${sent} bytes sent, and more after the end`);
  }
  assert.ok(site.outcomeLog.every(({ why, code }) => why === 'aborted' && code === 451));
});

test('a client that goes away while a piece is being written leaves nothing', async (t) => {
  const site = await openSite(t, { keys: [alice, bob] });
  const transaction = site.transaction();
  for (const path of BOTH) await transaction.recipient(Buffer.from(`<${path}>`));
  transaction.start();
  const writing = transaction.write([LARGE, LARGE, LARGE]);
  await transaction.abort();
  await writing;
  assert.deepEqual(await site.files(), []);
});

test('bytes are not kept once write has settled', async (t) => {
  const site = await openSite(t, { keys: [alice] });
  const transaction = site.transaction();
  await transaction.recipient(Buffer.from('<alice@example.com>'));
  transaction.start();
  for (let from = 0; from < LARGE.length; from += 20) {
    const piece = Buffer.from(LARGE.subarray(from, from + 20));
    await transaction.write([piece]);
    piece.fill('!');
  }
  await repliesOf(transaction);
  assert.ok((await opened(site, alice))[0]?.equals(LARGE));
});

test('what is stored shows the subject outside, and the body nowhere', async (t) => {
  const site = await openSite(t, { keys: [alice] });
  await deliver(
    site.transaction(),
    ['alice@example.com'],
    Buffer.from('Subject: s-canary\r\n\r\nbody-canary-1\r\n'),
  );
  const [stored] = await filesBelow(site.store);
  assert.ok(stored);
  assert.ok(stored.bytes.includes('Subject: s-canary\n'));
  assert.equal(holds(stored.bytes, 'body-canary-1'), false);
});
