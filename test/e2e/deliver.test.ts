// `sealdir deliver` with a real server: what is stored, and what a mail server is told when it is not.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CLI } from '../support/child.ts';
import { run } from '../support/process.ts';
import { startSealdir, type TestServer, tomlFor } from '../support/sealdir.ts';
import { makeKey, readSealed } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

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

  const table: readonly (readonly [string, readonly string[], number, RegExp])[] = [
    ['nobody there', ['nobody@example.com'], 67, /nobody@example\.com: 550 5\.1\.1 No such recipient here/],
    ['no address', ['a b@example.com'], 65, /501 5\.1\.3 /],
    ['no usable key now', [EXPIRED], 75, /expired@example\.com: 451 4\.7\.5 /],
    ['one of several nobody', [ALICE, 'nobody@example.com'], 67, /^sealdir: nobody@example\.com: 550/],
    ['one of several later', [EXPIRED, ALICE, 'nobody@example.com'], 75, /451.*\n.*550/],
    ['nobody and no address', ['nobody@example.com', 'a b@example.com'], 65, /550.*\n.*501/],
    ['a sender with more than a path', ['-f', 'a@b> SIZE=1', ALICE], 65, /not an address/],
    ['no recipient', [], 75, /local trouble/],
    ['an option that is none', ['--what', ALICE], 75, /local trouble/],
    ['a line end in an address', [`${ALICE}>\r\nRCPT TO:<${BOB}`], 65, /not an address/],
    ['a line end in the detail', ['-a', 'x\r\nRSET', ALICE], 65, /not an address/],
  ];
  for (const [what, args, code, said] of table) {
    test(`${what}: exit ${code}, in words for a stranger`, async () => {
      const ran = await deliver(args, 'Subject: x\n\nx\n');
      assert.equal(ran.code, code, ran.stderr);
      assert.match(ran.stderr, said);
      assert.doesNotMatch(ran.stderr, /\/|[0-9A-F]{16}|at file|node:/);
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
