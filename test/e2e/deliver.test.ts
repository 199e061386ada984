// `sealdir deliver` with a real server: what is stored, and what a mail server is told when it is not.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CLI } from '../support/child.ts';
import { shortOf } from '../support/long.ts';
import { run } from '../support/process.ts';
import { startSealdir, type TestServer, tomlFor } from '../support/sealdir.ts';
import { makeKey, readSealed } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const MESSAGE = 'Subject: x\n\nx\n';
const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
const EXPIRED = 'expired@example.com';

describe('sealdir deliver', () => {
  let server: TestServer;
  let config = '';
  const key = makeKey(ALICE);

  before(async () => {
    const { certificate } = await key;
    const keys = {
      [ALICE]: certificate,
      [BOB]: certificate,
      'dot@example.com': certificate,
      [EXPIRED]: 'no key',
    };
    server = await startSealdir({ keys, toml: { lmtp: 'max_message_size = "1MiB"' } });
    config = join(server.directory, 'sealdir.toml');
    await writeFile(config, tomlFor(server.directory, {}));
  });
  after(() => server.stop());

  const deliver = (args: readonly string[], stdin: string | Buffer, file = config) =>
    run(process.execPath, [CLI, 'deliver', '-c', file, ...args], { stdin });

  test('a message for several recipients is stored for each, with CRLF, its dots and its sender', async () => {
    const message = 'Subject: x\n\n.one\n..two\n.\nend without a line end';
    const { code, stderr } = await deliver(['-f', 'me@example.org', ALICE, BOB], message);
    assert.equal(`${code} ${stderr}`, '0 ');
    for (const address of [ALICE, BOB]) {
      const stored = await server.stored(address);
      assert.match(stored.toString(), /^Return-Path: <me@example\.org>$/m);
      const opened = await readSealed(stored, await key);
      assert.equal(opened.toString(), `${message.replaceAll('\n', '\r\n')}\r\n`);
    }
  });

  test('the detail, and a sender in brackets or none, are those of the envelope', async () => {
    for (const [sender, path] of [
      ['<you@example.org>', '<you@example.org>'],
      ['', '<>'],
      ['<>', '<>'],
    ] as const) {
      const { code } = await deliver(
        ['-f', sender, '-a', 'lists', 'dot@example.com'],
        `Subject: ${sender}\n\nx\n`,
      );
      assert.equal(code, 0);
      const outcome = server.outcomes().at(-1);
      assert.equal(outcome?.recipient, 'dot+lists@example.com');
      const stored = await server.stored('dot@example.com', outcome?.file);
      assert.ok(stored.toString().startsWith(`Return-Path: ${path}\n`), path);
    }
  });

  test('without a configuration a message waits: no place below the working directory is meant', {
    skip: existsSync('/etc/sealdir/sealdir.toml') && 'left out: there is a configuration here',
  }, async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'sealdir-'));
    const bare = (...args: readonly string[]) =>
      run(process.execPath, [CLI, ...args], { stdin: MESSAGE, cwd });
    try {
      for (const args of [
        ['deliver', ALICE],
        ['seal', '-r', ALICE],
      ]) {
        const { code, stdout, stderr } = await bare(...args);
        assert.deepEqual([code, String(stdout), stderr], [75, '', 'sealdir: the mail store is not set up\n']);
        const told = await bare(...args, '--verbose');
        const why = 'there is no /etc/sealdir/sealdir.toml: name the configuration with -c FILE';
        assert.deepEqual([told.code, told.stderr], [75, `sealdir: the mail store is not set up\n${why}\n`]);
      }
      // somebody else's var/ is no demo of ours
      await mkdir(join(cwd, 'var/keys'), { recursive: true });
      assert.equal((await bare('deliver', ALICE)).stderr, 'sealdir: the mail store is not set up\n');
      await writeFile(join(cwd, 'var/demo-secret.asc'), '');
      assert.equal((await bare('deliver', ALICE)).stderr, 'sealdir: the mail store does not answer\n');
      if (process.getuid?.() !== 0) return;
      await chown(join(cwd, 'var/demo-secret.asc'), 65_534, 65_534);
      assert.equal((await bare('deliver', ALICE)).stderr, 'sealdir: the mail store is not set up\n');
    } finally {
      await rm(cwd, { recursive: true, force: true });
    }
  });

  const table: readonly (readonly [string, readonly string[], number, RegExp])[] = [
    ['nobody there', ['nobody@example.com'], 67, /nobody@example\.com: 550 5\.1\.1 No such recipient here/],
    ['no address', ['a@b c'], 65, /not an address/],
    ['a local part that lost its quotes', ['a b@example.com'], 67, /"a b"@example\.com: 550 5\.1\.1/],
    ['a detail of one in quotes', ['-a', 'x', '"a b"@example.com'], 67, /"a b\+x"@example\.com: 550 5\.1\.1/],
    ['an empty recipient', [''], 75, /local trouble/],
    ['an empty recipient in brackets', ['<>'], 75, /local trouble/],
    ['no usable key now', [EXPIRED], 75, /expired@example\.com: 451 4\.7\.5 /],
    ['one of several nobody', [ALICE, 'nobody@example.com'], 67, /^sealdir: nobody@example\.com: 550/],
    ['one of several later', [EXPIRED, ALICE, 'nobody@example.com'], 75, /451.*\n.*550/],
    ['nobody and no address', ['nobody@example.com', 'a@b c'], 65, /not an address/],
    ['a sender with more than a path', ['-f', 'a@b> SIZE=1', ALICE], 65, /not an address/],
    ['no recipient', [], 75, /local trouble/],
    ['an option that is none', ['--what', ALICE], 75, /local trouble/],
    ['a line end in an address', [`${ALICE}>\r\nRCPT TO:<${BOB}`], 65, /not an address/],
    ['a line end in the detail', ['-a', 'x\r\nRSET', ALICE], 65, /not an address/],
  ];
  for (const [what, args, code, said] of shortOf(table, 3)) {
    test(`${what}: exit ${code}, in words for a stranger`, async () => {
      const ran = await deliver(args, 'Subject: x\n\nx\n');
      assert.equal(ran.code, code, ran.stderr);
      assert.match(ran.stderr, said);
      assert.doesNotMatch(ran.stderr, /\/|[0-9A-F]{16}|at file|node:/);
    });
  }

  const FINE = ['220 x', '250 x', '250 2.1.0 x', '250 2.1.5 x', '354 x', '250 2.0.0 x'];
  const strange: readonly (readonly [string, number, string])[] = [
    ['its greeting', 0, '554 5.3.2 /etc/passwd'],
    ['LHLO', 1, '500 5.5.1 no'],
    ['MAIL, for want of TLS', 2, '530 5.7.0 Must issue a STARTTLS command first'],
    ['MAIL, since it does not know it', 2, '555 5.5.4 no'],
    ['RCPT, since it is out of order', 3, '503 5.5.1 no'],
    ['DATA', 4, '503 5.5.1 no'],
    ['the message, with something else than 250', 5, '221 2.0.0 bye'],
  ];
  for (const [what, at, reply] of strange) {
    test(`a server that refuses ${what}: exit 75, since nothing is wrong with the message`, async (t) => {
      const path = join(server.directory, 'strange.sock');
      const replies = FINE.with(at, reply);
      const other = createServer((socket) => {
        let turn = 0;
        let heard = '';
        const next = () => socket.write(`${replies[turn++] ?? '221 x'}\r\n`);
        next();
        // one command at a time, and a message up to its dot
        socket.on('data', (bytes) => {
          heard += bytes.toString();
          if (turn !== 5 || heard.endsWith('\r\n.\r\n')) next();
        });
        socket.on('error', () => {}); // the client has left
      });
      other.listen(path);
      await once(other, 'listening');
      t.after(() => other.close());
      const file = join(server.directory, 'strange.toml');
      await writeFile(file, `lmtp.listen = ["${path}"]`);
      const { code, stderr } = await deliver([ALICE], 'Subject: x\n\nx\n', file);
      assert.equal(code, 75, stderr);
      assert.doesNotMatch(stderr, /passwd/);
    });
  }

  test('a message over the limit is refused for good: exit 65', async () => {
    const { code, stderr } = await deliver([ALICE], `Subject: x\n\n${'x\n'.repeat(1_000_000)}`);
    assert.equal(code, 65);
    assert.match(stderr, /552 5\.3\.4 Message too big/);
  });

  test('no server, another program, a configuration with an error or none: exit 75, and no path is told', async (t) => {
    const bad = join(server.directory, 'bad.toml');
    await writeFile(bad, 'lmtp = 4');
    const odd = createServer((socket) => socket.end('HTTP/1.0 400\r\n\r\n'));
    odd.listen(join(server.directory, 'odd.sock'));
    t.after(() => odd.close());
    const at = async (name: string) => {
      const file = join(server.directory, `${name}.toml`);
      await writeFile(file, `lmtp.listen = ["${server.directory}/${name}.sock"]`);
      return file;
    };
    for (const file of [bad, join(server.directory, 'missing.toml'), await at('odd'), await at('missing')]) {
      const { code, stderr } = await deliver([ALICE], 'Subject: x\n\nx\n', file);
      assert.equal(code, 75);
      assert.match(stderr, /^sealdir: (local trouble, try again later|the mail store does not answer)\n$/);
    }
  });

  test('when it is killed before the end of the message nothing is stored', async () => {
    const before = await server.files(ALICE, 'new');
    const child = spawn(process.execPath, [CLI, 'deliver', '-c', config, ALICE], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.stdin.on('error', () => {}); // it is killed before it has read all
    child.stdin.write(`Subject: half\n\n${`${'x'.repeat(70)}\n`.repeat(8000)}`);
    await until('the message is on its way', async () => (await server.files(ALICE, 'tmp')).length > 0);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await server.drain();
    assert.deepEqual(await server.files(ALICE, 'new'), before);
    assert.deepEqual(await server.files(ALICE, 'tmp'), []);
  });
});
