import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeOf } from '../../src/config/change.ts';
import { parseSettings } from '../../src/config/load.ts';
import { entries } from '../../src/config/paths.ts';
import type { Settings } from '../../src/config/settings.ts';

function read(text: string): Settings {
  const loaded = parseSettings(text, 'f', { hostname: 'mx.example.com' });
  assert.ok(loaded.ok);
  return loaded.settings;
}

test('nothing changes between a configuration and the same written another way', () => {
  const written = read('[lmtp]\nmax_message_size = "51200KiB"\nlisten = ["/run/sealdir/lmtp.sock"]');
  assert.deepEqual(changeOf(read(''), written), { settings: read(''), taken: [], waiting: [] });
});

test('what a running server can change is new, what needs a restart is as it was, and both are named', () => {
  const written = read(`
    hostname = "other.example.com"
    processes = 7
    [lmtp]
    listen = ["127.0.0.1:24"]
    max_connections = 5
    [log]
    level = "debug"
  `);
  const { settings, taken, waiting } = changeOf(read(''), written);
  assert.deepEqual(settings, read('lmtp.max_connections = 5\nlog.level = "debug"'));
  assert.deepEqual(taken, ['lmtp.max_connections', 'log.level']);
  assert.deepEqual(waiting, ['hostname', 'processes', 'lmtp.listen']);
});

test('who we are, where we listen, where mail lies and what is remembered need a restart, and nothing else', () => {
  assert.deepEqual(
    entries.filter(([, { restart }]) => restart).map(([path]) => path),
    [
      'hostname',
      'processes',
      'lmtp.listen',
      'lmtp.socket_mode',
      'lmtp.require_tls',
      'lmtp.plain_beyond_loopback',
      'store.maildir',
      'store.duplicates',
      'store.state',
      'store.state_secret',
      'store.state_password_file',
      'store.state_ca_file',
      'store.maildirsize',
      'store.forward',
      'store.forward_ca_file',
      'store.forward_connections',
      'store.forward_plain_beyond_loopback',
      'keys.state',
      'recipients.roots',
      'recipients.folder',
      'recipients.map_listen',
      'owners.socket',
      'owners.user',
      'owners.min_uid',
      'owners.min_gid',
      'owners.writers',
      'tls_report.domains',
      'gateway.directory',
      'gateway.listen',
      'gateway.upstream',
      'gateway.upstream_user',
      'gateway.upstream_password_file',
      'gateway.dovecot',
      'gateway.without_key',
      'gateway.linger',
      'gateway.metrics_listen',
      'gateway.max_connections',
      'gateway.max_peer_connections',
      'gateway.max_users',
      'gateway.login_timeout',
      'gateway.idle_timeout',
      'gateway.max_message_size',
      'gateway.cache_directory',
      'gateway.cache_size',
      'metrics.listen',
      'log.format',
      'log.addresses',
    ],
  );
});
