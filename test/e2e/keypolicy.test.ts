// What becomes of mail without a usable key, end to end: sealed to keys that have expired or to the key of
// the site, and to nothing else; opened by gpg and by `sealdir open`. A key of the site that cannot be used
// defers.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { OutcomeLine } from '../../src/core/outcomelog.ts';
import { type ChildServer, CLI, startChild } from '../support/child.ts';
import { exampleWith } from '../support/examples.ts';
import { addressees, freshKey, openSealed, revoked } from '../support/freshkey.ts';
import { openGnupgHome } from '../support/gnupghome.ts';
import { type HttpSource, startHttpSource } from '../support/httpsource.ts';
import { HungMount, needsHungMount } from '../support/hungmount.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { shortOf, testLong } from '../support/long.ts';
import { armorOf, gpgDecrypt } from '../support/openpgp-programs.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { repositoryRoot } from '../support/shared.ts';
import { until } from '../support/until.ts';

const DAY_MS = 86_400_000;
const MESSAGE = Buffer.from('Subject: x\r\n\r\nnothing waits\r\n');
const HELD = 'Sealed to the key of the site, held for its operator';
const EXPIRED = 'Sealed to an expired key of the recipient';

const past = { createdAt: new Date(Date.now() - 3 * DAY_MS), lifetimeSeconds: 86_400 };
const [valid, old, older, hold, escrow, gone] = await Promise.all([
  freshKey('valid@example.com'),
  freshKey('old@example.com', past),
  freshKey('old-held@example.com', past),
  freshKey('operator@example.com'),
  freshKey('escrow@example.com'),
  freshKey('gone@example.com', past),
]);

/** What the recipient source answers; whoever is not here does not exist. */
const RECIPIENTS: Record<string, object> = {
  'valid@example.com': { unusable: 'hold' },
  'old@example.com': { unusable: 'last-valid' },
  'old-held@example.com': { unusable: 'hold' },
  'keyless@example.com': { unusable: 'hold' },
  'waits@example.com': {},
  'bounces@example.com': { unusable: 'reject' },
  'gone@example.com': { unusable: 'last-valid' },
  'gone-held@example.com': { unusable: 'hold' },
  'cut@example.com': { unusable: 'hold' },
  'cut-last@example.com': { unusable: 'last-valid' },
  'odd@example.com': { unusable: 'holds' },
};

