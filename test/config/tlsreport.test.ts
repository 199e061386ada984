// The settings about how mail comes: addresses of one's own machines, and whether domains are counted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSettings } from '../../src/config/load.ts';
import { countsDomains, relayRule } from '../../src/config/rules.ts';

function settingsOf(text: string) {
  const loaded = parseSettings(text, 'f', { hostname: 'mx.example.com' });
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.errors.map(({ message }) => message).join());
  return loaded.settings;
}

test("addresses and networks of both kinds are one's own, others and names are not", () => {
  const isOwn = relayRule(
    settingsOf('[tls_report]\nrelays = ["127.0.0.1", "192.0.2.0/24", "2001:db8::/32", "::1"]\n'),
  );
  for (const own of ['127.0.0.1', '192.0.2.77', '2001:db8:1::5', '::1']) assert.ok(isOwn(own), own);
  for (const other of ['127.0.0.2', '192.0.3.1', '2001:db9::1', 'localhost', '', '127.0.0.1 '])
    assert.ok(!isOwn(other), other);
  assert.ok(!relayRule(settingsOf(''))('127.0.0.1'), 'nobody by default');
});

test('what is no address or network is refused', () => {
  for (const written of [
    'mx1.example.com',
    '192.0.2.0/33',
    '2001:db8::/129',
    '192.0.2.1/',
    '0.0.0.0/0',
    '',
  ]) {
    const loaded = parseSettings(`[tls_report]\nrelays = ["${written}"]\n`, 'f', { hostname: 'mx' });
    assert.ok(!loaded.ok, written);
    assert.match(loaded.errors[0]?.message ?? '', /is not a list of IP addresses or networks/);
  }
});

test('domains are counted unless the log must not name them, or the site says otherwise', () => {
  assert.ok(countsDomains(settingsOf('')));
  assert.ok(!countsDomains(settingsOf('[log]\naddresses = "hash"\n')));
  assert.ok(countsDomains(settingsOf('[log]\naddresses = "hash"\n[tls_report]\ndomains = "on"\n')));
  assert.ok(!countsDomains(settingsOf('[tls_report]\ndomains = "off"\n')));
});
