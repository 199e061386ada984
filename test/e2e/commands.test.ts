// The commands as a shell sees them: input, output, and exit codes of sysexits.h.

import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CLI } from '../support/child.ts';
import { FIXTURES, messageOfSize } from '../support/fixtures.ts';
import { shortOf, testLong } from '../support/long.ts';
import { type RunOptions, run } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { repositoryRoot } from '../support/shared.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';

const ADDRESS = 'alice@example.com';

/** The npm packages in V8's record of all scripts that a process has loaded. */
async function loadedPackages(coverage: string): Promise<string[]> {
  const [file = ''] = await readdir(coverage);
  const { result } = JSON.parse(await readFile(join(coverage, file), 'utf8')) as {
    result: { url: string }[];
  };
  assert.ok(
    result.some(({ url }) => /\/src\/bundle\/(?:cli|mta)\.cjs$/.test(url)),
    'the scripts are found',
  );
  const names = result.flatMap(
    ({ url }) => /\/node_modules\/([^./][^/]*)(?!.*\/node_modules\/)/.exec(url)?.[1] ?? [],
  );
  return [...new Set(names)].sort();
}

describe('sealdir', () => {
  let key: TestKey;
  let directory = '';
  let config = '';
  let secret = '';
  const sealdir = (args: string[], options: RunOptions = {}) =>
    run(process.execPath, [CLI, ...args], { cwd: directory, ...options });

  before(async () => {
    key = await makeKey(ADDRESS);
    directory = await makeSite({ [ADDRESS]: key.certificate, 'secret@example.com': key.secretKey });
    config = join(directory, 'sealdir.toml');
    secret = join(directory, 'secret.asc');
    await writeFile(config, tomlFor(directory));
    await writeFile(secret, key.secretKey);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  test('seal, then open, gives back the message byte for byte', async () => {
    const some = FIXTURES.filter(({ name }) => /nul bytes|nested|every byte|no header/.test(name));
    for (const { name, bytes } of [...shortOf(some, 1), { name: '2 MB', bytes: messageOfSize(2_000_000) }]) {
      const sealed = await sealdir(['seal', '-c', config, '-r', ADDRESS], { stdin: bytes });
      assert.equal(sealed.code, 0, sealed.stderr);
      assert.ok((await readSealed(sealed.stdout, key)).equals(bytes), name);
      const opened = await sealdir(['open', '-k', secret], { stdin: sealed.stdout });
      assert.equal(opened.code, 0, opened.stderr);
      assert.ok(opened.stdout.equals(bytes), name);
    }
  });

  test('seal gives LF input CRLF line ends, and needs nothing but a key file', async () => {
    const certificate = join(directory, 'keys', `${ADDRESS}.asc`);
    const sealed = await sealdir(['seal', '-k', certificate], { stdin: 'Subject: a\nX: b\n\none\ntwo\n' });
    assert.equal(sealed.code, 0, sealed.stderr);
    assert.match(
      sealed.stdout.toString(),
      /^Sealed-At-Delivery: by localhost; hop=unknown;\n\t[^\n]+ \+0000\nMIME-Version: 1\.0\nContent-Type: multipart\/encrypted; [^\n]+\nSubject: a\nX: b\n\n/,
    );
    assert.equal(
      (await readSealed(sealed.stdout, key)).toString(),
      'Subject: a\r\nX: b\r\n\r\none\r\ntwo\r\n',
    );
  });

  test('seal says why it cannot, with an exit code for the MTA and not a byte of output', async () => {
    const cases: [string[], number, RegExp][] = [
      [['seal', '-c', config, '-r', 'nobody@example.com'], 67, /no such recipient/],
      [['seal', '-c', config, '-r', 'secret@example.com'], 75, /SECRET key/],
      [['seal', '-c', config], 75, /give a recipient/],
      [
        ['seal', '-c', config, '-r', `<${ADDRESS}>`],
        75,
        /write the address without its brackets: -r 'alice@example\.com'/,
      ],
      [['seal', '-c', config, '-r', 'alice'], 67, /no such recipient/],
      [['seal', '-c', config, '-r', 'a b@c'], 65, /"a b@c" is not an address/],
      [
        ['seal', '-k', join(directory, 'none.asc')],
        75,
        /none\.asc cannot be read: no such file or directory/,
      ],
      [['seal', '-k', secret], 65, /SECRET key/],
      [['seal', '-c', join(directory, 'none.toml')], 75, /none\.toml/],
    ];
    for (const [args, code, message] of shortOf(cases, 3)) {
      const result = await sealdir([...args, '--verbose'], { stdin: 'Subject: x\n\nx\n' });
      assert.equal(result.code, code, args.join(' '));
      assert.match(result.stderr, message);
      assert.equal(result.stdout.length, 0, args.join(' '));
      const told = await sealdir(args, { stdin: 'Subject: x\n\nx\n' });
      assert.equal(told.code, code);
      // no path, no key, nothing of the configuration: it may end in a bounce
      assert.doesNotMatch(told.stderr, /\/|\.asc|\.toml|[0-9A-F]{16}|SECRET/, told.stderr);
    }
  });

  test('open refuses what is not sealed, or not for this key, and what was changed', async () => {
    const plain = await sealdir(['open', '-k', secret], { stdin: 'Content-Type: text/html\n\nhello\n' });
    assert.equal(plain.code, 65);
    assert.match(plain.stderr, /no sealed message \(its Content-Type is text\/html\)/);
    const sealed = await sealdir(['seal', '-c', config, '-r', ADDRESS], { stdin: messageOfSize(10_000) });
    const other = join(directory, 'other.asc');
    await writeFile(other, (await makeKey('bob@example.com')).secretKey);
    assert.equal((await sealdir(['open', '-k', other], { stdin: sealed.stdout })).code, 65);
    const lines = sealed.stdout.toString().split('\n');
    const middle = Math.floor(lines.length / 2);
    const line = lines[middle] ?? '';
    lines[middle] = (line.startsWith('A') ? 'B' : 'A') + line.slice(1);
    const changed = await sealdir(['open', '-k', secret], { stdin: lines.join('\n') });
    assert.equal(changed.code, 65);
    assert.equal(changed.stdout.length, 0);
  });

  testLong('open takes a passphrase from a file', async () => {
    const openpgp = await import('openpgp');
    const privateKey = await openpgp.readPrivateKey({ armoredKey: key.secretKey });
    const locked = await openpgp.encryptKey({ privateKey, passphrase: 'correct horse' });
    const file = join(directory, 'locked.asc');
    const passphrase = join(directory, 'passphrase');
    await writeFile(file, locked.armor());
    await writeFile(passphrase, 'correct horse\n');
    const sealed = await sealdir(['seal', '-c', config, '-r', ADDRESS], { stdin: 'Subject: x\r\n\r\nx\r\n' });
    const opened = await sealdir(['open', '-k', file, '--passphrase-file', passphrase], {
      stdin: sealed.stdout,
    });
    assert.equal(opened.stdout.toString(), 'Subject: x\r\n\r\nx\r\n');
    assert.match((await sealdir(['open', '-k', file], { stdin: sealed.stdout })).stderr, /--passphrase-file/);
  });

  testLong('check prints every finding with its fix, and then how many there are', async () => {
    const { code, stdout } = await sealdir(['check', '-c', config]);
    assert.equal(code, 2);
    assert.match(stdout.toString(), /^error: .*secret@example\.com\.asc holds a SECRET key\n.*\n {4}fix: /m);
    assert.match(stdout.toString(), /sealdir\.toml: 1 errors, \d+ warnings\n$/);
  });

  test('an option that a command does not have is refused, not ignored', async () => {
    const cases = [
      ['check', config],
      ['serve', config],
      ['open', 'a', 'b'],
      ['seal', '--passphrase-file', 'x'],
      ['check', '-k', 'x'],
    ];
    for (const args of shortOf(cases, 2))
      assert.equal((await sealdir(args)).code, args[0] === 'seal' ? 75 : 64, args.join(' '));
  });

  test('a bad configuration is refused with every error at its line, by every command', async () => {
    const bad = join(await mkdtemp(join(tmpdir(), 'sealdir-')), 'bad.toml');
    await writeFile(bad, '[lmtp]\nmax_recipient = 5\nmax_message_size = "big"\n');
    for (const command of shortOf(['serve', 'seal', 'check'], 2)) {
      const { code, stderr } = await sealdir([
        command,
        '-c',
        bad,
        ...(command === 'seal' ? ['--verbose'] : []),
      ]);
      assert.equal(code, command === 'seal' ? 75 : 78);
      assert.match(stderr, new RegExp(`${bad}:2: .*did you mean lmtp\\.max_recipients`));
      assert.match(stderr, new RegExp(`${bad}:3: .*max_message_size`));
    }
  });

  testLong('unknown commands and options print the usage and exit 64', async () => {
    assert.equal((await sealdir([])).code, 64);
    assert.equal((await sealdir(['frobnicate'])).code, 64);
    assert.equal((await sealdir(['open', '--frobnicate'])).code, 64);
    const help = await sealdir(['--help']);
    assert.equal(help.code, 0);
    assert.match(help.stdout.toString(), /sealdir serve/);
  });

  test('--version prints the version of package.json', async () => {
    const { version } = JSON.parse(await readFile(join(repositoryRoot(), 'package.json'), 'utf8'));
    const { code, stdout } = await sealdir(['--version']);
    assert.equal(code, 0);
    assert.equal(stdout.toString(), `sealdir ${version}\n`);
  });

  test('where a part of the program is missing, `seal` asks the MTA to try again', async (t) => {
    const broken = await mkdtemp(join(directory, 'broken-'));
    t.after(() => rm(broken, { recursive: true }));
    await copyFile(CLI, join(broken, 'sealdir.cjs'));
    for (const command of ['seal', 'check']) {
      const { code, stdout, stderr } = await run(process.execPath, [join(broken, 'sealdir.cjs'), command]);
      assert.equal(code, 75);
      assert.equal(stdout.length, 0);
      if (command === 'seal') assert.equal(stderr, 'sealdir: local trouble, try again later\n');
    }
  });

  test('a command loads the packages it needs and no others', async () => {
    const packagesOf = async (args: string[]) => {
      const coverage = await mkdtemp(join(directory, 'coverage-'));
      const stdin = 'Subject: x\r\n\r\nx\r\n';
      const { stdout } = await sealdir(args, { stdin, env: { NODE_V8_COVERAGE: coverage } });
      return { names: await loadedPackages(coverage), stdout };
    };
    assert.deepEqual((await packagesOf(['--help'])).names, []);
    assert.deepEqual((await packagesOf(['--version'])).names, []);
    const sealed = await packagesOf(['seal', '-c', config, '-r', ADDRESS]);
    assert.deepEqual(sealed.names, ['openpgp']); // the others are in the bundle
    const file = join(directory, 'sealed.eml');
    await writeFile(file, sealed.stdout);
    assert.deepEqual((await packagesOf(['open', '-k', secret, file])).names, ['openpgp']);
    assert.deepEqual((await packagesOf(['check', '-c', config])).names, ['fs-ext', 'openpgp']);
  });

  testLong('serve refuses to start where it could not deliver, and says what to do', async () => {
    const broken = join(directory, 'broken.toml');
    await writeFile(broken, tomlFor(directory).replace('/mail/{domain}', '/not-mounted/{domain}'));
    const { code, stderr } = await sealdir(['serve', '-c', broken]);
    assert.equal(code, 78);
    assert.match(stderr, /store\.maildir: .*not-mounted is no directory/);
  });
});
