import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { allReplies, replyOf, verdictOf, whyOfDiskError } from '../../src/core/outcome.ts';

test('the class digit of every enhanced code is that of its reply code (RFC 2034 §4)', () => {
  for (const { why, code, enhanced } of allReplies()) {
    assert.match(enhanced, /^[245]\.\d{1,3}\.\d{1,3}$/, why);
    assert.equal(enhanced[0], String(code)[0], why);
  }
});

test('no reply line is over 100 bytes, including our ID and its line end', () => {
  for (const { why } of allReplies()) {
    const { code, enhanced, text } = replyOf(why, '0123456789abcdef');
    assert.ok(Buffer.byteLength(`${code}-${enhanced} ${text}\r\n`) <= 100, why);
  }
});

test('every text is printable ASCII without a path, a key id or a placeholder', () => {
  for (const { why, text } of allReplies()) {
    assert.match(text, /^[A-Z][ -~]*$/, why);
    assert.doesNotMatch(text, /[/\\{}$<>%]|[0-9a-f]{8}/i, why);
  }
});

test('a detail is added to the text and changes nothing else', () => {
  assert.deepEqual(replyOf('stored', 'abc'), { ...replyOf('stored'), text: 'Sealed abc' });
});

const STORED = ['stored', 'storedAsCame', 'storedLastValid', 'storedHeld'];

test('only those for what is stored, "duplicate" and the answers to commands are positive', () => {
  const positive = allReplies().filter((reply) => verdictOf(reply) === 'stored');
  assert.deepEqual(
    positive.map((reply) => reply.why),
    ['senderOk', 'recipientOk', ...STORED, 'duplicate', 'ok', 'readyForTls', 'bye', 'notVerified'],
  );
});

test('a verdict is the class of the code', () => {
  for (const reply of allReplies()) {
    const verdict = { 2: 'stored', 4: 'deferred', 5: 'refused' }[String(reply.code)[0] ?? ''];
    assert.equal(verdictOf(reply), verdict, reply.why);
  }
});

test('our own trouble defers: only facts about recipient, message or dialogue refuse', () => {
  const ours = [
    ...(['keyUnusableNow', 'recipientsUnavailable', 'tooManyRecipients', 'diskFull', 'overQuota'] as const),
    ...(['storeFailed', 'cryptoFailed', 'tooSlow', 'aborted', 'internal', 'shuttingDown'] as const),
    ...([
      'tooManyConnections',
      'tooManyFromPeer',
      'mailboxBusy',
      'siteKeyUnusable',
      'tlsUnavailable',
    ] as const),
  ];
  for (const why of ours) assert.equal(verdictOf(replyOf(why)), 'deferred', why);
});

test('every disk error there is defers', () => {
  for (const [code, errno] of Object.entries(constants.errno)) {
    for (const sign of [1, -1]) {
      const why = whyOfDiskError(Object.assign(new Error(code), { code, errno: sign * errno }));
      assert.equal(verdictOf(replyOf(why)), 'deferred', code);
    }
  }
});

test('a full disk and a full quota are told apart by number, as libuv has no name for EDQUOT', () => {
  assert.equal(whyOfDiskError({ errno: -28 }), 'diskFull');
  assert.equal(whyOfDiskError({ errno: -122, code: 'Unknown system error -122' }), 'overQuota');
  assert.equal(whyOfDiskError({ errno: -5 }), 'storeFailed');
});

test('what is no disk error at all defers too', () => {
  for (const error of [
    undefined,
    null,
    'text',
    28,
    {},
    { errno: 'ENOSPC' },
    { errno: Number.NaN },
    new Error(),
  ])
    assert.equal(whyOfDiskError(error), 'storeFailed');
});
