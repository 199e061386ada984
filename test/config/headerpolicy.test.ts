import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSettings } from '../../src/config/load.ts';
import { headerPolicyRule } from '../../src/config/rules.ts';

test('what the source says goes before the address, that before its domain, and that before the site', () => {
  const text = `[headers]
policy = "baseline"
recipients = ["Alice@Example.com: minimal", "@EXAMPLE.com: visible", "@bücher.example: minimal", "@x.org: minimal"]
`;
  const loaded = parseSettings(text, 'f', { hostname: 'mx.example.com' });
  assert.ok(loaded.ok);
  const policyOf = headerPolicyRule(loaded.settings);
  assert.equal(policyOf({ address: 'alice@example.com' }), 'minimal');
  assert.equal(policyOf({ address: 'alice@example.com', headerPolicy: 'baseline' }), 'baseline');
  assert.equal(policyOf({ address: 'bob@example.com' }), 'visible');
  assert.equal(policyOf({ address: '@x.org' }), 'minimal');
  assert.equal(policyOf({ address: 'a@xn--bcher-kva.example' }), 'minimal');
  assert.equal(policyOf({ address: 'alice@sub.example.com' }), 'baseline');
});