describe('mail without a usable key', () => {
  let source: HttpSource;
  let server: ChildServer;

  before(async () => {
    source = await startHttpSource(RECIPIENTS);
    server = await startChild({
      keys: {
        'valid@example.com': valid.certificate,
        'old@example.com': old.certificate,
        'old-held@example.com': older.certificate,
        'gone@example.com': await revoked(gone),
        'gone-held@example.com': await revoked(gone),
        'cut@example.com': old.certificate.subarray(0, 300),
        'cut-last@example.com': old.certificate.subarray(0, 300),
      },
      toml: {
        duplicates: '1h',
        recipients: source.toml,
      },
      async prepare(directory) {
        await writeFile(join(directory, 'hold.asc'), hold.certificate);
        await writeFile(join(directory, 'hold.secret'), hold.secretKey);
        await writeFile(join(directory, 'old.secret'), old.secretKey);
        await writeFile(join(directory, 'escrow.asc'), escrow.certificate);
        const keys = `hold = "${directory}/hold.asc"\nalso = ["${directory}/escrow.asc"]\n`;
        await appendFile(join(directory, 'sealdir.toml'), keys);
      },
    });
  });
  after(async () => {
    await server?.stop();
    source?.close();
  });

  const send = async (to: string, message = MESSAGE) => {
    const session = await openSession(server.socketPath);
    const { rcpt, final } = await deliver(session, { to: [to], message });
    await session.vanish();
    return final[0] ?? rcpt[0] ?? '';
  };
  const stored = async (address: string) => {
    const directory = join(server.directory, 'mail', ...address.split('@').reverse(), 'new');
    const [file = '', ...others] = await readdir(directory).catch(() => []);
    assert.equal(others.length, 0);
    return file === '' ? undefined : readFile(join(directory, file));
  };
  /** Whose key opens a message, and whose does not. */
  const assertReaders = async (sealed: Buffer | undefined, readers: readonly (typeof valid)[]) => {
    assert.ok(sealed !== undefined);
    for (const key of [valid, old, older, hold, escrow, gone]) {
      const opening = openSealed(sealed, [key.secret]);
      if (readers.includes(key)) assert.match((await opening).plaintext.toString(), /nothing waits/);
      else await assert.rejects(opening, key.address);
    }
    assert.equal((await addressees(sealed)).length, readers.length);
  };
  const line = (recipient: string) =>
    server.process
      .output()
      .split('\n')
      .filter((text) => text.includes('"verdict"'))
      .map((text) => JSON.parse(text) as OutcomeLine)
      .find((each) => each.recipient === recipient);

  test('F36: a recipient with an expired key gets their mail sealed to it, and the site sealed to keys.also', async () => {
    assert.match(await send('old@example.com'), new RegExp(`^250 2\\.0\\.0 ${EXPIRED} [0-9a-f]{16}$`));
    await assertReaders(await stored('old@example.com'), [old, escrow]);
    const { why, verdict, reasons } = line('old@example.com') ?? {};
    assert.deepEqual([why, verdict], ['storedLastValid', 'stored']);
    assert.match(reasons?.join() ?? '', /expired on /);
  });

  test('F36: mail that is held lies in the mailbox of its recipient, whose own key does not open it', async () => {
    for (const [address, reason] of [
      ['keyless@example.com', /^no key$/],
      ['old-held@example.com', /expired on /],
      ['gone-held@example.com', /is revoked/],
    ] as const) {
      assert.match(await send(address), new RegExp(`^250 2\\.0\\.0 ${HELD} `));
      await assertReaders(await stored(address), [hold, escrow]);
      assert.equal(line(address)?.why, 'storedHeld');
      assert.match(line(address)?.reasons?.join() ?? '', reason);
    }
  });

  test('F36: who has a valid key gets their mail sealed to that, whatever is set', async () => {
    assert.match(await send('valid@example.com'), /^250 2\.0\.0 Sealed [0-9a-f]{16}$/);
    await assertReaders(await stored('valid@example.com'), [valid, escrow]);
    assert.equal(line('valid@example.com')?.reasons, undefined);
  });

  test('F36: neither a revoked key nor a file that is half written is made the best of (451 4.7.5)', async () => {
    for (const address of [
      'gone@example.com',
      'cut@example.com',
      'cut-last@example.com',
      'waits@example.com',
    ]) {
      assert.match(await send(address), /^451 4\.7\.5 /, address);
      assert.equal(await stored(address), undefined);
    }
    assert.match(await send('bounces@example.com'), /^550 5\.7\.5 /);
    assert.match(await send('odd@example.com'), /^451 4\.4\.3 /);
  });

  testLong('a message that was held and comes again is known', async () => {
    const again = Buffer.from('Subject: again\r\n\r\nx\r\n');
    const session = await openSession(server.socketPath);
    const twice = async () => (await deliver(session, { to: ['waits@example.com'], message: again })).rcpt[0];
    assert.match((await twice()) ?? '', /^451 /);
    RECIPIENTS['held-twice@example.com'] = { unusable: 'hold' };
    assert.match(await send('held-twice@example.com', again), new RegExp(HELD));
    assert.match(await send('held-twice@example.com', again), /^250 2\.0\.0 Sealed before /);
    assert.ok((await stored('held-twice@example.com')) !== undefined);
    await session.vanish();
  });

  test('the metrics tell the three apart', async () => {
    const text = await (await fetch(`${server.metrics()}/metrics`)).text();
    for (const why of ['stored', 'storedLastValid', 'storedHeld'])
      assert.match(
        text,
        new RegExp(`^sealdir_recipients_total\\{verdict="stored",why="${why}"\\} [1-9]`, 'm'),
      );
  });

  const opened = [
    ['hold', 'keyless@example.com'],
    ['old', 'old@example.com'],
  ] as const;
  for (const [what, address] of shortOf(opened, 1)) {
    test(`sealdir open opens with its key what was sealed to it: ${what}`, async () => {
      const key = join(server.directory, `${what}.secret`);
      const { code, stdout } = await run(process.execPath, [CLI, 'open', '-k', key], {
        stdin: (await stored(address)) ?? '',
      });
      assert.equal(code, 0);
      assert.match(stdout.toString(), /nothing waits/);
    });

    testLong(`gpg does too: ${what}`, needs('gpg'), async () => {
      const sealed = (await stored(address)) ?? Buffer.alloc(0);
      const opened = await gpgDecrypt(join(server.directory, `${what}.secret`), armorOf(sealed));
      assert.match(opened.toString(), /nothing waits/);
    });
  }

  const sealdir = (args: readonly string[], stdin: Buffer | string = '') =>
    run(process.execPath, [CLI, ...args, '-c', join(server.directory, 'sealdir.toml')], { stdin });

  testLong('lookup says what a delivery would do, and names keys.also', async () => {
    const said = new Map<string, Promise<string>>();
    const ask = async (address: string) => (await sealdir(['lookup', address])).stdout.toString();
    const of = (address: string) => {
      const answer = said.get(address) ?? ask(address);
      said.set(address, answer);
      return answer;
    };
    const also = `also     ${server.directory}/escrow.asc\n`;
    assert.match(
      await of('old@example.com'),
      /unusable last-valid\nkeys +expired, sealed to all the same: .* expired on /,
    );
    assert.match(
      await of('keyless@example.com'),
      /keys +none usable, sealed to keys\.hold: no key\nhold +\/.*hold\.asc\n/,
    );
    assert.match(await of('valid@example.com'), /keys +usable\n/);
    for (const address of ['old@example.com', 'valid@example.com', 'waits@example.com'])
      assert.ok((await of(address)).endsWith(also), address);
  });

  testLong('seal goes by the same rules, exits with 0 and says so on standard error', async () => {
    for (const [address, said, reader] of [
      ['old@example.com', EXPIRED, old],
      ['keyless@example.com', HELD, hold],
    ] as const) {
      const { code, stdout, stderr } = await sealdir(['seal', '--verbose', '-r', address], MESSAGE);
      assert.equal(code, 0, stderr);
      assert.match(stderr, new RegExp(`^sealdir: ${said}: ${address}: [^\n]+\n$`));
      await assertReaders(stdout, [reader, escrow]);
    }
    const usual = await sealdir(['seal', '-r', 'valid@example.com'], MESSAGE);
    assert.deepEqual([usual.code, usual.stderr], [0, '']);
    assert.equal((await sealdir(['seal', '-r', 'gone@example.com'], MESSAGE)).code, 75);
  });

  test('F35: a key of keys.also that is gone defers everybody (451 4.7.5), until it is there again', async () => {
    const [at, aside] = ['escrow.asc', 'aside.asc'].map((name) => join(server.directory, name)) as [
      string,
      string,
    ];
    await rename(at, aside);
    const reply = () => send('valid@example.com', Buffer.from(`Subject: ${Math.random()}\r\n\r\nx\r\n`));
    await until('mail is deferred', async () => (await reply()).startsWith('451 4.7.5 A key of this site'));
    assert.match(line('valid@example.com')?.why ?? '', /stored/);
    assert.match(server.process.output(), /"reasons":\["keys\.also: escrow\.asc does not exist/);
    assert.equal((await sealdir(['seal', '-r', 'valid@example.com'], MESSAGE)).code, 75);
    const check = await sealdir(['check']);
    assert.equal(check.code, 2);
    assert.match(
      check.stdout.toString(),
      /^error: keys\.also: escrow\.asc does not exist; all mail is deferred$/m,
    );
    await rename(aside, at);
    await until('mail is taken', async () => (await reply()).startsWith('250 2.0.0 Sealed '));
  });
});

test(
  'F35: while the file system of keys.also hangs all mail is deferred (451 4.7.5), and taken when it does not',
  await needsHungMount(),
  async () => {
    let mount: HungMount | undefined;
    const server = await startChild({
      keys: { 'valid@example.com': valid.certificate },
      async prepare(directory) {
        const place = join(directory, 'mounted');
        await mkdir(place);
        mount = await HungMount.open(place);
        await writeFile(join(place, 'escrow.asc'), escrow.certificate);
        await appendFile(join(directory, 'sealdir.toml'), `also = ["${place}/escrow.asc"]\n`);
      },
    });
    const reply = async () => {
      const session = await openSession(server.socketPath);
      const { rcpt, final } = await deliver(session, { to: ['valid@example.com'], message: MESSAGE });
      await session.vanish();
      return final[0] ?? rcpt[0] ?? '';
    };
    try {
      assert.match(await reply(), /^250 2\.0\.0 Sealed /);
      mount?.hang();
      await until('mail is deferred', async () => (await reply()).startsWith('451 4.7.5 '));
      assert.match(
        server.process.output(),
        /keys\.also: escrow\.asc cannot be read \(its file system does not/,
      );
      mount?.resume();
      await until('mail is taken', async () => (await reply()).startsWith('250 2.0.0 '));
    } finally {
      await mount?.close(); // a process that waits there cannot be ended
      await server.stop();
    }
  },
);

testLong(
  'the example of README.md holds mail, and opens it again with the secret key',
  needs('gpg'),
  async () => {
    const home = await openGnupgHome();
    const [, make = '', take = ''] =
      /```\n(gpg --quick-generate-key[^`]*)```[\s\S]*?```\n(gpg --armor --export-secret-keys[^`]*)```/.exec(
        readFileSync(join(repositoryRoot(), 'README.md'), 'utf8'),
      ) ?? [];
    /** Runs the command that has these words, and returns what it writes. */
    const example = (commands: string, words: string) => {
      const line = commands.split('\n').find((each) => each.includes(words)) ?? '';
      const [command = ''] = line.split(' > ');
      return home.gpg(command.split(' ').slice(1));
    };
    const { unusable, hold: path } = exampleWith('unusable = "hold"').keys;
    await example(make, '--quick-generate-key');
    const held = await freshKey('held@example.com', past);
    const server = await startChild({
      keys: { 'held@example.com': held.certificate },
      async prepare(directory) {
        await writeFile(join(directory, basename(path)), await example(make, '--export'));
        await appendFile(
          join(directory, 'sealdir.toml'),
          `unusable = "${unusable}"\nhold = "${join(directory, basename(path))}"\n`,
        );
      },
    });
    try {
      const session = await openSession(server.socketPath);
      const { final } = await deliver(session, { to: ['held@example.com'], message: MESSAGE });
      assert.match(final[0] ?? '', new RegExp(HELD));
      await session.vanish();
      const secret = join(server.directory, 'hold.secret.asc');
      await writeFile(secret, await example(take, '--export-secret-keys'), { mode: 0o600 });
      const directory = join(server.directory, 'mail/example.com/held/new');
      const [file = ''] = await readdir(directory);
      const opened = await run(process.execPath, [CLI, 'open', '-k', secret, join(directory, file)]);
      assert.match(opened.stdout.toString(), /nothing waits/, opened.stderr);
    } finally {
      await home.close();
      await server.stop();
    }
  },
);
