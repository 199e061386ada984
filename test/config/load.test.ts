import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatError, type Loaded, loadSettings, parseSettings } from '../../src/config/load.ts';

const machine = { hostname: 'mx.example.com' };

function errorsOf(loaded: Loaded): string[] {
  return loaded.ok ? [] : loaded.errors.map(formatError);
}

function errorsIn(text: string, context = machine): string[] {
  return errorsOf(parseSettings(text, 'f', context));
}

test('every mistake is reported at once, in the order of the lines', () => {
  const text = `hostname = "a b"
[metrics]
listen = "nowhere"
[lmtp]
max_message_size = "50 Mib"
max_recipient = 4
[lmpt]
idle_timeout = "5m"
`;
  assert.deepEqual(errorsIn(text), [
    'f:1: hostname: "a b" is not a host name (letters, digits, "-" and "_" between dots; at most 255 characters)',
    'f:3: metrics.listen: "nowhere" is not an address to listen on (write a socket path with a "/", "host:port", "[v6]:port", "systemd:NAME" or "off")',
    'f:5: lmtp.max_message_size: "50 Mib" is not a size (write it like "50MiB", "10MB" or 5000 for bytes)',
    'f:6: unknown setting lmtp.max_recipient, did you mean lmtp.max_recipients?',
    'f:7: unknown table [lmpt], did you mean [lmtp]?',
  ]);
});

test('every wrong element of an array is reported on its own line', () => {
  const text = '[lmtp]\nlisten = [\n  "a:1", # fine ]\n  "b",\n  7,\n  "a:1"\n]\n';
  const allowed =
    '(write a socket path with a "/", "host:port", "[v6]:port", "tls://" before one of these two, "systemd" or "systemd:NAME")';
  assert.deepEqual(errorsIn(text), [
    `f:4: lmtp.listen: "b" is not an address to listen on ${allowed}`,
    `f:5: lmtp.listen: 7 is not an address to listen on ${allowed}`,
  ]);
});

test('an unknown name that resembles nothing gets no suggestion', () => {
  assert.deepEqual(errorsIn('[lmtp]\ncolour = 1\n[weather]\n'), [
    'f:2: unknown setting lmtp.colour',
    'f:3: unknown table [weather]; the tables are lmtp, store, tls, keys, notices, recipients, owners, folders, headers, tls_report, gateway, metrics, log',
  ]);
});

test('a setting in the wrong section is told its section', () => {
  assert.deepEqual(errorsIn('max_recipients = 5\n[lmtp]\nhostname = "a"\n'), [
    'f:1: unknown setting max_recipients, did you mean lmtp.max_recipients?',
    'f:3: unknown setting lmtp.hostname, did you mean hostname?',
  ]);
});

test('a section that is no table, and a table that is no section, are told so', () => {
  assert.deepEqual(errorsIn('log = 4\nhostname.x = 1\n[[keys]]\n'), [
    'f:1: log: 4 is not a table (write [log])',
    'f:2: hostname: a table is not a host name (letters, digits, "-" and "_" between dots; at most 255 characters)',
    'f:3: keys: an array is not a table (write [keys])',
  ]);
});

test('names with a meaning in JavaScript are unknown settings like any other', () => {
  assert.deepEqual(errorsIn('__proto__ = 1\nconstructor = 1\n[log]\ntoString = 1\n__proto__.level = "x"\n'), [
    'f:1: unknown setting __proto__',
    'f:2: unknown setting constructor',
    'f:4: unknown setting log.toString',
    'f:5: unknown table [log.__proto__]; the tables are lmtp, store, tls, keys, notices, recipients, owners, folders, headers, tls_report, gateway, metrics, log',
  ]);
});

test('a syntax error is one error with its line', () => {
  assert.deepEqual(errorsIn('[log]\nlevel = "info\n'), [
    'f:2: syntax error: control characters are not allowed in strings',
  ]);
  assert.deepEqual(errorsIn('[lmtp]\nmax_message_size = 50MiB\n'), [
    'f:2: syntax error: illegal character in numeric literal (text needs quotes)',
  ]);
});

test('a value is shown printable, in one line and with 80 characters at most', () => {
  const [error = ''] = errorsIn(`[log]\nlevel = "\\n\\u001b\\u202e${'é😀'.repeat(200)}"\n`);
  assert.match(error, /^f:2: log\.level: "\\n\\u001b\\u202eé😀[é😀]+…" is not allowed/u);
  assert.ok((/"(.*)…"/u.exec(error)?.[0] ?? '').length <= 80);
  const [unknown = ''] = errorsIn(`${'k'.repeat(5000)} = 1`);
  assert.ok(unknown.length < 120, unknown);
});

test('a machine whose own name is unusable must be given one', () => {
  assert.deepEqual(errorsIn('', { hostname: 'a/b' }), [
    'f: hostname: "a/b", the value of this machine, is not a host name; set hostname yourself',
  ]);
  assert.deepEqual(errorsIn('hostname = "mx.example.com"', { hostname: 'a/b' }), []);
});

test('a byte order mark and CRLF line ends change neither settings nor lines', () => {
  assert.deepEqual(errorsIn('\uFEFF[log]\r\nlevel = "debug"\r\n'), []);
  assert.deepEqual(errorsIn('\uFEFF[log]\r\n\r\nlevle = "debug"\r\n'), [
    'f:3: unknown setting log.levle, did you mean log.level?',
  ]);
});

