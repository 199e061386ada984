// What becomes of a message when something is wrong, for each way in which a mail server may hand it to a
// command of Sealdir. Nothing that may pass bounces, nothing in the store is in clear, and no bounce names a
// path.

import assert from 'node:assert/strict';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { needsExim } from '../support/exim.ts';
import { shortOf, testLong } from '../support/long.ts';
import { Matrix } from '../support/matrix.ts';
import { needs } from '../support/peers.ts';
import {
  addressWith,
  eximBlocks,
  type Outcome,
  Pipes,
  TRANSPORTS,
  type Transport,
} from '../support/pipes.ts';
import { freeze } from '../support/process.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';

const CONFIG = `hostname = "mx.example.com"
processes = 2
metrics.listen = "off"
[lmtp]
max_message_size = "1MiB"
max_header_size = "16KiB"
[store]
min_free_space = 0
`;
const WORDS = 'the words of the body';
const SMALL = message('Subject: small\n', 200);
const LARGE = message('Subject: large\n', 500_000);

/** The header begins with the subject, which tells it from what Sealdir itself writes to owners of keys. */
function message(header: string, bytes: number): Buffer {
  const lines = `${WORDS} ${'x'.repeat(50)}\n`;
  return Buffer.from(`${header}\n${lines.repeat(Math.ceil(bytes / lines.length))}`);
}

/** Sends SIGKILL to those that a file names, once a program has written a part of a message. */
const KILLER = `
const { Socket } = require('node:net');
const { readFileSync } = require('node:fs');
const write = Socket.prototype.write;
let written = 0;
Socket.prototype.write = function (bytes, ...rest) {
  const result = write.call(this, bytes, ...rest);
  written += bytes.length;
  if (written > 20000)
    for (const pid of readFileSync('VICTIMS', 'utf8').split(' ').filter(Boolean))
      try { process.kill(pid === 'self' ? process.pid : Number(pid), 'SIGKILL'); } catch {}
  return result;
};
`;

async function killHalfway({ host }: Pipes, victims: string): Promise<Undo> {
  await writeFile(host.path('/etc/sealdir/self'), 'self');
  await writeFile(host.path('/etc/sealdir/killer.cjs'), KILLER.replace('VICTIMS', victims));
  await writeFile(host.path('/etc/sealdir/node-options'), '--require /etc/sealdir/killer.cjs');
  return () => rm(host.path('/etc/sealdir/node-options'));
}

const FOR_NO_STRANGER = /\/(?:etc|usr|var|run|bin|tmp|home)\b|sealdir\.toml|[0-9A-F]{16}|node:/;

type Undo = () => Promise<unknown>;

interface Trouble {
  readonly what: string;
  /** With each transport, in order. */
  readonly leadsTo: readonly [Outcome, Outcome, Outcome];
  readonly recipient?: string;
  readonly message?: Buffer;
  readonly begin?: (pipes: Pipes) => Promise<Undo>;
}

const ALICES = TRANSPORTS.map((transport) => addressWith(transport, 'alice'));

/** Gives the recipients another key, for as long as the trouble lasts. */
const keyIs = (certificate: () => Promise<string>) => async (pipes: Pipes) => {
  const bad = await certificate();
  for (const address of ALICES) await pipes.setKey(address, bad);
  return async () => {
    for (const address of ALICES) await pipes.setKey(address, (await KEY).certificate);
  };
};

const modeIs = (file: string, during: number, else_: number) => async (pipes: Pipes) => {
  await chmod(pipes.host.path(file), during);
  return () => chmod(pipes.host.path(file), else_);
};

const configurationIs = (text: string, restart: 'restarted' | 'running') => async (pipes: Pipes) => {
  const change = async (toml: string) => {
    await pipes.configure(toml);
    if (restart === 'running') return;
    await pipes.stopServer();
    await pipes.startServer();
  };
  await change(text);
  return () => change(CONFIG);
};

