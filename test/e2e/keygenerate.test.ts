// `sealdir key generate`: keys that gpg, sq and sqop use, locked by a passphrase that is nowhere else.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { CLI } from '../support/child.ts';
import { openGnupgHome } from '../support/gnupghome.ts';
import { isLong, shortOf, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { until } from '../support/until.ts';

const ADDRESS = 'alice@example.com';
const PASSPHRASE = 'canary horse bättery';
const MESSAGE = 'Subject: x\r\n\r\nhello\r\n';

describe('sealdir key generate', () => {
  let directory = '';
  const at = (...parts: string[]) => join(directory, ...parts);
  const sealdir = (args: readonly string[], stdin: string | Uint8Array = '') =>
    run(process.execPath, [CLI, ...args], { cwd: directory, stdin });
  const generate = (...args: string[]) => sealdir(['key', 'generate', ...args, ADDRESS]);

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    await writeFile(at('pass'), `${PASSPHRASE}\n`);
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  async function sealedMessage(): Promise<Buffer> {
    const sealed = await sealdir(['seal', '-k', `${ADDRESS}.asc`], MESSAGE);
    assert.equal(sealed.code, 0, sealed.stderr);
    await writeFile(at('sealed.eml'), sealed.stdout);
    const [armor = ''] =
      /-----BEGIN PGP MESSAGE[\s\S]*END PGP MESSAGE-----\n/.exec(sealed.stdout.toString()) ?? [];
    return Buffer.from(armor);
  }

  test('makes three files, the secret one for its owner alone, and never over one that is there', async () => {
    const made = await generate('--name', 'Alice Ex', '--passphrase-file', 'pass', '--output', 'out');
    assert.equal(made.code, 0, made.stderr);
    const modes = {
      [`${ADDRESS}.asc`]: 0o644,
      [`${ADDRESS}.revocation.asc`]: 0o600,
      [`${ADDRESS}.secret.asc`]: 0o600,
    };
    assert.deepEqual((await readdir(at('out'))).sort(), Object.keys(modes).sort());
    for (const [name, mode] of Object.entries(modes))
      assert.equal((await stat(at('out', name))).mode & 0o777, mode & ~process.umask(), name);
    const secret = await readFile(at('out', `${ADDRESS}.secret.asc`));
    const again = await generate('--passphrase-file', 'pass', '--output', 'out');
    assert.equal(again.code, 65);
    assert.match(again.stderr, /secret\.asc is there already: nothing was made/);
    assert.deepEqual(await readFile(at('out', `${ADDRESS}.secret.asc`)), secret);
    await rm(at('out', `${ADDRESS}.secret.asc`));
    assert.equal((await generate('--passphrase-file', 'pass', '--output', 'out')).code, 65);
    assert.equal((await readdir(at('out'))).length, 2);
  });

  test(
    'gpg imports, unlocks and opens with it, and knows its end and its revocation',
    needs('gpg'),
    async () => {
      const made = await generate('--name', 'Alice Ex', '--passphrase-file', 'pass', '--expires', '90d');
      assert.equal(made.code, 0, made.stderr);
      const sealed = await sealedMessage();
      const home = await openGnupgHome(PASSPHRASE);
      try {
        await home.gpg(['--import', at(`${ADDRESS}.secret.asc`)]);
        assert.equal((await home.gpg(['--decrypt'], sealed)).toString(), MESSAGE);
        const fields = (await home.gpg(['--list-keys', '--with-colons'])).toString();
        assert.match(fields, /^uid:.*:Alice Ex <alice@example\.com>:/m);
        const [, from = '', to = ''] = /^pub:[^:]*:\d+:22:\w+:(\d+):(\d+):/m.exec(fields) ?? [];
        assert.equal(Number(to) - Number(from), 90 * 24 * 3600);
        const packets = (await home.gpg(['--list-packets', at(`${ADDRESS}.secret.asc`)])).toString();
        assert.equal(packets.match(/iter\+salt S2K, algo: 9, SHA1 protection, hash: 8/g)?.length, 2, packets);
        await home.gpg(['--trust-model', 'pgp', '--check-trustdb']); // makes the file that gpg asks for
        await home.gpg(['--import', at(`${ADDRESS}.revocation.asc`)]);
        assert.match((await home.gpg(['--list-keys', '--with-colons'])).toString(), /^pub:r:/m);
      } finally {
        await home.close();
      }
    },
  );

  testLong('sqop opens with it, and sq reads it', needs('sqop', 'sq'), async () => {
    assert.equal((await generate('--passphrase-file', 'pass')).code, 0);
    const sealed = await sealedMessage();
    await writeFile(at('bare'), PASSPHRASE);
    const opened = await run(
      'sqop',
      ['decrypt', `--with-key-password=${at('bare')}`, at(`${ADDRESS}.secret.asc`)],
      {
        stdin: sealed,
      },
    );
    assert.equal(opened.stdout.toString(), MESSAGE, opened.stderr);
    const { stdout } = await run('sq', ['inspect', at(`${ADDRESS}.secret.asc`)]);
    assert.match(stdout.toString(), /Secret key: Encrypted/);
    assert.match(stdout.toString(), /UserID: <?alice@example\.com>?/);
  });

  testLong('the passphrase may come from a descriptor; none at all has to be said', async () => {
    const command = `'${process.execPath}' '${CLI}' key generate --passphrase-fd 7 ${ADDRESS} 7< pass`;
    assert.equal((await run('bash', ['-c', command], { cwd: directory })).code, 0);
    const sealed = await sealedMessage();
    await writeFile(at('message'), sealed);
    const wrong = await sealdir(['open', '-k', `${ADDRESS}.secret.asc`, 'message']);
    assert.equal(wrong.code, 65);
    assert.match(wrong.stderr, /locked: give --passphrase-file/);
    const opened = await sealdir([
      'open',
      '-k',
      `${ADDRESS}.secret.asc`,
      '--passphrase-file',
      'pass',
      'message',
    ]);
    assert.equal(opened.stdout.toString(), MESSAGE, opened.stderr);
    assert.equal((await generate('--no-passphrase', '--output', 'open')).code, 0);
    for (const [content, words] of [
      ['', /the passphrase is empty: give one, or say --no-passphrase/],
      ['\n', /the passphrase is empty/],
      ['one\ntwo\n', /has more than one line/],
    ] as const) {
      await writeFile(at('bad'), content);
      const { code, stderr } = await generate('--passphrase-file', 'bad', '--output', 'bad-out');
      assert.equal(code, 65);
      assert.match(stderr, words);
      assert.equal(existsSync(at('bad-out')), false);
    }
  });

  testLong('an address or a directory that cannot be is told, and nothing is made', async () => {
    const cases: [string[], number][] = [
      [['--no-passphrase', 'a b@example.com'], 64],
      [['--no-passphrase', '"a b"@example.com'], 64],
      [['--no-passphrase', '@example.com'], 64],
      [['--no-passphrase', '--output', '/proc/none', ADDRESS], 65],
      [['--no-passphrase', '--output', 'none/deeper', ADDRESS], 65],
      [['--no-passphrase', '--output', 'pass', ADDRESS], 65],
      [['--passphrase-file', 'none', ADDRESS], 66],
      [['--passphrase-fd', '99', ADDRESS], 66],
    ];
    for (const [args, code] of shortOf(cases, 2)) {
      const made = await sealdir(['key', 'generate', ...args]);
      assert.equal(made.code, code, `${args.join(' ')}: ${made.stderr}`);
      assert.equal(made.stdout.length, 0);
    }
    assert.deepEqual(await readdir(directory), ['pass']);
  });

  test('the passphrase is in no argument, environment or file while it is used, and there is no core', {
    ...needs('prlimit'),
    timeout: 240_000,
  }, async () => {
    await mkdir(at('out'));
    const child = waitingForPassphrase(
      ['key', 'generate', '--passphrase-fd', '3', '--output', 'out', ADDRESS],
      at(),
    );
    const { pid = 0 } = child;
    await until('core dumps are off', () => /^Max core file size +0 +0 /m.test(readOf(pid, 'limits')));
    const pipe = child.stdio[3];
    assert.ok(pipe && 'write' in pipe);
    pipe.on('error', () => undefined); // it ends with the program
    pipe.write(`${PASSPHRASE}`); // and no end: it waits, and has it
    const holds = (text: string) => text.includes(PASSPHRASE);
    assert.deepEqual(
      everyProcess().filter((each) => holds(readOf(each, 'cmdline')) || holds(readOf(each, 'environ'))),
      [],
    );
    process.kill(pid, 'SIGABRT');
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
    assert.equal(signal, 'SIGABRT');
    assert.deepEqual(await readdir(at('out')), []);
    await rm(at('pass'));
    assert.deepEqual(
      readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => /core/.test(name)),
      [],
    );
    await writeFile(at('pass'), `${PASSPHRASE}\n`);
    assert.equal((await generate('--passphrase-file', 'pass', '--output', 'out')).code, 0);
    for (const name of await readdir(at('out')))
      assert.ok(!(await readFile(at('out', name))).includes(PASSPHRASE), name);
  });

  testLong('Ctrl-C while the key is made leaves all three files or none', { timeout: 480_000 }, async () => {
    let cut = 0;
    for (let n = 0; n < 12; n += isLong ? 1 : 4) {
      const child = spawn(
        process.execPath,
        [CLI, 'key', 'generate', '--passphrase-file', 'pass', '--output', 'o', ADDRESS],
        {
          cwd: directory,
          stdio: 'ignore',
        },
      );
      const exit = once(child, 'exit');
      // at another moment each time
      const moment = setTimeout(() => child.kill('SIGINT'), 60 + n * 40);
      const [code] = (await exit) as [number | null];
      clearTimeout(moment);
      const made = existsSync(at('o')) ? await readdir(at('o')) : [];
      // it may be killed once all is done, too
      assert.ok(made.length === 3 || (code !== 0 && made.length === 0), `${code}: ${made.join()}`);
      if (code !== 0) cut++;
      await rm(at('o'), { recursive: true, force: true });
    }
    assert.ok(cut > 0, 'one was cut off at least');
  });
});

function waitingForPassphrase(args: readonly string[], cwd: string): ChildProcess {
  const command = ['-c', 'ulimit -c "$(ulimit -H -c)"; exec "$0" "$@"', process.execPath, CLI, ...args];
  return spawn('sh', command, { cwd, stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
}

function everyProcess(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

/** Empty if the process has ended, or is somebody else's. */
function readOf(pid: number, file: 'cmdline' | 'environ' | 'limits'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
