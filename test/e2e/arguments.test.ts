// What a command does with arguments that somebody got wrong: it says so in plain words, before it reads or
// waits for anything, and shows no character that a terminal obeys.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { CLI } from '../support/child.ts';
import { shortOf, testLong } from '../support/long.ts';
import { run } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { makeKey, type TestKey } from '../support/testkeys.ts';

const ADDRESS = 'alice@example.com';
const MESSAGE = 'Subject: x\r\n\r\nx\r\n';

describe('sealdir', () => {
  let key: TestKey;
  let directory = '';
  const sealdir = (args: string[], stdin: string | Uint8Array = MESSAGE) =>
    run(process.execPath, [CLI, ...args], { cwd: directory, stdin, timeoutMs: 120_000 });
  const shell = (command: string, stdin: string | Uint8Array = MESSAGE) =>
    run('bash', ['-c', command, process.execPath, CLI], { cwd: directory, stdin, timeoutMs: 120_000 });

  before(async () => {
    key = await makeKey(ADDRESS);
    directory = await makeSite({ [ADDRESS]: key.certificate });
    await writeFile(join(directory, 'sealdir.toml'), tomlFor(directory));
    await writeFile(join(directory, 'secret.asc'), key.secretKey);
    await writeFile(join(directory, 'alice.asc'), key.certificate);
    await mkdir(join(directory, 'folder'));
    await promisify(execFile)('mkfifo', [join(directory, 'pipe')]);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  test('an option that is given twice is a usage error, for every command and in every spelling', async () => {
    const cases = [
      ['seal', '--verbose', '-c', 'sealdir.toml', '-r', ADDRESS, '-r', 'bob@example.com'],
      ['seal', '--verbose', '-k', 'alice.asc', '--key=alice.asc'],
      ['open', '-k', 'secret.asc', '-ksecret.asc'],
      ['open', '-k', 'secret.asc', '--passphrase-file', 'a', '--passphrase-file', 'b'],
      ['check', '-c', 'sealdir.toml', '--config', 'sealdir.toml'],
      ['serve', '-c', 'sealdir.toml', '-c', 'sealdir.toml'],
    ];
    for (const args of shortOf(cases, 2)) {
      const { code, stdout, stderr } = await sealdir(args);
      assert.equal(code, args[0] === 'seal' ? 75 : 64, args.join(' '));
      assert.match(stderr, /^sealdir: --[a-z-]+ is given twice\n$/);
      assert.equal(stdout.length, 0);
    }
  });

  test('seal takes a recipient or a key file, not both', async () => {
    const { code, stdout, stderr } = await sealdir([
      'seal',
      '--verbose',
      '-r',
      'bob@example.com',
      '-k',
      'alice.asc',
    ]);
    assert.equal(code, 75);
    assert.match(stderr, /a recipient \(-r\) or a key \(-k\), not both/);
    assert.equal(stdout.length, 0);
  });

  testLong('what is no file is refused at once, in words', async () => {
    const sealed = (await sealdir(['seal', '--verbose', '-k', 'alice.asc'])).stdout;
    const kinds: [string, string][] = [
      ['folder', 'folder is a directory, not a '],
      ['pipe', 'pipe is a named pipe, not a '],
      ['none', 'none cannot be read: no such file or directory'],
      ['alice.asc/x', 'alice.asc/x cannot be read: not a directory'],
      ['', '"" is no name of a '],
    ];
    for (const [path, words] of shortOf(kinds, 2)) {
      const cases: [string[], number][] = [
        [['seal', '--verbose', '-k', path], 75],
        [['open', '-k', path], 66],
        [['open', '-k', 'secret.asc', path], 66],
        [['check', '-c', path], 78],
      ];
      for (const [args, code] of shortOf(cases, 3)) {
        const result = await sealdir(args, sealed);
        // what is wrong with a configuration follows its name and a colon
        const said = args.includes('-c') ? words.replace(/^\S+/, '$&:') : words;
        assert.ok(result.stderr.startsWith(`sealdir: ${said}`), `${args.join(' ')}: ${result.stderr}`);
        assert.equal(result.code, code, result.stderr);
        assert.equal(result.stdout.length, 0);
      }
    }
    await writeFile(join(directory, 'locked.asc'), await lockedKey(key));
    for (const [path, words] of shortOf(kinds, 1)) {
      const args = ['open', '-k', 'locked.asc', '--passphrase-file', path];
      const { code, stderr } = await sealdir(args, sealed);
      assert.ok(stderr.startsWith(`sealdir: ${words}`), stderr);
      assert.equal(code, 66);
    }
  });

  testLong('standard input that is a directory is refused, not sealed as an empty message', async () => {
    for (const command of ['seal --verbose -k alice.asc', 'open -k secret.asc']) {
      const { code, stdout, stderr } = await shell(`"$0" "$1" ${command} < folder`);
      assert.equal(stderr, 'sealdir: standard input is a directory, not a message\n');
      assert.equal(code, command.startsWith('seal') ? 75 : 66);
      assert.equal(stdout.length, 0);
    }
  });

  test('a usage error is one line', async () => {
    const cases = [
      ['seal', '--verbose', '--frob\nb'],
      ['seal', '--verbose', '-k', '-r', 'x'],
      ['seal', '--verbose', '-k'],
      ['seal', '--verbose', '-x'],
    ];
    for (const args of shortOf(cases, 1)) {
      const { code, stderr } = await sealdir(args);
      assert.equal(code, 75);
      assert.match(stderr, /^[^\n]+\n$/);
      assert.equal(stderr.includes('\\u000a'), args[2] === '--frob\nb', stderr);
    }
  });

  testLong('a pipe that the shell has opened is read like a file', async () => {
    const sealed = await shell('"$0" "$1" seal -k <(cat alice.asc)');
    assert.equal(sealed.code, 0, sealed.stderr);
    const opened = await shell('"$0" "$1" open -k <(cat secret.asc)', sealed.stdout);
    assert.equal(opened.stdout.toString(), MESSAGE);
    await writeFile(join(directory, 'locked.asc'), await lockedKey(key));
    await writeFile(join(directory, 'sealed.eml'), sealed.stdout);
    const command = '"$0" "$1" open -k locked.asc --passphrase-file <(echo secret) <(cat sealed.eml)';
    assert.equal((await shell(command)).stdout.toString(), MESSAGE);
    assert.equal((await shell('"$0" "$1" open -k secret.asc /dev/stdin', sealed.stdout)).code, 0);
  });

  test('seal -k has the verdict of the key directory on a file that is too large', async () => {
    const large = `${key.certificate}\n${'x'.repeat(300 * 1024)}\n`;
    await writeFile(join(directory, 'large.asc'), large);
    await writeFile(join(directory, 'keys', 'large@example.com.asc'), large);
    const byFile = await sealdir(['seal', '--verbose', '-k', 'large.asc']);
    assert.match(byFile.stderr, /large\.asc is too large \(over 256 KiB\)/);
    assert.equal(byFile.code, 65);
    const byRecipient = await sealdir(['seal', '--verbose', '-c', 'sealdir.toml', '-r', 'large@example.com']);
    assert.match(byRecipient.stderr, /large@example\.com\.asc is too large \(over 256 KiB\)/);
  });

  test('no character of an argument or a file name reaches the terminal that it would obey', async () => {
    const odd = 'a\u001b[31m\u009b\u202e\u2028\nb';
    const shown = 'a\\u001b[31m\\u009b\\u202e\\u2028\\u000ab';
    const cases = [
      ['seal', '--verbose', '-c', 'sealdir.toml', '-r', `${odd}@`],
      ['seal', '--verbose', '-c', 'sealdir.toml', '-r', 'zz\u202e@example.com'],
      ['seal', '--verbose', '-k', odd],
      ['open', '-k', odd],
      ['open', '-k', 'secret.asc', odd],
      ['check', '-c', odd],
      ['check', odd],
      ['check', `--${odd}`],
    ];
    for (const args of shortOf(cases, 3)) {
      const { stderr } = await sealdir(args);
      assert.match(stderr, /^[\x20-\x7e]+\n$/, JSON.stringify(stderr));
      assert.ok(stderr.includes(shown) || stderr.includes('zz\\u202e@'), stderr);
    }
    await writeFile(join(directory, odd), tomlFor(directory));
    const { stdout } = await sealdir(['check', '-c', odd]);
    assert.match(stdout.toString(), /^[\x20-\x7e\n]+$/);
    assert.ok(stdout.toString().includes(shown));
  });
});

async function lockedKey({ secretKey }: TestKey): Promise<string> {
  const openpgp = await import('openpgp');
  const privateKey = await openpgp.readPrivateKey({ armoredKey: secretKey });
  return (await openpgp.encryptKey({ privateKey, passphrase: 'secret' })).armor();
}
