// The small mail server of config/example, on this machine: Postfix, rspamd, Sealdir and Dovecot, with the
// files for operators, and the mail clients that read from it. Only paths, ports and users are those of the
// test.

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { type ChildServer, CLI, startChild } from '../support/child.ts';
import { dkimVerifies, makeDkimKey } from '../support/dkim.ts';
import {
  COMPLAINTS,
  DOVECOT_VERSIONS,
  type Dovecot,
  needsDovecot,
  shippedDovecot,
  startDovecotImap,
} from '../support/dovecot.ts';
import { openGnupgHome } from '../support/gnupghome.ts';
import { connectImap, fetchMessage } from '../support/imapclient.ts';
import { testLong } from '../support/long.ts';
import { shipped } from '../support/mailhost.ts';
import { type NameServer, startNameServer } from '../support/nameserver.ts';
import { openNeoMutt } from '../support/neomutt.ts';
import { needs } from '../support/peers.ts';
import { freePort } from '../support/port.ts';
import { type Postfix, startPostfix } from '../support/postfix.ts';
import { run } from '../support/process.ts';
import { type Rspamd, startRspamd } from '../support/rspamd.ts';
import { makeKey, type TestKey } from '../support/testkeys.ts';
import { startThunderbird } from '../support/thunderbird.ts';
import { openAuthority } from '../support/tls.ts';
import { until } from '../support/until.ts';

const [ALICE, BOB, CARLA] = ['alice@example.com', 'bob@example.com', 'carla@example.com'];
const HOST = 'mx.example.com';
const SECRET = 'a password of IMAP';
const NOBODY = 65_534;
const LISTED = '203.0.113.9';
const ELSEWHERE = '203.0.113.7';
const PROGRAMS = ['postfix', 'rspamd', 'doveadm', 'swaks', 'unbound', 'named-checkzone', 'root'];

