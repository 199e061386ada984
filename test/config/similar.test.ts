import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mostSimilar } from '../../src/config/similar.ts';

const known = ['hostname', 'lmtp.listen', 'lmtp.max_recipients', 'metrics.listen', 'log.level'];

test('a few slips still find the name', () => {
  assert.equal(mostSimilar('hostnmae', known), 'hostname');
  assert.equal(mostSimilar('lmtp.max-recipients', known), 'lmtp.max_recipients');
  assert.equal(mostSimilar('lmtp.maxRecipients', known), 'lmtp.max_recipients');
  assert.equal(mostSimilar('log.levle', known), 'log.level');
});

test('the right name in another section is found, and the closer section wins', () => {
  assert.equal(mostSimilar('max_recipients', known), 'lmtp.max_recipients');
  assert.equal(mostSimilar('metric.listen', known), 'metrics.listen');
});

test('a name that resembles nothing finds nothing', () => {
  assert.equal(mostSimilar('log.colour', known), undefined);
  assert.equal(mostSimilar('x', known), undefined);
  assert.equal(mostSimilar('', known), undefined);
  assert.equal(mostSimilar('listen'.repeat(1000), known), undefined);
});
