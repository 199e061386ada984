// Each finding of `check` has a case here, or a reason why it has none: one thing is broken, `check` finds it
// by its name, what it says under "fix" is done (by a shell, where it is a command), and then it is gone.

import assert from 'node:assert/strict';
import { chmod, chown, link, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { before, describe, test } from 'node:test';
import { CATALOGUE, type FindingId } from '../../src/check/catalogue.ts';
import {
  type Changes,
  type CheckedSite,
  findingsOf,
  makeCheckedSite,
  needsUsers,
  SERVER_UID,
} from '../support/checking.ts';
import { shortOf, testLong } from '../support/long.ts';
import { run } from '../support/process.ts';
import { makeKey, type TestKey } from '../support/testkeys.ts';
import { openAuthority } from '../support/tls.ts';

const ALICE = 'alice@example.com';
const KEY = `keys/${ALICE}.asc`;

/** Breaks a site. Returns the lines of the configuration that belong to it. */
type Break = (site: CheckedSite, keys: { alice: TestKey; expired: TestKey }) => Promise<Changes | unknown>;

const own = async (path: string, mode: number) => {
  await chown(path, SERVER_UID, SERVER_UID);
  await chmod(path, mode);
};
const makeState = async (site: CheckedSite, name: 'state' | 'keystate', mode = 0o700) => {
  await mkdir(site.at('run', name));
  await own(site.at('run', name), mode);
};

const gateway = (site: CheckedSite): Changes => ({ gateway: `directory = "${site.at('gateway')}"` });
const makeGateway = async (site: CheckedSite, uid: number, mode: number) => {
  await mkdir(site.at('gateway'));
  await chown(site.at('gateway'), uid, uid);
  await chmod(site.at('gateway'), mode);
  return gateway(site);
};

/** Findings with a fix that a shell can run. */
const COMMANDS: readonly (readonly [FindingId, string, Break])[] = [
  [
    'config-open',
    'a configuration that a group may write to',
    (site) => chmod(site.at('sealdir.toml'), 0o666),
  ],
  [
    'config-readable',
    'a password in a configuration for everybody',
    async () => ({ recipients: 'sql.url = "mysql://sealdir:password@127.0.0.1/mail"' }),
  ],
  ['socket-directory-missing', 'no directory', (site) => rm(site.at('run'), { recursive: true })],
  ['socket-directory-closed', 'a directory of root', (site) => chown(site.at('run'), 0, 0)],
  [
    'socket-directory-closed',
    'a directory that is closed to its owner',
    (site) => chmod(site.at('run'), 0o555),
  ],
  ['socket-directory-open', 'a directory for everybody', (site) => chmod(site.at('run'), 0o777)],
  [
    'socket-lock-unusable',
    'a lock of root',
    (site) => writeFile(site.at('run/lmtp.sock.lock'), '', { mode: 0o400 }),
  ],
  ['socket-lock-unusable', 'a directory', (site) => mkdir(site.at('run/lmtp.sock.lock'))],
  [
    'socket-lock-unusable',
    'a link to itself',
    (site) => symlink('lmtp.sock.lock', site.at('run/lmtp.sock.lock')),
  ],
  ['socket-path-taken', 'a directory', (site) => mkdir(site.at('run/lmtp.sock'))],
  ['keys-missing', 'no directory', (site) => rm(site.at('keys'), { recursive: true })],
  [
    'keys-missing',
    'a directory behind one that is closed',
    async (site) => {
      await mkdir(site.at('vault'), { mode: 0o700 });
      await rename(site.at('keys'), site.at('vault/keys'));
      return { keys: `directory = "${site.at('vault/keys')}"` };
    },
  ],
  ['keys-closed', 'a directory of root', (site) => chmod(site.at('keys'), 0o700)],
  ['keys-open', 'a directory for everybody', (site) => chmod(site.at('keys'), 0o777)],
  ['keys-open', 'a file of another user', (site) => chown(site.at(KEY), 47111, 47111)],
  [
    'keys-open',
    'several files for everybody',
    async (site, { alice }) => {
      for (const name of ["o'brien", 'b', 'c', 'd', 'e']) {
        await writeFile(site.at(`keys/${name}@example.com.asc`), alice.certificate);
        await chmod(site.at(`keys/${name}@example.com.asc`), 0o666);
      }
    },
  ],
  ['key-file-closed', 'a file of root', (site) => chmod(site.at(KEY), 0o600)],
  [
    'key-file-closed',
    'a link behind a closed directory',
    async (site) => {
      await mkdir(site.at('vault'), { mode: 0o700 });
      await rename(site.at(KEY), site.at('vault/key'));
      await symlink(site.at('vault/key'), site.at(KEY));
    },
  ],
  ['store-missing', 'no store', (site) => rm(site.at('mail'), { recursive: true })],
  ['store-closed', 'a store of root', (site) => chown(site.at('mail'), 0, 0)],
  ['store-closed', 'a store that is closed to its owner', (site) => chmod(site.at('mail'), 0o500)],
  ['store-readable', 'a store that others may read', (site) => chmod(site.at('mail'), 0o755)],
  ['store-writable', 'a store for everybody', (site) => chmod(site.at('mail'), 0o777)],
  ['state-readable', 'a directory that others may read', (site) => makeState(site, 'state', 0o755)],
  ['state-writable', 'a directory for everybody', (site) => makeState(site, 'state', 0o777)],
  [
    'state-unfit',
    'a directory of root',
    async (site) => {
      await mkdir(site.at('run/state'), { mode: 0o700 });
      await writeFile(site.at('run/state/secret'), Buffer.alloc(32), { mode: 0o600 });
    },
  ],
  [
    'state-unfit',
    'a secret that was cut',
    async (site) => {
      await makeState(site, 'state');
      await writeFile(site.at('run/state/secret'), 'cut', { mode: 0o600 });
      await own(site.at('run/state/secret'), 0o600);
    },
  ],
  [
    'state-unfit',
    'no parent',
    async (site) => ({ store: `maildir = "${site.at('mail/{local}')}"\nstate = "${site.at('none/state')}"` }),
  ],
  ['keystate-readable', 'a directory that others may read', (site) => makeState(site, 'keystate', 0o755)],
  ['keystate-unfit', 'a directory of root', (site) => mkdir(site.at('run/keystate'), { mode: 0o700 })],
  [
    'keystate-unfit',
    'no parent',
    async (site) => ({ keys: `directory = "${site.at('keys')}"\nstate = "${site.at('none/keystate')}"` }),
  ],
  [
    'keystate-owner',
    'a file of root in it',
    async (site) => {
      await makeState(site, 'keystate');
      await writeFile(site.at('run/keystate/key.log'), '', { mode: 0o644 });
    },
  ],
  [
    'keystate-log',
    'a log that is closed',
    async (site) => {
      await makeState(site, 'keystate');
      await writeFile(site.at('run/keystate/key.log'), '');
      await own(site.at('run/keystate/key.log'), 0o000);
    },
  ],
  [
    'site-key-open',
    'a key of the site for everybody',
    async (site, { alice }) => {
      await writeFile(site.at('also.asc'), alice.certificate);
      await chmod(site.at('also.asc'), 0o666);
      return { keys: `directory = "${site.at('keys')}"\nalso = ["${site.at('also.asc')}"]` };
    },
  ],
  ['wkd-no-pins', 'no directory for pins', async (site) => wkd(site, site.at('pins'))],
  [
    'wkd-pins-open',
    'pins for everybody',
    async (site) => {
      await mkdir(site.at('pins'));
      await own(site.at('pins'), 0o777);
      return wkd(site, site.at('pins'));
    },
  ],
  ['gateway-readable', 'wrapped keys for a group to read', (site) => makeGateway(site, 0, 0o750)],
  ['gateway-writable', 'wrapped keys for everybody to write', (site) => makeGateway(site, 0, 0o777)],
  ['tls-key-readable', 'a key for everybody to read', async (site) => tls(site, 0o644)],
  ['tls-files-open', 'a key for everybody to write', async (site) => tls(site, 0o622)],
];

/** Findings with a fix in words, and what it says, done. */
const ADVICE: readonly (readonly [FindingId, string, Break, Break])[] = [
  [
    'socket-twice',
    'choose another path for one',
    async (site) => ({ metrics: `listen = "${site.at('run/lmtp.sock')}"` }),
    async (site) => ({ metrics: `listen = "${site.at('run/metrics.sock')}"` }),
  ],
  [
    'port-unusable',
    'choose one that it has',
    async () => ({ lmtp: 'listen = ["192.0.2.1:2424"]' }),
    async () => ({ lmtp: 'listen = ["127.0.0.1:0"]' }),
  ],
  [
    'keys-none',
    'sealdir key add --as alice@example.com FILE, with the public key of a user',
    async (site) => {
      // `key add` logs what it does, where the server has been started once
      await makeState(site, 'keystate');
      await rm(site.at(KEY));
    },
    async (site, { alice }) => {
      await writeFile(site.at('new.asc'), alice.certificate);
      const { code, stderr } = await site.as(0, 'key', 'add', '--as', ALICE, site.at('new.asc'));
      assert.equal(code, 0, stderr.toString());
    },
  ],
  [
    'key-delimiter',
    'choose other delimiters, if its owner uses details',
    (site) => rename(site.at(KEY), site.at('keys/alice+x@example.com.asc')),
    async () => ({ recipients: 'delimiter = "="' }),
  ],
  [
    'key-file-ignored',
    'rename it to alice@example.com.asc',
    (site) => rename(site.at(KEY), site.at(`keys/${ALICE}.txt`)),
    (site) => rename(site.at(`keys/${ALICE}.txt`), site.at(KEY)),
  ],
  [
    'key-secret',
    'remove it, and treat that key as exposed',
    (site, { alice }) => writeFile(site.at('keys/bob@example.com.asc'), alice.secretKey),
    (site) => rm(site.at('keys/bob@example.com.asc')),
  ],
  [
    'key-file-damaged',
    'put the exported public key there',
    (site) => writeFile(site.at(KEY), 'no key'),
    (site, { alice }) => writeFile(site.at(KEY), alice.certificate),
  ],
  [
    'key-unusable',
    'extend it',
    (site, { expired }) => writeFile(site.at(KEY), expired.certificate),
    (site, { alice }) => writeFile(site.at(KEY), alice.certificate),
  ],
  [
    'key-not-used',
    'extend it',
    (site, { alice, expired }) => writeFile(site.at(KEY), `${alice.certificate}\n${expired.certificate}`),
    (site, { alice }) => writeFile(site.at(KEY), alice.certificate),
  ],
  [
    'key-not-theirs',
    'make sure that it is the right key, or rename it to alice@example.com.asc',
    (site) => rename(site.at(KEY), site.at('keys/bob@example.com.asc')),
    (site) => rename(site.at('keys/bob@example.com.asc'), site.at(KEY)),
  ],
  [
    'site-key-unusable',
    'put the exported public key there',
    async (site) => ({ keys: `directory = "${site.at('keys')}"\nalso = ["${site.at('also.asc')}"]` }),
    (site, { alice }) => writeFile(site.at('also.asc'), alice.certificate),
  ],
  [
    'wkd-in-vain',
    'set recipients.source, or set keys.wkd to "off"',
    async (site) => wkd(site, site.at('keys')),
    async () => ({}),
  ],
  [
    'source-unfit',
    'mend that',
    async () => ({
      recipients: 'source = "sql"\npreset = "mailinabox"\nsql.url = "mysql://u@127.0.0.1/mail"',
    }),
    async () => ({}),
  ],
  [
    'source-down',
    'start it, or correct its settings under [recipients]',
    async (site) => ({ recipients: `source = "accounts"\naccounts.file = "${site.at('accounts')}"` }),
    (site) => writeFile(site.at('accounts'), `${ALICE}|{CRYPT}x\n`),
  ],
  [
    'owners-homes',
    'set owners.socket and start sealdir owners, or use store.maildir instead',
    async () => ({
      recipients: 'source = "passwd"\nroots = ["/home"]\npasswd = { domains = ["example.com"] }',
    }),
    async () => ({}),
  ],
  [
    'store-full',
    'make room, or lower store.min_free_space',
    async (site) => ({ store: `${storeOf(site)}\nmin_free_space = "8000000GiB"` }),
    async (site) => ({ store: `${storeOf(site)}\nmin_free_space = 0` }),
  ],
  [
    'mailbox-shared',
    'let it have {domain} in it, if they are not one person',
    async (site) => {
      await link(site.at(KEY), site.at('keys/alice@example.org.asc'));
      return { store: `maildir = "${site.at('mail/{local}')}"\nstate = "${site.at('run/state')}"` };
    },
    async () => ({}),
  ],
  [
    'mailbox-blocked',
    'mount it, or mend it',
    (site) => writeFile(site.at('mail/example.com'), ''),
    (site) => rm(site.at('mail/example.com')),
  ],
  [
    'lmtp-in-clear',
    'set lmtp.require_tls = true, with tls.certificate and tls.key',
    async () => ({ lmtp: 'listen = ["0.0.0.0:0"]' }),
    async (site) => ({ ...(await tls(site, 0o600)), lmtp: 'listen = ["0.0.0.0:0"]\nrequire_tls = true' }),
  ],
  [
    'lmtp-reachable',
    'set tls.client_ca, use a Unix socket or 127.0.0.1, or let a firewall admit the mail server only',
    async () => ({ lmtp: 'listen = ["0.0.0.0:0"]\nplain_beyond_loopback = true' }),
    async () => ({ lmtp: 'listen = ["127.0.0.1:0"]' }),
  ],
  [
    'metrics-reachable',
    'use 127.0.0.1 or a Unix socket, or let a firewall admit Prometheus only',
    async () => ({ metrics: 'listen = "0.0.0.0:0"' }),
    async () => ({ metrics: 'listen = "127.0.0.1:0"' }),
  ],
  ...(['0666', '0600'] as const).map((mode): (typeof ADVICE)[number] => [
    mode === '0666' ? 'socket-for-all' : 'socket-for-none',
    'set it to "0660", and make the user of the mail server a member of the group',
    async (site) => ({ lmtp: `listen = ["${site.at('run/lmtp.sock')}"]\nsocket_mode = "${mode}"` }),
    async (site) => ({ lmtp: `listen = ["${site.at('run/lmtp.sock')}"]\nsocket_mode = "0660"` }),
  ]),
  [
    'tls-unusable',
    'put a certificate and its own key there, readable for the server',
    async (site) => ({ tls: `certificate = ["${site.at('none.pem')}"]\nkey = ["${site.at('none.key')}"]` }),
    (site) => tls(site, 0o600),
  ],
  [
    'gateway-server',
    'give it to a user of its own, with chown -R',
    (site) => makeGateway(site, SERVER_UID, 0o700),
    (site) => chown(site.at('gateway'), 47111, 47111),
  ],
  [
    'gateway-place',
    'move it to a disk, such as /var/lib/sealdir-gateway',
    async (site) => {
      await makeState(site, 'state');
      await mkdir(site.at('run/state/gateway'), { mode: 0o700 });
      await symlink('run/state/gateway', site.at('gateway'));
      return gateway(site);
    },
    async (site) => {
      await rm(site.at('gateway'));
      return makeGateway(site, 47111, 0o700);
    },
  ],
  [
    'limit-transaction',
    'set it to "4m"',
    async (site) => ({ lmtp: `listen = ["${site.at('run/lmtp.sock')}"]\ntransaction_timeout = "5m"` }),
    async (site) => ({ lmtp: `listen = ["${site.at('run/lmtp.sock')}"]\ntransaction_timeout = "4m"` }),
  ],
  [
    'limit-stall',
    'set it to "30s"',
    async (site) => ({ lmtp: `listen = ["${site.at('run/lmtp.sock')}"]\nstall_timeout = "4m"` }),
    async (site) => ({ lmtp: `listen = ["${site.at('run/lmtp.sock')}"]\nstall_timeout = "30s"` }),
  ],
  [
    'limit-header',
    'lower it',
    async (site) => ({
      lmtp: `listen = ["${site.at('run/lmtp.sock')}"]\nmax_message_size = "1MB"\nmax_header_size = "1MiB"`,
    }),
    async (site) => ({
      lmtp: `listen = ["${site.at('run/lmtp.sock')}"]\nmax_message_size = "1MB"\nmax_header_size = "512KiB"`,
    }),
  ],
];

const KEY_JUDGEMENT = 'test/check/keys.test.ts, keys/ and e2e/keyverdicts: an owner has to mend it';
/** Findings without a case in this file, and where they are tried or why not. */
const ELSEWHERE: Readonly<Partial<Record<FindingId, string>>> = {
  'configuration-unusable': 'check/canary: what is right is in the words',
  'lock-package': 'e2e/rebuild',
  'socket-busy': 'here, below, and check/start',
  'port-busy': 'check/start',
  'port-privileged': 'check/start',
  'keys-many': 'check/running',
  'key-file-hidden': KEY_JUDGEMENT,
  'key-holds-back': KEY_JUDGEMENT,
  'key-excess': KEY_JUDGEMENT,
  'subkey-not-used': KEY_JUDGEMENT,
  'key-expires': KEY_JUDGEMENT,
  'canary-failed': 'check/canary: no key is known that it happens with',
  'canary-partly': 'check/canary',
  'folder-rule-idle': 'check/folders',
  'folder-detail-off': 'check/folders',
  'folder-any-detail': 'check/folders: nothing is to be mended, if it is meant',
  'folder-case': 'check/folders',
  'seal-folders-dovecot': 'check/sealfolders',
  'seal-folders-elsewhere': 'check/sealfolders',
  'seal-folders-name': 'check/sealfolders',
  'site-key-used': 'check/sitekeys: nothing is to be mended',
  'site-key-expires': 'check/sitekeys',
  'wkd-told': 'check/wkd: nothing is to be mended',
  'wkd-authorities': 'check/wkd',
  'owners-missing': 'systemctl needs a systemd, and there is none where tests run',
  'owners-open': 'e2e/owners',
  'owners-user': 'e2e/owners',
  'store-unsafe': 'check/storetrial',
  'store-mount': 'check/storetrial',
  'forward-unreachable': 'check/forward',
  'forward-size': 'check/forward',
  'shared-state-secret': 'check/sharedstate',
  'shared-state-unreachable': 'check/sharedstate',
  'shared-state-in-clear': 'check/sharedstate',
  'shared-state-mark': 'check/sharedstate',
  'mailbox-name': 'check/keys',
  'mailbox-former': 'check/keys',
  'tls-expired': 'check/tls',
  'tls-expires': 'check/tls',
  'tls-name': 'check/tls',
  'process-root': 'here, below',
  'process-user': 'here, below',
  'process-core': 'check/modes',
  'postfix-elsewhere': 'check/postfix',
  'postfix-size': 'check/postfix',
  'postfix-lines': 'check/postfix',
  'postfix-8bit': 'check/postfix',
  'postfix-timeout': 'check/postfix',
  'postfix-verify-cache': 'check/postfix',
  'postfix-delimiter': 'check/postfix',
  'postfix-closed': 'check/postfix',
  'postfix-chroot': 'check/postfix',
  'second-hash': 'check/dovecot',
  'second-hash-unseen': 'check/dovecot',
  'password-cache': 'check/dovecot',
  'password-log': 'check/dovecot',
  'dovecot-unread': 'check/dovecot',
  'plaintext-index': 'check/dovecot',
  'plaintext-search': 'check/dovecot',
  'plaintext-temporary': 'check/dovecot',
  'swap-in-clear': 'check/swap',
  'exim-unread': 'check/exim',
  'exim-elsewhere': 'check/exim',
  'exim-closed': 'check/exim',
  'exim-size': 'check/exim',
  'exim-timeout': 'check/exim',
  'exim-lines': 'check/exim',
  'exim-8bit': 'check/exim',
  'exim-callout-cache': 'check/exim',
  'exim-pipe-status': 'check/exim',
  'exim-pipe-errors': 'check/exim',
  'exim-pipe-prefix': 'check/exim',
};

function storeOf(site: CheckedSite): string {
  return `maildir = "${site.at('mail/{domain}/{local}')}"\nstate = "${site.at('run/state')}"`;
}

function wkd(site: CheckedSite, state: string): Changes {
  return { keys: `directory = "${site.at('keys')}"\nwkd = "on"\nstate = "${state}"` };
}

async function tls(site: CheckedSite, mode: number): Promise<Changes> {
  const authority = await openAuthority(site.directory);
  const { pem, key } = await authority.certify('mx.example.com', { names: ['mx.example.com'] });
  await own(key, mode);
  return { tls: `certificate = ["${pem}"]\nkey = ["${key}"]` };
}

const isChanges = (value: unknown): value is Changes => typeof value === 'object' && value !== null;

describe('what check says under "fix"', needsUsers(), () => {
  let keys: { alice: TestKey; expired: TestKey };

  before(async () => {
    const date = new Date(Date.now() - 100 * 24 * 3600_000);
    keys = { alice: await makeKey(ALICE), expired: await makeKey(ALICE, { date, expiresAfter: 24 * 3600 }) };
  });

  const broken = async (arrange: Break) => {
    const site = await makeCheckedSite({ [ALICE]: keys.alice.certificate });
    const changes = await arrange(site, keys);
    if (isChanges(changes)) await site.configure(changes);
    return site;
  };

  for (const [id, name, arrange] of shortOf(COMMANDS, 2))
    test(`mends ${id}, when a shell runs it (${name})`, async () => {
      const site = await broken(arrange);
      const before = await findingsOf(site);
      const found = before.find((each) => each.id === id);
      assert.ok(found?.command, `${id} is found, with a command: ${JSON.stringify(before)}`);
      assert.ok(found.fix.startsWith(found.command), found.fix);
      const { code, stderr } = await run('sh', ['-ec', found.fix]);
      const after = await findingsOf(site);
      await site.remove();
      assert.equal(code, 0, stderr.toString());
      assert.ok(!after.some((each) => each.id === id), JSON.stringify(after));
      const isEmptied = id === 'keys-missing' && name === 'no directory';
      const rest = isEmptied ? after.filter((each) => each.id !== 'keys-none') : after;
      assert.deepEqual(
        rest.filter(({ severity }) => severity === 'error'),
        [],
      );
    });

  for (const [id, fix, arrange, mend] of shortOf(ADVICE, 1))
    test(`mends ${id}, when somebody does it (${fix})`, async () => {
      const site = await broken(arrange);
      const before = await findingsOf(site);
      const found = before.find((each) => each.id === id);
      assert.ok(found, `${id}: ${JSON.stringify(before)}`);
      assert.ok(found.fix.includes(fix), found.fix);
      assert.equal(found.command, null);
      const changes = await mend(site, keys);
      if (isChanges(changes)) await site.configure(changes);
      const after = await findingsOf(site);
      await site.remove();
      assert.ok(!after.some((each) => each.id === id), JSON.stringify(after));
    });

  test('mends socket-busy, when the other program ends', async () => {
    const site = await broken(async () => undefined);
    const other = createServer((socket) => socket.end('220 other.example SMTP\r\n').on('error', () => {}));
    await new Promise<void>((resolve) => other.listen(site.at('run/lmtp.sock'), resolve));
    await chmod(site.at('run/lmtp.sock'), 0o666);
    const found = await findingsOf(site);
    await new Promise((resolve) => other.close(resolve));
    const after = await findingsOf(site);
    await site.remove();
    assert.deepEqual(
      found.map(({ id }) => id),
      ['socket-busy'],
    );
    assert.deepEqual(after, []);
  });

  testLong('names the user to run it as, and the command works', async () => {
    for (const uid of shortOf([0, 47111], 1)) {
      const site = await broken(async () => undefined);
      await chmod(site.at('mail'), 0o701);
      const { stdout } = await site.as(uid, 'check', '--json');
      const { findings } = JSON.parse(stdout.toString());
      const id = uid === 0 ? 'process-root' : 'process-user';
      const found = findings.find((each: { id: string }) => each.id === id);
      assert.match(found?.command ?? '', /^setpriv --reuid=47110 --regid=47110 --clear-groups sealdir check/);
      await writeFile(site.at('bin/sealdir'), site.program, { mode: 0o755 });
      const again = await run('sh', ['-ec', found.command], { env: site.withoutPostfix });
      await site.remove();
      assert.match(again.stdout.toString(), /: 0 errors, 1 warnings\n$/, 'the mode of the store only');
    }
  });

  test('every finding has a case here, or is accounted for', () => {
    const tried = new Set([...COMMANDS, ...ADVICE].map(([id]) => id));
    const both = Object.keys(ELSEWHERE).filter((id) => tried.has(id as FindingId));
    const missing = Object.keys(CATALOGUE).filter((id) => !tried.has(id as FindingId) && !(id in ELSEWHERE));
    assert.deepEqual({ both, missing }, { both: [], missing: [] });
  });
});