for (const version of DOVECOT_VERSIONS)
  describe(`the example of a small mail server, with Dovecot ${version}`, {
    ...(await needsDovecot(version, ...PROGRAMS)),
    timeout: 480_000,
  }, () => {
    const dkim = makeDkimKey();
    const users = new Map<string, TestKey>();
    let directory = '';
    let names: NameServer;
    let rspamd: Rspamd;
    let postfix: Postfix;
    let dovecot: Dovecot;
    let sealdir: ChildServer;
    let submissions = 0;
    let imaps = 0;
    let ca = Buffer.alloc(0);
    const path = (name: string) => join(directory, name);

    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
      for (const address of [ALICE, BOB]) users.set(address, await makeKey(address));
      const where = `127.${randomInt(1, 255)}.${randomInt(256)}.${randomInt(1, 255)}`;
      names = await startNameServer([{ name: 'zen.spamhaus.org', text: '9.113.0.203 IN A 127.0.0.2\n' }], {
        host: where,
        port: 53,
      });
      await mkdir(path('tls'));
      const authority = await openAuthority(path('tls'));
      ca = await readFile(authority.file);
      await writeFile(path('authority.pem'), ca);
      // NeoMutt looks up this machine's own name
      await authority.certify('ecdsa', { names: [HOST, 'localhost'] });
      await authority.certify('rsa', { kind: 'rsa', names: [HOST] });
      await run('chmod', ['-R', 'a+rX', path('tls')]); // this Dovecot is not root when it reads them
      rspamd = await startRspamd(directory, { 'example.com.mail.key': dkim.privateKey });
      submissions = await freePort();
      postfix = await startPostfix(postfixOptions());
      const queue = path('postfix/queue');
      await mkdir(join(queue, 'etc'), { recursive: true });
      await writeFile(join(queue, 'etc/resolv.conf'), `nameserver ${where}\n`);
      await mkdir(join(queue, 'sasl'));
      await chown(join(queue, 'sasl'), NOBODY, NOBODY);
      sealdir = await startChild(sealdirOptions());
      dovecot = await startDovecot(sealdir.directory);
    });
    after(async () => {
      await dovecot?.stop();
      await sealdir?.stop();
      await postfix?.stop();
      await rspamd?.stop();
      await names?.stop();
      await rm(directory, { recursive: true, force: true });
    });

    afterEach(() => assert.doesNotMatch(dovecot.log(), COMPLAINTS));

    function postfixOptions() {
      const files = ['postfix/socket.main.cf', 'postfix/tls.main.cf', 'postfix/milter.main.cf'];
      const main = [...files, 'example/main.cf'].map(shipped).join('');
      return {
        dir: directory,
        transport: '',
        domains: [],
        isChrooted: true,
        main: main
          .replaceAll('/etc/postfix/tls/', `${path('tls')}/`)
          .replace('/run/sealdir/map.sock', path('map.sock'))
          .replace(':11332', `:${rspamd.port}`)
          .replace('private/auth', 'sasl/auth'),
        settings: { smtpd_authorized_xclient_hosts: '127.0.0.1' },
        services: shipped('example/master.cf').replace('submissions inet', `127.0.0.1:${submissions} inet`),
      };
    }

    function sealdirOptions() {
      const [, recipients = '', folders = ''] =
        /\[recipients\]\n([^[]*)(\[folders\][\s\S]*)$/.exec(shipped('example/sealdir.toml')) ?? [];
      return {
        keys: Object.fromEntries([...users].map(([address, { certificate }]) => [address, certificate])),
        listen: [path('postfix/queue/private/sealdir')],
        toml: {
          recipients: recipients.replace('/run/sealdir/map.sock', path('map.sock')),
          rest: folders,
        },
      };
    }

    async function startDovecot(dir: string): Promise<Dovecot> {
      const lines = [ALICE, BOB].map(async (address) => {
        const { stdout } = await run('doveadm', ['pw', '-s', 'BLF-CRYPT', '-r', '4', '-p', SECRET]);
        return `${address}:${stdout.toString().trim()}\n`;
      });
      await writeFile(path('users'), await Promise.all(lines));
      await mkdir(join(dir, 'indexes'));
      const users = shipped(version === '2.3' ? 'example/dovecot.conf' : 'example/dovecot-2.4.conf')
        .replaceAll('/var/lib/dovecot/sealdir', join(dir, 'indexes'))
        .replaceAll('/etc/postfix/tls/', `${path('tls')}/`)
        .replace('/etc/dovecot/users', path('users'))
        .replace('/var/spool/postfix/private/auth', path('postfix/queue/sasl/auth'))
        .replace(/ {4}mode = 0660\n.*\n.*\n/, '    mode = 0666\n')
        .replace(/\b([ug]id ?= ?)sealdir\b/g, `$1${NOBODY}`);
      imaps = await freePort();
      const listener = `service imap-login {\n  inet_listener imaps {\n    port = ${imaps}\n    ssl = yes\n  }\n}\n`;
      const more = `${shippedDovecot(dir, version)}${users}${listener}`;
      const started = await startDovecotImap({ dir, version, more });
      await started.adopt(join(dir, 'indexes'));
      return started;
    }

    interface Row {
      readonly domain: string;
      readonly version: string;
    }

    interface Sent {
      readonly to: string;
      readonly subject: string;
      readonly more: readonly string[];
      readonly from?: string;
    }

    /** Sends with swaks, and returns all that was said. */
    async function swaks({ from = 'me@example.org', to, subject, more }: Sent) {
      const mime = ['--h-MIME-Version', '1.0', '--h-Content-Type', 'text/plain'];
      const fields = ['--h-Subject', subject, '--h-From', from, ...mime, '--body', 'Good morning'];
      const { code, stdout } = await run('swaks', ['--from', from, '--to', to, ...fields, ...more]);
      return { code, said: stdout.toString() };
    }
    const fromOutside = (address = ELSEWHERE, reverse = 'mx.example.org') => [
      ...['--server', `127.0.0.1:${postfix.port}`, '--tls', '--helo', 'mx.example.org'],
      ...['--xclient', `ADDR=${address} NAME=${reverse} REVERSE_NAME=${reverse}`],
    ];
    const fromUser = (user: string, password: string) => [
      ...['--server', `127.0.0.1:${submissions}`, '--tls-on-connect', '--helo', 'laptop'],
      ...['--auth', 'PLAIN', '--auth-user', user, '--auth-password', password],
    ];

    /** Resolves to the newest message in a user's folder, as IMAP has it and `sealdir open` opens it. */
    async function read(user: string, subject: string, folder = 'INBOX'): Promise<Buffer> {
      const below = folder === 'INBOX' ? '' : `.${folder}`;
      const box = join(sealdir.directory, 'mail/example.com', user.split('@')[0] ?? '', below, 'new');
      await until(`${subject} is there`, async () => (await readdir(box).catch(() => [])).length > 0, 30_000);
      await dovecot.adopt(join(sealdir.directory, 'mail'));
      const imap = await connectImap(dovecot.port, user, SECRET, { ca, servername: HOST });
      try {
        const { bytes } = await fetchMessage(imap, (await imap.mailboxOpen(folder)).exists);
        await writeFile(path('secret.asc'), users.get(user)?.secretKey ?? '');
        const opened = await run(process.execPath, [CLI, 'open', '-k', path('secret.asc')], { stdin: bytes });
        assert.equal(opened.code, 0, opened.stderr);
        assert.match(opened.stdout.toString(), new RegExp(`^Subject: ${subject}\\r$`, 'm'));
        return opened.stdout;
      } finally {
        await imap.logout();
      }
    }

    test('a message from elsewhere is judged, sealed, read over IMAP and opened, and its TLS is counted', async () => {
      const { code, said } = await swaks({ to: ALICE, subject: 'from elsewhere', more: fromOutside() });
      assert.equal(code, 0, said);
      const opened = (await read(ALICE, 'from elsewhere')).toString();
      assert.match(opened, /^X-Spam-Status: No, score=/m);
      assert.match(opened, /^Received: from mx\.example\.org .*\r\n\t\(using TLSv1\.3 with cipher /m);
      const report = ['tls-report', '--json', '-c', join(sealdir.directory, 'sealdir.toml')];
      await until('it is counted', async () => {
        const { stdout } = await run(process.execPath, [CLI, ...report]);
        const { rows = [] } = JSON.parse(stdout.toString() || '{}');
        return rows.some((row: Row) => row.domain === 'example.org' && row.version === 'TLSv1.3');
      });
    });

    /** Where a client of Alice's reads, with TLS from the start. */
    const atHome = () => ({ address: ALICE, password: SECRET, port: imaps });

    testLong('Thunderbird shows that message, over TLS', needs('thunderbird', 'Xvfb'), async () => {
      await mkdir(path('thunderbird'));
      const thunderbird = await startThunderbird(path('thunderbird'), [HOST]);
      try {
        await thunderbird.trustAuthority(ca.toString());
        const secretKey = users.get(ALICE)?.secretKey ?? '';
        const account = await thunderbird.addAccount({
          ...atHome(),
          hostname: HOST,
          isTls: true,
          secretKey,
        });
        const [row] = await thunderbird.list(account, 'INBOX', 1);
        const shown = await thunderbird.show(account, 'INBOX', row?.messageId ?? '');
        assert.deepEqual([shown.listed, shown.subject], ['from elsewhere', 'from elsewhere']);
        assert.match(shown.text, /^Good morning\s*$/);
        assert.ok(shown.isEncrypted);
        assert.match(dovecot.log(), /Log(?:in|ged in): user=<alice@example\.com>, .*, TLS, /);
      } finally {
        await thunderbird.stop();
      }
    });

    testLong('NeoMutt shows that message, over TLS', needs('neomutt', 'tmux', 'gpg'), async () => {
      const home = await openGnupgHome();
      try {
        await home.gpg(['--import'], users.get(ALICE)?.secretKey ?? '');
        const at = { ...atHome(), hostname: 'localhost', authority: path('authority.pem') };
        const neomutt = await openNeoMutt({ ...at, gnupgHome: home.path });
        try {
          assert.match(await neomutt.index(), /^ 1 .P. ?me@example\.org +from elsewhere$/m);
          const screen = await neomutt.show(1, /Good morning/);
          assert.match(screen, /^Subject: from elsewhere$/m);
          assert.match(screen, /PGP message successfully decrypted/);
        } finally {
          await neomutt.close();
        }
      } finally {
        await home.close();
      }
    });

    testLong('spam comes to Junk', async () => {
      const mark = ['--header', 'X-Spam: Yes'];
      const { code, said } = await swaks({ to: BOB, subject: 'junk', more: [...mark, ...fromOutside()] });
      assert.equal(code, 0, said);
      assert.match((await read(BOB, 'junk', 'Junk')).toString(), /^X-Spam-Status: Yes, /m);
    });

    testLong('what a user sends is signed, and only with their password and in their own name', async () => {
      const mine = { from: ALICE, to: BOB, subject: 'from a user' };
      const sent = await swaks({ ...mine, more: fromUser(ALICE, SECRET) });
      assert.equal(sent.code, 0, sent.said);
      assert.ok(await dkimVerifies(await read(BOB, 'from a user'), dkim));
      const wrong = await swaks({ ...mine, more: fromUser(ALICE, 'wrong') });
      assert.match(wrong.said, /535 5\.7\.8/);
      const other = await swaks({ ...mine, more: fromUser(BOB, SECRET) });
      assert.match(other.said, /553 5\.7\.1 .*not owned by user bob/);
      const without = await swaks({ ...mine, more: fromUser(ALICE, SECRET).slice(0, 5) });
      assert.match(without.said, /554 5\.7\.1 .*Client host rejected/);
    });

    for (const [what, to, more, reply] of [
      ['for nobody', CARLA, () => fromOutside(), /550 5\.1\.1 .*User unknown/],
      ['for another domain', 'x@example.net', () => fromOutside(), /554 5\.7\.1 .*Relay access denied/],
      [
        'of a server on the list',
        ALICE,
        () => fromOutside(LISTED),
        /554 5\.7\.1 .*blocked using zen\.spamhaus\.org/,
      ],
      [
        'of an address without a name',
        ALICE,
        () => fromOutside(ELSEWHERE, '[UNAVAILABLE]'),
        /450 4\.7\.1 .*cannot find your/,
      ],
    ] as const)
      testLong(`a message ${what} is refused, and nothing of it is stored`, async () => {
        const { code, said } = await swaks({ to, subject: 'no', more: more() });
        assert.notEqual(code, 0);
        assert.match(said, reply);
      });
  });
