// Lines that hide addresses: what is left of an address, a path, a sentence of a library, in any spelling.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hidingOf } from '../../src/config/hiding.ts';
import { parseSettings } from '../../src/config/load.ts';
import type { OutcomeLine } from '../../src/core/outcomelog.ts';
import { pseudonymOf } from '../../src/core/pseudonym.ts';
import { createLog, type Log } from '../../src/edge/log.ts';

const SECRET = Buffer.alloc(32, 7);
const TOML = `hostname = "mx.test"
[store]
maildir = "/var/mail/sealdir/{domain}/{local}"
[keys]
directory = "/etc/sealdir/keys"
[recipients]
roots = ["/home", "/srv/mail boxes"]`;
const loaded = parseSettings(TOML, 'test.toml', { hostname: 'localhost' });
assert.ok(loaded.ok);
const hiding = hidingOf(loaded.settings, SECRET, ['/usr/lib/sealdir', '/etc/sealdir/sealdir.toml']);
const token = (address: string) => pseudonymOf(address, SECRET, hiding.same);
const ALICE = token('alice@example.com');

function logged(write: (log: Log) => void): Record<string, unknown> {
  const lines: string[] = [];
  write(createLog('debug', { hiding }, { write: (line) => lines.push(line) }));
  assert.equal(lines.length, 1);
  return JSON.parse(lines[0] ?? '') as Record<string, unknown>;
}

function outcome(changes: Partial<OutcomeLine>): Record<string, unknown> {
  const line = {
    id: '0a',
    sender: '',
    verdict: 'deferred',
    why: 'storeFailed',
    code: 451,
    bytes: 1,
  } as const;
  return logged((log) => log.outcome({ recipient: 'alice@example.com', ms: 1, ...line, ...changes }));
}

const fault = (message: string) => logged((log) => log.fault('sweep', new Error(message))).error;

test('all spellings of an address have one hash, others have others, and it depends on the secret', () => {
  for (const same of ['Alice@EXAMPLE.com', '"alice"@example.com', 'ALICE@example.com.'])
    assert.equal(token(same), ALICE, same);
  assert.equal(token('grüße@bücher.example'), token('grüße@xn--bcher-kva.example'));
  for (const other of ['alice+x@example.com', 'alice@example.org', '@example.com', 'alice'])
    assert.notEqual(token(other), ALICE);
  assert.match(ALICE, /^addr:[0-9a-f]{20}$/);
  assert.notEqual(pseudonymOf('alice@example.com', Buffer.alloc(32), hiding.same), ALICE);
});

test('the outcome of a delivery has hashes, and all that we say ourselves', () => {
  const line = outcome({
    sender: 'Bob@Example.Org',
    queueId: '4bXyz',
    file: '1795.M1P2.mx.test,S=3',
    reasons: [],
  });
  assert.equal(line.recipient, ALICE);
  assert.equal(line.sender, token('bob@example.org'));
  assert.deepEqual(
    [line.id, line.why, line.queueId, line.file],
    ['0a', 'storeFailed', '4bXyz', '1795.M1P2.mx.test,S=3'],
  );
  assert.equal(outcome({ sender: '' }).sender, '');
  assert.equal(
    outcome({ sender: Buffer.from('jörg@example.org').toString('latin1') }).sender,
    token('jörg@example.org'),
  );
});

test('in sentences of the system and of libraries nothing of the addresses of the line is left', () => {
  for (const [text, left] of [
    [
      "ENOENT: no such file or directory, open '/var/mail/sealdir/example.com/alice/tmp/17.M1'",
      `ENOENT: no such file or directory, open '/var/mail/sealdir/${ALICE}/tmp/17.M1'`,
    ],
    ["EACCES: permission denied, rename '/home/alice/tmp/1' -> '/home/alice/new/1'", undefined],
    [
      '/etc/sealdir/keys/alice@example.com.asc holds a secret key',
      `/etc/sealdir/keys/${ALICE}.asc holds a secret key`,
    ],
    ['invalid input syntax for type integer: "alice"', `invalid input syntax for type integer: "${ALICE}"`],
    ['the recipient source answered PERM ALICE is unknown in EXAMPLE.COM', undefined],
    ['openpgpkey.example.com does not exist', `openpgpkey.${ALICE} does not exist`],
    [
      'GET https://openpgpkey.example.com/.well-known/openpgpkey/example.com/hu/kei1q4tipxxu1yj79k9kfukdhfy631xe?l=alice',
      undefined,
    ],
    ['no entry uid=alice,mail=alice@example.com,ou=people', undefined],
    [
      '4C8D1E0F95B3EA0C has no user ID for <Alice@Example.com>: remove it',
      `4C8D1E0F95B3EA0C has no user ID for <${ALICE}>: remove it`,
    ],
  ] as const) {
    const line = outcome({ reasons: [text] });
    assert.doesNotMatch(JSON.stringify(line), /alice|example\.com|kei1q4/i, text);
    if (left !== undefined) assert.deepEqual(line.reasons, [left]);
  }
});

