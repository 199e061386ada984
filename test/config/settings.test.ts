import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSettings } from '../../src/config/load.ts';
import { entries } from '../../src/config/paths.ts';
import type { Settings } from '../../src/config/settings.ts';

const machine = { hostname: 'mx.example.com' };

function read(text: string): Settings {
  const loaded = parseSettings(text, 'f', machine);
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.errors.map((error) => error.message).join('\n'));
  return loaded.settings;
}

/** What follows the value in the only error. */
function complaintOf(text: string): string {
  const loaded = parseSettings(text, 'f', machine);
  assert.ok(!loaded.ok, `${text} is taken`);
  assert.equal(loaded.errors.length, 1);
  return loaded.errors[0]?.message ?? '';
}

test('an empty file gives the documented defaults, in bytes and milliseconds', () => {
  assert.deepEqual(read(''), {
    hostname: 'mx.example.com',
    processes: 0,
    lmtp: {
      listen: [{ type: 'unix', path: '/run/sealdir/lmtp.sock' }],
      socket_mode: 0o660,
      require_tls: false,
      plain_beyond_loopback: false,
      max_message_size: 50 * 1024 * 1024,
      max_header_size: 2 * 1024 * 1024,
      max_recipients: 100,
      max_connections: 256,
      max_peer_connections: 200,
      max_mailbox_deliveries: 100,
      idle_timeout: 300_000,
      data_timeout: 600_000,
      block_timeout: 120_000,
      session_timeout: 3_600_000,
      stall_timeout: 30_000,
      transaction_timeout: 240_000,
    },
    store: {
      maildir: '/var/mail/sealdir/{domain}/{local}',
      min_free_space: 128 * 1024 * 1024,
      duplicates: 2 * 3_600_000,
      state: { directory: '/run/sealdir/state', shared: undefined },
      state_secret: '',
      state_password_file: '',
      state_ca_file: '',
      encrypted: 'keep',
      maildirsize: false,
      forward: undefined,
      forward_ca_file: '',
      forward_connections: 20,
      forward_plain_beyond_loopback: false,
      seal_folders: [],
      seal_drafts_after: 600_000,
      seal_index: '',
    },
    keys: {
      directory: '/etc/sealdir/keys',
      state: '/var/lib/sealdir',
      wkd_directory: '',
      wkd: 'off',
      wkd_domains: [],
      wkd_timeout: 5000,
      wkd_ca_file: '',
      unusable: 'defer',
      hold: '',
      also: [],
      min_rsa_bits: 2048,
      min_curve_bits: 256,
      subkeys: 'all',
      unsupported_subkeys: 'defer',
    },
    notices: { from: 'postmaster@{hostname}', expiry: true },
    recipients: {
      source: 'keys',
      preset: 'none',
      roots: [],
      folder: '',
      cache: 60_000,
      negative_cache: 5000,
      timeout: 5000,
      over_quota: 'defer',
      delimiter: '+',
      case: 'ignore',
      map_listen: { type: 'off' },
      passwd: { domains: [], min_uid: 1000 },
      accounts: { file: '', quotas: '' },
      sql: { url: '', password_file: '', query: '', connections: 4 },
      ldap: {
        url: '',
        starttls: false,
        ca_file: '',
        bind_dn: '',
        password_file: '',
        base: '',
        filter: '(mail={address})',
        attributes: ['account=mail'],
      },
      socketmap: { address: undefined, map: 'recipients' },
      http: { url: '', token_file: '' },
    },
    tls: { certificate: [], key: [], client_ca: '', client_names: [] },
    owners: { socket: '', user: 0, min_uid: 1000, min_gid: 1000, writers: 200 },
    folders: { rules: [], encoding: 'utf-7' },
    headers: { policy: 'visible', recipients: [] },
    tls_report: { domains: 'auto', relays: [] },
    gateway: {
      directory: '/var/lib/sealdir-gateway',
      listen: [{ type: 'tls', host: '0.0.0.0', port: 993 }],
      upstream: undefined,
      upstream_user: 'sealdir-gateway',
      upstream_password_file: '',
      dovecot: ['/etc/dovecot/dovecot.conf'],
      without_key: 'refuse',
      linger: 0,
      metrics_listen: { type: 'tcp', host: '127.0.0.1', port: 9465 },
      max_connections: 1000,
      max_peer_connections: 100,
      max_users: 500,
      login_timeout: 60_000,
      idle_timeout: 31 * 60_000,
      max_message_size: 50 * 1024 * 1024,
      cache_directory: '/var/cache/sealdir-gateway',
      cache_size: 64 * 1024 * 1024,
    },
    metrics: { listen: { type: 'tcp', host: '127.0.0.1', port: 9464 } },
    log: { level: 'info', format: 'auto', addresses: 'plain' },
  });
});

