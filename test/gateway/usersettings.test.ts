// The process of a user gets no setting that it has no use for.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSettings } from '../../src/config/load.ts';
import { userSettings } from '../../src/gateway/usersettings.ts';

const CONFIGURATION = `
hostname = "mx.example.com"
[recipients]
source = "sql"
case = "exact"
sql.url = "postgresql://sealdir:canary@db.example.com/mail"
sql.query = "SELECT canary FROM users WHERE address = :address"
[gateway]
upstream = "127.0.0.1:1143"
`;

test('where recipients are looked up, and with which password, does not go to the process of a user', () => {
  const loaded = parseSettings(CONFIGURATION, 'f', { hostname: 'localhost' });
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const told = userSettings(loaded.settings);
  assert.doesNotMatch(JSON.stringify(told), /canary|postgresql/);
  assert.deepEqual(told.recipients, { case: 'exact' });
  assert.deepEqual(told.gateway, loaded.settings.gateway);
});