test('a domain is hidden in both of its spellings', () => {
  for (const [written, other] of [
    ['bücher.example', 'xn--bcher-kva.example'],
    ['xn--bcher-kva.example', 'bücher.example'],
  ] as const) {
    const line = JSON.stringify(
      outcome({ recipient: `ann@${written}`, reasons: [`no answer of openpgpkey.${other} in time`] }),
    );
    assert.doesNotMatch(line, /bücher|bcher|"ann/);
  }
});

test('without an address to go by, what looks like one and paths are hidden all the same', () => {
  for (const [text, left] of [
    [
      "EACCES: permission denied, open '/var/mail/sealdir/example.com/alice/maildirsize'",
      `EACCES: permission denied, open '/var/mail/sealdir/${ALICE}/maildirsize'`,
    ],
    ["EIO: i/o error, scandir '/var/mail/sealdir/example.com/o'alice/new'", undefined],
    ["EIO: i/o error, scandir '/srv/mail boxes/alice smith/new', then more", undefined],
    ['/home/alice is a symbolic link', undefined],
    ['(/mnt/alice/keys): gone', undefined],
    [
      'a note for alice@example.com could not be stored in time',
      `a note for ${ALICE} could not be stored in time`,
    ],
    ["'alice@example.com'", `'${ALICE}'`],
    [
      '"alice smith"@example.com, and <alice@example.com>.',
      `${token('"alice smith"@example.com')}, and <${ALICE}>.`,
    ],
    ['the key of @example.com.', `the key of ${token('@example.com')}.`],
    ['postgresql://alice:secret@db.test/mail', undefined],
    [
      'alice%40x@example.com and user@[192.0.2.1]',
      `${token('alice%40x@example.com')} and ${token('user@[192.0.2.1]')}`,
    ],
  ] as const) {
    const line = fault(text);
    assert.doesNotMatch(String(line), /alice|example\.com|smith|192/i, text);
    if (left !== undefined) assert.equal(line, left);
  }
});

test('what says nothing about anybody stays', () => {
  for (const text of [
    'keys.directory: /etc/sealdir/keys is empty: taken for one that is not mounted',
    '/etc/sealdir/sealdir.toml:12: log.format: not a word that is known (and/or misspelt)',
    'keys.state: /var/lib/sealdir/key.log: line 3 does not continue line 2',
    '/run/sealdir/state is in use by another server, see /var/mail',
    'at file:///usr/lib/sealdir/dist/src/cli.js:10:3, node:internal/fs/utils:12',
    '12 files, 3@ 4 @ 5',
  ])
    assert.equal(fault(text), text);
});

test('a finding of check that names anything is only pointed at', () => {
  const plain = { what: 'metrics.listen: 0.0.0.0:1 can be reached from elsewhere', fix: 'set it to "off"' };
  const { what: told, fix } = logged((log) => log.say('warn', 'check', plain));
  assert.deepEqual({ what: told, fix }, plain);
  const path = '/etc/sealdir/keys/alice@example.com.asc';
  const what = `${path}: no user ID of ABCD names this address (Alice Smith <a@example.org>)`;
  const line = logged((log) => log.say('warn', 'check', { what, fix: `rename ${path}` }));
  assert.equal(line.what, `something about ${ALICE}, ${token('a@example.org')}`);
  assert.equal(line.fix, 'sealdir check');
});

test('whatever an address is, its parts are in no text of its line', () => {
  const part = fc.stringMatching(/^[a-z][a-z0-9._'!#$&*+/=?^{|}~-]{2,20}[a-z0-9]$/);
  const frame = fc.constantFrom(
    'x %s y',
    "open '/var/mail/sealdir/%d/%l/new/1'",
    '"%l"',
    '(%l at %d)',
    '/home/%l/new',
    '%s.asc',
    'k=%s',
    '<%s>',
    'mailto:%s?x',
    '%l@elsewhere.test',
    'https://%d/%l',
  );
  fc.assert(
    fc.property(part, frame, (local, text) => {
      const recipient = `q${local}@zq.example`;
      const put = { s: recipient, l: `q${local}`, d: 'zq.example' };
      const reason = text.replace(/%([sld])/g, (_, name: 's' | 'l' | 'd') => put[name]);
      const line = JSON.stringify(outcome({ recipient, reasons: [reason] }));
      assert.ok(!line.includes(put.l) && !line.includes(put.d), line);
    }),
    { numRuns: 300 },
  );
});

test('a text made to be slow is hidden in a moment', () => {
  const start = performance.now();
  for (const unit of ['a', "'/", '"', '@', '/a', 'a@', '\\"', "'/a'"]) fault(unit.repeat(4000 / unit.length));
  assert.ok(performance.now() - start < 2000);
});