test('every setting has one or more whole sentences of documentation on one line', () => {
  for (const [path, { doc }] of entries) assert.match(doc, /^[A-Z"{][^\n]*[.]$/, path);
});

test('sizes are written with decimal or binary units, or as bytes', () => {
  const sizes = {
    '"50MiB"': 52_428_800,
    '"10MB"': 10_000_000,
    '"512KiB"': 524_288,
    '"2000"': 2000,
    '1024': 1024,
  };
  for (const [written, bytes] of Object.entries(sizes)) {
    assert.equal(read(`lmtp.max_message_size = ${written}`).lmtp.max_message_size, bytes);
  }
});

test('what is not a size, or is below 1KiB, is refused', () => {
  for (const written of [
    '"50 MiB"',
    '"50mib"',
    '"50M"',
    '"1.5MiB"',
    '"-1"',
    '-1',
    '1500.5',
    'true',
    '""',
    'inf',
  ]) {
    assert.match(complaintOf(`lmtp.max_message_size = ${written}`), /is not a size/, written);
  }
  assert.match(complaintOf('lmtp.max_message_size = "99999999999GiB"'), /is not a size/);
  assert.match(complaintOf('lmtp.max_header_size = 1023'), /1023 is less than 1KiB/);
});

test('the least free space is a size, or 0 for off', () => {
  assert.equal(read('store.min_free_space = "1GiB"').store.min_free_space, 2 ** 30);
  for (const off of ['0', '"0"', '"0MiB"'])
    assert.equal(read(`store.min_free_space = ${off}`).store.min_free_space, 0);
  assert.match(complaintOf('store.min_free_space = 1'), /1 is less than 1KiB/);
  assert.match(complaintOf('store.min_free_space = "off"'), /"off" is not a size/);
});

test('durations are written with a unit', () => {
  const durations = { '30s': 30_000, '5m': 300_000, '1h': 3_600_000, '1500ms': 1500 };
  for (const [written, ms] of Object.entries(durations)) {
    assert.equal(read(`lmtp.idle_timeout = "${written}"`).lmtp.idle_timeout, ms);
  }
  for (const written of ['30', '"30"', '"5 m"', '"5d"', '07:32:00']) {
    assert.match(complaintOf(`lmtp.idle_timeout = ${written}`), /is not a duration/, written);
  }
});

test('a duration is at least a second and at most a day, which no timer of Node cuts short', () => {
  assert.match(complaintOf('lmtp.stall_timeout = "250ms"'), /"250ms" is shorter than 1s/);
  assert.match(complaintOf('lmtp.stall_timeout = "25h"'), /"25h" is longer than 24h/);
});

test('counts are whole numbers within their limits', () => {
  for (const written of ['0', '-1', '1.5', 'nan', '"100"', '10001']) {
    assert.match(complaintOf(`lmtp.max_recipients = ${written}`), /is not a whole number from 1 to 10000$/);
  }
});

test('listeners are sockets with a slash, host:port, [v6]:port, or systemd, and TCP may begin with TLS', () => {
  assert.deepEqual(
    read('lmtp.listen = ["var/lmtp.sock", "localhost:0", "[::1]:24", "systemd", "systemd:a"]').lmtp.listen,
    [
      { type: 'unix', path: 'var/lmtp.sock' },
      { type: 'tcp', host: 'localhost', port: 0 },
      { type: 'tcp', host: '::1', port: 24 },
      { type: 'systemd', name: undefined },
      { type: 'systemd', name: 'a' },
    ],
  );
  const tls =
    'lmtp.listen = ["tls://localhost:24", "tls://[::1]:24", "tls://systemd", "tls://systemd:a.socket"]';
  assert.deepEqual(read(`${tls}\ntls.certificate = ["c"]\ntls.key = ["k"]`).lmtp.listen, [
    { type: 'tls', host: 'localhost', port: 24 },
    { type: 'tls', host: '::1', port: 24 },
    { type: 'tlsSystemd', name: undefined },
    { type: 'tlsSystemd', name: 'a.socket' },
  ]);
  assert.deepEqual(read('metrics.listen = "off"').metrics.listen, { type: 'off' });
  assert.deepEqual(read('metrics.listen = "systemd:m"').metrics.listen, { type: 'systemd', name: 'm' });
});

test('what cannot be listened on is refused with the reason', () => {
  const complaints = {
    '"lmtp.sock"': /is not an address to listen on/,
    '"off"': /is not an address to listen on/,
    '"tls://run/lmtp.sock"': /is for TCP only/,
    '"systemd:"': /is not an address to listen on/,
    '"systemd:a b"': /is not an address to listen on/,
    '"systemd:a:b"': /is not an address to listen on/,
    '"tls://a"': /is not an address to listen on/,
    '":24"': /is not an address to listen on/,
    '"a:65536"': /has a port above 65535/,
    '"1.2.3.999:24"': /has no valid host name or IPv4 address before its port/,
    '"-a:24"': /has no valid host name or IPv4 address before its port/,
    '"::1:24"': /needs brackets around its IPv6 address, like "\[::1\]:24"/,
    '"[1.2.3.4]:24"': /has something else than an IPv6 address in its brackets/,
    '"var/"': /is not the path of a socket/,
    '"a/\\u0000"': /is not the path of a socket/,
    '"a:24", "a:24"': /is in the list twice/,
    '': /\[\] is empty, at least one/,
  };
  for (const [written, complaint] of Object.entries(complaints)) {
    assert.match(complaintOf(`lmtp.listen = [${written}]`), complaint);
  }
  assert.match(complaintOf('lmtp.listen = "a:24"'), /"a:24" is not a list of addresses/);
  assert.match(complaintOf('metrics.listen = "systemd"'), /is not an address to listen on/);
});

test('a socket path is taken up to the 107 bytes the kernel has room for', () => {
  read(`lmtp.listen = ["/${'a'.repeat(106)}"]`);
  assert.match(complaintOf(`lmtp.listen = ["/${'a'.repeat(107)}"]`), /longer than 107 bytes/);
});

test('a file mode is octal text, since the number 660 would not be what it looks like', () => {
  assert.equal(read('lmtp.socket_mode = "600"').lmtp.socket_mode, 0o600);
  for (const written of ['660', '0o660', '"0888"', '"4755"', '"66"']) {
    assert.match(complaintOf(`lmtp.socket_mode = ${written}`), /is not a file mode/);
  }
});

test('a maildir template keeps mailboxes apart and under a fixed directory', () => {
  for (const template of [
    'mail/{local}',
    '/m/100%/{local}',
    '/m/{domain}/{local}',
    '/m/{local}@{domain}/',
    '/m/x-{local}',
  ]) {
    assert.equal(read(`store.maildir = "${template}"`).store.maildir, template);
  }
  const complaints = {
    '/var/mail': /has no \{local\}/,
    '/var/mail/{domain}': /has no \{local\}/,
    '/m/{local}/{user}': /a placeholder other than/,
    '/m/{local}/{': /a placeholder other than/,
    '/{domain}/{local}': /needs a fixed directory/,
    '{local}': /needs a fixed directory/,
    './{local}': /needs a fixed directory/,
    '/m/{local}/..': /leaves its directory/,
    '/m/{domain}{local}': /needs a "\/" or an "@"/,
    '/m/{domain}-{local}': /needs a "\/" or an "@"/,
    '': /is not a path/,
    '/m/%d/%n': /has "%d", as Dovecot writes it; here \{local\} stands for %n, \{domain\} for %d/,
    '/m/%Lu': /has "%Lu", as Dovecot writes it/,
    '%h/Maildir': /has "%h", as Dovecot writes it/,
    '/m/%{user | username}': /has "%\{user \| username\}", as Dovecot writes it/,
    '/m/%d/{local}': /has "%d", as Dovecot writes it/,
  };
  for (const [template, complaint] of Object.entries(complaints)) {
    assert.match(complaintOf(`store.maildir = "${template}"`), complaint);
  }
});

test('delimiters are punctuation characters of a local part, or off', () => {
  for (const written of ['+', '-', '.', '', '+-.']) {
    assert.equal(read(`recipients.delimiter = "${written}"`).recipients.delimiter, written);
  }
  for (const written of ['+a', 'a', '@', ' ', '/x', 'é']) {
    assert.match(complaintOf(`recipients.delimiter = "${written}"`), /is not a set of delimiters/);
  }
});

test('a host name has nothing in it that a file name or a greeting could not hold', () => {
  for (const name of ['mx', 'MX-1.example.com', 'build_host'])
    assert.equal(read(`hostname = "${name}"`).hostname, name);
  for (const name of [
    '',
    'a..b',
    'a.',
    '-a',
    'a/b',
    'a:b',
    'ä',
    'a b',
    'a'.repeat(64),
    'a.'.repeat(128).concat('a'),
  ]) {
    assert.match(complaintOf(`hostname = "${name}"`), /is not a host name/, name);
  }
});

test('folders that are to be sealed have names that a folder can have', () => {
  assert.deepEqual(read('[store]\nseal_folders = ["Sent", "Entwürfe"]').store.seal_folders, [
    'Sent',
    'Entwürfe',
  ]);
  assert.match(complaintOf('[store]\nseal_folders = ["a%b"]'), /has a %, which means something else/);
  assert.match(complaintOf('[store]\nseal_folders = "Sent"'), /is not a list of folders/);
});

test('wrapped keys are not put where a reboot or the server would lose them', () => {
  for (const [written, why] of [
    ['"/run/sealdir/gateway"', /^gateway\.directory: is below \/run, which is empty after a reboot$/],
    ['"/var/run/gateway"', /below \/run/],
    ['"/srv/../run/gateway"', /below \/run/],
  ] as const)
    assert.match(complaintOf(`gateway.directory = ${written}`), why);
  const state = 'store.state = "/srv/state"\n';
  for (const inside of ['/srv/state', '/srv/state/gateway'])
    assert.match(complaintOf(`${state}gateway.directory = "${inside}"`), /below store\.state/);
  for (const beside of ['/srv/states', '/srv', '/runs/gateway'])
    assert.equal(read(`${state}gateway.directory = "${beside}"`).gateway.directory, beside);
});

test('deliveries are remembered in a directory, and by hosts together in Redis', () => {
  const secret = 'store.state_secret = "/etc/sealdir/secret"\n';
  const state = (written: string) => read(`${secret}store.state = ${written}`).store.state;
  const tcp = (host: string, port: number) => ({ type: 'tcp', host, port }) as const;
  for (const [text, at, isTls, db, user] of [
    ['redis://redis.example.com', tcp('redis.example.com', 6379), false, 0, ''],
    ['redis://sealdir@10.0.0.1:7000/3', tcp('10.0.0.1', 7000), false, 3, 'sealdir'],
    ['rediss://[fd00::1]:6380/', tcp('fd00::1', 6380), true, 0, ''],
    ['valkeys://valkey/12', tcp('valkey', 6379), true, 12, ''],
    ['unix:/run/redis/redis.sock', { type: 'unix', path: '/run/redis/redis.sock' }, false, 0, ''],
    ['redis+unix:///run/r.sock?db=2', { type: 'unix', path: '/run/r.sock' }, false, 2, ''],
  ] as const) {
    const shared = { text, at, isTls, db, user };
    assert.deepEqual(state(`"${text}"`), { directory: '/run/sealdir/state', shared });
    assert.deepEqual(state(`["/srv/state", "${text}"]`), { directory: '/srv/state', shared });
  }
  const complaint = (written: string) => complaintOf(`${secret}store.state = ${written}`);
  for (const none of ['""', '[]', '["/a", "/b"]', '["redis://a", "redis://b"]', '7'])
    assert.match(complaint(none), /^store\.state: /);
  for (const none of [
    'redis://',
    'redis:/host',
    'redis://host:0',
    'redis://host:70000',
    'redis://h/x',
    'unix:x',
  ])
    assert.match(complaint(`"${none}"`), /^store\.state: /, none);
  assert.match(complaint(`"unix:/${'x'.repeat(120)}"`), /longer than 107 bytes/);
});

test('a password in the URL of Redis is refused, and not shown', () => {
  for (const url of ['redis://:geheim@host', 'rediss://user:ge@heim/x@host:1/2']) {
    const complaint = complaintOf(`store.state_secret = "/s"\nstore.state = "${url}"`);
    assert.match(complaint, /^store\.state: .* has a password: put that into a file/);
    assert.doesNotMatch(complaint, /geheim|heim/);
  }
});

test('what hosts share needs a secret, and settings about it a URL', () => {
  const url = 'store.state = "redis://host"\n';
  assert.match(complaintOf(url), /^store\.state_secret: is needed by a URL/);
  for (const name of ['secret', 'password_file', 'ca_file'])
    assert.match(complaintOf(`store.state_${name} = "/x"`), /needs a URL of Redis in store\.state$/);
  const owned = `${url}store.state_secret = "/s"\nowners.socket = "/run/o"\n`;
  assert.match(complaintOf(owned), /owners\.socket leaves it no effect/);
});

test('the gateway takes passwords over TLS, or from the machine itself', () => {
  const listen = (written: string) => read(`gateway.listen = [${written}]`).gateway.listen;
  assert.deepEqual(listen('"tls://[::]:993", "127.0.0.1:143", "/run/g.sock"'), [
    { type: 'tls', host: '::', port: 993 },
    { type: 'tcp', host: '127.0.0.1', port: 143 },
    { type: 'unix', path: '/run/g.sock' },
  ]);
  const complaint = (written: string) => complaintOf(`gateway.listen = [${written}]`);
  assert.match(complaint('"0.0.0.0:143"'), /needs "tls:\/\/" before it/);
  assert.match(complaint('"tls:///run/g.sock"'), /is for TCP only/);
  assert.match(complaint('""'), /gateway\.listen/);
  assert.match(complaint(''), /is empty/);
});

test('a next hop is a Unix socket, or a host and a port, with TLS from the start or without', () => {
  const hop = (text: string) => read(`store.forward = "${text}"`).store.forward;
  const text = 'lmtp:unix:/run/dovecot/lmtp';
  assert.deepEqual(hop(text), { text, at: { type: 'unix', path: '/run/dovecot/lmtp' }, isTls: false });
  assert.deepEqual(hop('lmtp:inet:mail.example.com:24')?.at, {
    type: 'tcp',
    host: 'mail.example.com',
    port: 24,
  });
  assert.deepEqual(hop('lmtps:inet:[2001:db8::1]:2424')?.at, {
    type: 'tcp',
    host: '2001:db8::1',
    port: 2424,
  });
  assert.equal(hop('lmtps:inet:mail.example.com:24')?.isTls, true);
  assert.equal(hop(''), undefined);
  for (const bad of [
    '127.0.0.1:24',
    'lmtp:unix:run/lmtp',
    'lmtps:unix:/run/lmtp',
    'lmtp:inet:host',
    'smtp:inet:a:25',
  ])
    assert.match(complaintOf(`store.forward = "${bad}"`), /lmtp:unix:/);
  for (const bad of ['lmtp:inet:host:0', 'lmtp:inet:host:65536'])
    assert.match(complaintOf(`store.forward = "${bad}"`), /port/);
  assert.match(complaintOf(`store.forward = "lmtp:unix:/${'x'.repeat(107)}"`), /longer than 107 bytes/);
});

test('what is about Maildirs contradicts a next hop for all', () => {
  const forward = 'forward = "lmtp:unix:/run/lmtp"';
  for (const [setting, toml] of [
    ['store.maildirsize', `[store]\n${forward}\nmaildirsize = true`],
    ['store.seal_folders', `[store]\n${forward}\nseal_folders = ["Sent"]`],
    ['folders.rules', `[store]\n${forward}\n[folders]\nrules = ["detail is spam -> Junk"]`],
    ['owners.socket', `[store]\n${forward}\n[owners]\nsocket = "/run/owners"`],
  ])
    assert.match(complaintOf(toml ?? ''), new RegExp(`^${setting}: is `));
  // a recipient source may name next hops with TLS
  assert.doesNotThrow(() => read(`[store]\n${forward}\nforward_ca_file = "/etc/ca.pem"`));
});