test('a file is loaded, and one that cannot be is told why', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-config-'));
  t.after(() => rm(directory, { recursive: true }));
  const file = join(directory, 'sealdir.toml');

  assert.deepEqual(errorsOf(await loadSettings(file, machine)), [
    `${file}: cannot be read: no such file or directory`,
  ]);
  assert.deepEqual(errorsOf(await loadSettings(directory, machine)), [
    `${directory}: cannot be read: illegal operation on a directory`,
  ]);
  await writeFile(file, Buffer.from([0x23, 0xff, 0x0a]));
  assert.deepEqual(errorsOf(await loadSettings(file, machine)), [`${file}: is not UTF-8 text`]);

  await writeFile(file, '[log]\nlevel = "debug"\n');
  const loaded = await loadSettings(file, machine);
  assert.ok(loaded.ok);
  assert.equal(loaded.settings.log.level, 'debug');
});

test('a table may be in another, under its own head or with dots', () => {
  const texts = [
    '[recipients]\nsource = "sql"\n[recipients.sql]\nurl = "sqlite:/x"\nquery = "q"\n',
    '[recipients]\nsource = "sql"\nsql.url = "sqlite:/x"\nsql.query = "q"\n',
    'recipients = { source = "sql", sql = { url = "sqlite:/x", query = "q" } }\n',
  ];
  for (const text of texts) {
    const loaded = parseSettings(text, 'f', machine);
    assert.ok(loaded.ok, errorsOf(loaded).join('\n'));
    assert.equal(loaded.settings.recipients.sql.url, 'sqlite:/x');
    assert.equal(loaded.settings.recipients.sql.connections, 4);
  }
  assert.deepEqual(
    errorsIn('[recipients.sq]\nurl = "x"\n[recipients.sql]\nuri = "x"\n[recipients.sql.more]\n'),
    [
      'f:1: unknown table [recipients.sq], did you mean [recipients.sql]?',
      'f:4: unknown setting recipients.sql.uri, did you mean recipients.sql.url?',
      'f:5: unknown table [recipients.sql.more]; the tables are lmtp, store, tls, keys, notices, recipients, owners, folders, headers, tls_report, gateway, metrics, log',
    ],
  );
  assert.deepEqual(errorsIn('recipients.sql = 5\n'), [
    'f:1: recipients.sql: 5 is not a table (write [recipients.sql])',
  ]);
  assert.deepEqual(errorsIn('"recipients.sql.url" = "x"\n').length, 1);
});

test('settings that are good alone and not together are told so, on the line of one of them', () => {
  assert.deepEqual(errorsIn('[recipients]\nsource = "sql"\n'), [
    'f:1: recipients.sql.url: is needed by recipients.source = "sql"',
    'f:1: recipients.sql.query: is needed by recipients.source = "sql"',
  ]);
  assert.deepEqual(errorsIn('[recipients]\n\npreset = "mailcow"\n'), [
    'f:1: recipients.folder: is needed by the preset mailcow: MAILDIR_SUB, or "." if it is empty',
    'f:3: recipients.preset: is for recipients.source = "sql"',
  ]);
  assert.deepEqual(errorsIn('[keys]\nunusable = "hold"\n'), [
    'f:1: keys.hold: is needed by keys.unusable = "hold"',
  ]);
  assert.deepEqual(errorsIn('[recipients.sql]\nurl = "oracle:x"\n'), [
    'f:2: recipients.sql.url: begins with none of postgresql:, mysql:, mariadb:, sqlite:',
  ]);
  assert.deepEqual(errorsIn('[tls]\ncertificate = ["a", "b"]\nkey = ["c"]\nclient_ca = "d"\n'), [
    'f:2: tls.certificate: needs as many files in tls.key, in the same order',
    'f:4: tls.client_ca: needs lmtp.require_tls = true',
  ]);
  assert.deepEqual(errorsIn('[tls]\nclient_names = ["mx.example.com"]\n'), [
    'f:2: tls.client_names: needs tls.client_ca',
  ]);
  assert.deepEqual(errorsIn('[lmtp]\nlisten = ["tls://127.0.0.1:24"]\nrequire_tls = true\n'), [
    'f:2: lmtp.listen: "tls://" needs tls.certificate and tls.key',
    'f:3: lmtp.require_tls: needs tls.certificate and tls.key',
  ]);
});

test('a header policy of single recipients names an address or a domain, and each once', () => {
  const wrong = (value: string) =>
    errorsIn(`[headers]\nrecipients = ["a@example.com: minimal", "${value}"]\n`);
  for (const value of [
    ...['alice@example.com', 'alice@example.com: none', 'minimal', 'alice: minimal', '@: minimal'],
    ...['a b@example.com: minimal', 'alice@example.com minimal', ': minimal', '@example..com: baseline'],
  ])
    assert.match(
      wrong(value).join(),
      /^f:2: headers.recipients(\.1|\[1\])?: .*is not an address and a word/,
      value,
    );
  assert.deepEqual(wrong('A@EXAMPLE.com: visible'), ['f:2: headers.recipients: has a@example.com twice']);
  assert.deepEqual(errorsIn('[headers]\nrecipients = ["@example.com: baseline", "b@x.org :visible"]\n'), []);
});