const KEY: Promise<TestKey> = makeKey('alice@example.com');

const TROUBLES: readonly Trouble[] = [
  { what: 'nothing is wrong', leadsTo: ['delivered', 'delivered', 'delivered'] },
  { what: 'a large message', message: LARGE, leadsTo: ['delivered', 'delivered', 'delivered'] },
  {
    what: 'no server',
    leadsTo: ['deferred', 'delivered', 'deferred'],
    begin: async (pipes) => {
      await pipes.stopServer();
      return () => pipes.startServer();
    },
  },
  {
    what: 'a socket that one may not connect to',
    leadsTo: ['deferred', 'delivered', 'deferred'],
    begin: modeIs('/run/sealdir/lmtp.sock', 0o000, 0o660),
  },
  {
    what: 'a server that hangs',
    leadsTo: ['deferred', 'delivered', 'deferred'],
    begin: async (pipes) => {
      // of the command, which has to give up
      await pipes.configure(CONFIG.replace('[lmtp]', '[lmtp]\ntransaction_timeout = "1s"'));
      if (pipes.server !== undefined) await freeze(pipes.server.pid);
      return async () => {
        pipes.server?.signal('SIGCONT');
        await pipes.configure(CONFIG);
      };
    },
  },
  {
    what: 'workers of the server that are killed halfway',
    message: LARGE,
    leadsTo: ['deferred', 'delivered', 'deferred'],
    begin: (pipes) => {
      const pid = pipes.server?.pid;
      return killHalfway(pipes, `/proc/${pid}/task/${pid}/children`);
    },
  },
  {
    what: 'the command is killed halfway',
    message: LARGE,
    leadsTo: ['deferred', 'deferred', 'deferred'],
    begin: (pipes) => killHalfway(pipes, '/etc/sealdir/self'),
  },
  { what: 'nobody there', recipient: 'nobody', leadsTo: ['bounced', 'bounced', 'bounced'] },
  {
    what: 'nobody there for a large message, of which the command reads nothing',
    recipient: 'nobody',
    message: LARGE,
    leadsTo: ['bounced', 'bounced', 'bounced'],
  },
  {
    what: 'a key file without a key',
    leadsTo: ['deferred', 'deferred', 'deferred'],
    begin: keyIs(async () => 'none'),
  },
  {
    what: 'an expired key, and a large message',
    message: LARGE,
    leadsTo: ['deferred', 'deferred', 'deferred'],
    begin: keyIs(async () => {
      const date = new Date(Date.now() - 86_400_000);
      return (await makeKey('alice@example.com', { date, expiresAfter: 60 })).certificate;
    }),
  },
  {
    what: 'a revoked key',
    leadsTo: ['deferred', 'deferred', 'deferred'],
    begin: keyIs(async () => revoked(await makeKey('alice@example.com'))),
  },
  {
    what: 'a configuration with an error',
    leadsTo: ['deferred', 'deferred', 'deferred'],
    begin: configurationIs(`${CONFIG}mailldir = "/x"\n`, 'running'),
  },
  {
    what: 'a configuration that cannot be read',
    leadsTo: ['deferred', 'deferred', 'deferred'],
    begin: modeIs('/etc/sealdir/sealdir.toml', 0o600, 0o644),
  },
  {
    what: 'a source of recipients that is down',
    leadsTo: ['deferred', 'deferred', 'deferred'],
    begin: configurationIs(
      `${CONFIG}[recipients]\nsource = "socketmap"\nsocketmap.address = "/run/sealdir/none.sock"\n`,
      'restarted',
    ),
  },
  {
    what: 'a full disk',
    message: LARGE,
    leadsTo: ['deferred', 'deferred', 'deferred'],
    begin: async (pipes) => {
      await pipes.root('mount', '-t', 'tmpfs', '-o', 'size=100k', 'tmpfs', '/var/mail/sealdir');
      for (const address of ALICES) await pipes.makeMailbox(address);
      return () => pipes.root('umount', '/var/mail/sealdir');
    },
  },
  {
    what: 'a read-only store',
    leadsTo: ['deferred', 'deferred', 'deferred'],
    begin: async (pipes) => {
      await pipes.root('mount', '--bind', '/var/mail/sealdir', '/var/mail/sealdir');
      await pipes.root('mount', '-o', 'remount,bind,ro', '/var/mail/sealdir');
      return () => pipes.root('umount', '/var/mail/sealdir');
    },
  },
  {
    what: 'a message over the limit',
    message: message('Subject: big\n', 1_500_000),
    leadsTo: ['bounced', 'delivered', 'bounced'],
  },
  {
    what: 'a header over the limit',
    message: message(`Subject: long\n${'X-Long: yes\n'.repeat(2000)}`, 200),
    leadsTo: ['bounced', 'deferred', 'bounced'],
  },
  {
    what: 'a program of which half is there',
    leadsTo: ['deferred', 'deferred', 'deferred'],
    begin: async (pipes) => {
      await writeFile(pipes.host.path('/etc/sealdir/node-options'), '--require /usr/lib/sealdir/none.cjs');
      return () => rm(pipes.host.path('/etc/sealdir/node-options'));
    },
  },
];

async function revoked({ secretKey }: TestKey): Promise<string> {
  const openpgp = await import('openpgp');
  const key = await openpgp.readPrivateKey({ armoredKey: secretKey });
  const { publicKey } = await openpgp.revokeKey({ key, format: 'armored' });
  return publicKey;
}

const matrix = new Matrix('pipes.test.ts');
const exim = await needsExim();
const missing = exim.skip === false ? needs('postfix') : exim;
describe('a command that a mail server runs', missing, () => {
  let pipes: Pipes;
  before(async () => {
    pipes = await Pipes.start();
    for (const address of ALICES) await pipes.setKey(address, (await KEY).certificate);
    await pipes.configure(CONFIG);
    await pipes.startServer();
  });
  after(() => pipes?.stop());

  for (const trouble of shortOf(TROUBLES, 3))
    test(`${trouble.what}: ${trouble.leadsTo.join(', ')}`, async () => {
      const { recipient = 'alice', message = SMALL, leadsTo } = trouble;
      await pipes.clear();
      await pipes.log();
      for (const address of ALICES) await pipes.makeMailbox(address);
      const undo = await trouble.begin?.(pipes);
      const each = TRANSPORTS.map((transport) => ({ transport, to: addressWith(transport, recipient) }));
      const check = async ({ transport, to }: { transport: Transport; to: string }, found: Outcome) => {
        const [, subject = ''] = /^Subject: (.*)/.exec(message.toString('latin1')) ?? [];
        const mail = await pipes.stored(to, subject);
        assert.equal(mail.length, found === 'delivered' ? 1 : 0, `${transport}: messages in the mailbox`);
        const wire = message.toString('latin1').replaceAll('\n', '\r\n');
        for (const sealed of mail) {
          const opened = (await readSealed(sealed, await KEY)).toString('latin1');
          assert.ok(opened.endsWith(wire.slice(wire.indexOf('\r\n\r\n'))), transport);
        }
      };
      try {
        const found = await Promise.all(each.map(({ transport, to }) => pipes.send(transport, to, message)));
        assert.deepEqual(found, leadsTo, await pipes.log());
        assert.deepEqual(await pipes.filesWith(WORDS), [], 'in clear');
        // the reasons why Postfix waits are in the bounce when it has waited for too long
        for (const told of [...(await pipes.bounces()), ...(await pipes.postfix.queue())])
          assert.doesNotMatch(told, FOR_NO_STRANGER);
      } finally {
        await undo?.();
      }
      for (const [n, one] of each.entries()) {
        const became = leadsTo[n] ?? 'bounced';
        const isOver = became === 'deferred' && trouble.begin !== undefined;
        if (isOver) {
          assert.equal(await pipes.retry(one.transport, one.to), 'delivered', `${one.transport}, later`);
          await check(one, 'delivered');
        } else if (became !== 'deferred') await check(one, became);
        matrix.saw(trouble.what, one.transport, isOver ? 'deferred, delivered when it is over' : became);
      }
    });

  test('the matrix has what was seen', () => {
    assert.deepEqual(matrix.missing(), []);
  });

  test('over SMTP Exim knows which mailboxes there are, as the user that it is then', async () => {
    await pipes.clear();
    const [, alice = ''] = ALICES;
    await pipes.makeMailbox(alice);
    const said = await pipes.exim.smtp([
      'EHLO client.test',
      'MAIL FROM:<me@sender.test>',
      `RCPT TO:<${alice}>`,
      'RCPT TO:<nobody@example.net>',
      'QUIT',
    ]);
    assert.match(said, /\n250 Accepted\r\n550 /);
  });

  test('the blocks also fit the single file of Debian', async () => {
    const template = '/etc/exim4/exim4.conf.template';
    const single = await pipes.root('cat', template);
    const withBlocks = ['router', 'transport'].reduce(
      (text, kind) => text.replace(`\nbegin ${kind}s\n`, `\nbegin ${kind}s\n${eximBlocks(kind)}`),
      single,
    );
    await writeFile(pipes.host.path(template), withBlocks);
    const conf = '/etc/exim4/update-exim4.conf.conf';
    await pipes.root('sed', '-i', "s/^dc_use_split_config=.*/dc_use_split_config='false'/", conf);
    await pipes.root('update-exim4.conf', '-o', '/run/single');
    const routed = await pipes.root('exim4', '-C', '/run/single', '-bt', 'alice@example.com');
    assert.match(routed, /router = sealdir_deliver, transport = sealdir_deliver/);
  });

  test('senders that look like options or commands arrive as they are', async () => {
    await pipes.clear();
    for (const address of ALICES) await pipes.makeMailbox(address);
    const senders = [
      '',
      '-x@sender.test',
      '$PATH@sender.test',
      '`id`@sender.test',
      '"a;id $(id)"@sender.test',
    ];
    for (const [n, sender] of senders.entries())
      await Promise.all(
        TRANSPORTS.map(async (transport) => {
          const to = addressWith(transport, 'alice');
          const sent = await pipes.send(transport, to, message(`Subject: ${n}\n`, 10), sender);
          assert.equal(sent, 'delivered', await pipes.log());
          const [stored = Buffer.alloc(0)] = await pipes.stored(to, `${n}`);
          // that of Exim is inside
          const text = `${stored}${await readSealed(stored, await KEY)}`.replaceAll('\r', '');
          assert.equal(/^Return-path: <(.*)>$/im.exec(text)?.[1], sender, transport);
        }),
      );
  });
});

testLong('a command that never ends is ended, and the message waits', missing, async () => {
  const pipes = await Pipes.start('seconds');
  try {
    await pipes.configure(CONFIG);
    for (const address of ALICES) await pipes.makeMailbox(address);
    await writeFile(pipes.host.path('/etc/sealdir/hang.cjs'), "process.kill(process.pid, 'SIGSTOP');\n");
    await writeFile(pipes.host.path('/etc/sealdir/node-options'), '--require /etc/sealdir/hang.cjs');
    const found = await Promise.all(
      TRANSPORTS.map((transport) => pipes.send(transport, addressWith(transport, 'alice'), LARGE)),
    );
    assert.deepEqual(found, ['deferred', 'deferred', 'deferred'], await pipes.log());
    assert.deepEqual(await pipes.filesWith(WORDS), [], 'in clear');
  } finally {
    await pipes.stop();
  }
});
