// `sealdir enroll`, `slots` and `recover` as a shell sees them: what a user makes at home, what an
// administrator does with it, and that other programs recover the key.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CLI } from '../support/child.ts';
import { filesBelow } from '../support/delivery.ts';
import { openGnupgHome } from '../support/gnupghome.ts';
import { isLong, testLong } from '../support/long.ts';
import { armorOf, gpgDecrypt, rnpDecrypt, sqopDecrypt } from '../support/openpgp-programs.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { tomlFor } from '../support/sealdir.ts';
import { openTerminal } from '../support/terminal.ts';
import { until } from '../support/until.ts';

const ADDRESS = 'alice@example.com';
const MESSAGE = 'From: b@example.org\r\nSubject: x\r\n\r\nhello\r\n';
const PASSWORD = 'canary gravel pocket lantern whistle';
const OTHER_PASSWORD = 'oyster window canary thunder bicycle';
const CODE = /^ {4}((?:[0-9A-Z]{4}-){6}[0-9A-Z]{4})$/m;

const base64 = (text: string) => Buffer.from(text).toString('base64').slice(0, 16);

/** Returns what strace has written as \xNN. */
const decoded = (escaped: string) => Buffer.from(escaped.replaceAll('\\x', ''), 'hex').toString('latin1');

describe('a key that is enrolled', { timeout: 300_000 }, () => {
  let directory = '';
  let code = '';
  let said = '';
  let sealed: Buffer;
  const at = (...parts: string[]) => join(directory, ...parts);
  const sealdir = async (args: readonly string[], stdin = '') => {
    const ran = await run(process.execPath, [CLI, ...args], { cwd: directory, stdin });
    assert.equal(ran.code, 0, ran.stderr);
    return ran.stdout.toString();
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    for (const name of ['keys', 'keystate', 'gateway', 'home', 'mail'])
      await mkdir(at(name), { mode: 0o700 });
    await writeFile(at('sealdir.toml'), `${tomlFor(directory)}[gateway]\ndirectory = "${at('gateway')}"\n`);
    await writeFile(at('password'), `${PASSWORD}\n`);
    await writeFile(at('other'), `${OTHER_PASSWORD}\n`);
    const args = ['--into', 'home', '--new-password-file', 'password', '--print-codes'];
    said = await sealdir(['enroll', ...args, 'Alice@Example.com']);
    code = CODE.exec(said)?.[1] ?? '';
    await writeFile(at('recovery'), code);
    await sealdir(['key', 'add', '-c', 'sealdir.toml', '--as', ADDRESS, `home/${ADDRESS}.asc`]);
    await sealdir(['slots', 'import', '-c', 'sealdir.toml', `home/${ADDRESS}.wrapped`]);
    const stored = await sealdir(['seal', '--verbose', '-c', 'sealdir.toml', '-r', ADDRESS], MESSAGE);
    await mkdir(at('mail/example.com/alice/new'), { recursive: true });
    await writeFile(at('mail/example.com/alice/new/1'), stored);
    sealed = armorOf(Buffer.from(stored));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  test('is in four files at home, those with secrets for their owner alone, and one on the server', async () => {
    const modes = {
      [`${ADDRESS}.asc`]: 0o644 & ~process.umask(),
      [`${ADDRESS}.recovery.asc`]: 0o600,
      [`${ADDRESS}.revocation.asc`]: 0o600,
      [`${ADDRESS}.wrapped`]: 0o600,
    };
    assert.deepEqual((await readdir(at('home'))).sort(), Object.keys(modes).sort());
    for (const [name, mode] of Object.entries(modes))
      assert.equal((await stat(at('home', name))).mode & 0o777, mode, name);
    assert.deepEqual(await readdir(at('gateway')), [ADDRESS]);
    assert.match(said, /Whoever administers the server/);
    assert.match(said, /as safe as the password\n {2}is hard to guess/);
  });

  test('has its code and its password in no file', async () => {
    for (const { path, bytes } of await filesBelow(at('home')))
      for (const form of [code, code.replaceAll('-', ''), base64(code), PASSWORD, base64(PASSWORD)])
        assert.equal(bytes.includes(form), false, path);
  });

  test('is recovered by plain gpg with the printed code, and not with another', needs('gpg'), async () => {
    const file = at(`home/${ADDRESS}.recovery.asc`);
    assert.equal((await gpgDecrypt(file, sealed, { passphrase: code })).toString(), MESSAGE);
    if (isLong)
      await assert.rejects(gpgDecrypt(file, sealed, { passphrase: '0000-0000-0000-0000-0000-0000-0000' }));
  });

  testLong('is recovered by rnp and sqop with the printed code', needs('rnp', 'sqop'), async () => {
    for (const decrypt of [rnpDecrypt, sqopDecrypt]) {
      const opened = await decrypt(at(`home/${ADDRESS}.recovery.asc`), sealed, { passphrase: code });
      assert.equal(opened.toString(), MESSAGE);
    }
  });

  testLong('is recovered by sq with the printed code, at a terminal', needs('sq', 'tmux'), async () => {
    await writeFile(at('sealed.asc'), sealed);
    const terminal = await openTerminal({ cwd: directory });
    try {
      await terminal.type(
        `sq decrypt --recipient-key home/${ADDRESS}.recovery.asc -o opened sealed.asc; echo code $?`,
      );
      await terminal.press('Enter');
      await terminal.shows(/password.*: ?$/im);
      await terminal.type(code);
      await terminal.press('Enter');
      await terminal.shows(/code 0/);
      assert.equal(await readFile(at('opened'), 'utf8'), MESSAGE);
    } finally {
      await terminal.close();
    }
  });

  test(
    'gets another password: no mail file is touched, and no password is in any byte that leaves the process',
    needs('strace'),
    async () => {
      const times = async () =>
        Promise.all(
          (await readdir(at('mail'), { recursive: true })).map(async (name) => {
            const { ctimeNs } = await stat(at('mail', name), { bigint: true });
            return [name, ctimeNs];
          }),
        );
      const before = await times();
      assert.ok(before.length > 3);
      const calls = 'execve,execveat,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,sendmmsg';
      const strace = ['-f', '-v', '-s', '1048576', '-xx', '-e', `trace=${calls}`, '-o', at('trace')];
      const change = [
        'slots',
        'change',
        '-c',
        'sealdir.toml',
        '--password-fd',
        '7',
        '--new-password-fd',
        '8',
      ];
      const script = `exec strace "$@" 7< '${at('password')}' 8< '${at('other')}'`;
      const args = ['-c', script, 'bash', ...strace, process.execPath, CLI, ...change, ADDRESS];
      const { code: exit, stderr } = await run('bash', args, { cwd: directory });
      assert.equal(exit, 0, stderr);
      assert.deepEqual(await times(), before);
      const trace = await readFile(at('trace'), 'latin1');
      // arguments and environments of all that is executed, and all that is written
      const shown =
        trace
          .match(/(?:\\x[0-9a-f]{2})+/g)
          ?.map(decoded)
          .join('\n') ?? '';
      assert.ok(shown.includes('--new-password-fd') && shown.includes('"fingerprint"'), 'these are seen');
      for (const secret of [PASSWORD, OTHER_PASSWORD])
        for (const form of [secret, secret.slice(0, 12), base64(secret), Buffer.from(secret).toString('hex')])
          assert.equal(shown.includes(form), false);
      const executed = [...trace.matchAll(/execve\("([^"]*)"/g)].map(([, path = '']) => decoded(path));
      const programs = new Set(executed.map((path) => path.split('/').at(-1)));
      assert.deepEqual([...programs].sort(), [process.execPath.split('/').at(-1), 'prlimit'].sort());
    },
  );

  test(
    'is opened by the new password alone, and no core is written while it is waited for',
    needs('prlimit'),
    async () => {
      const limits = 'ulimit -c "$(ulimit -H -c)"; exec "$0" "$@"';
      const command = [process.execPath, CLI, 'recover', '--password-fd', '0', at('gateway', ADDRESS)];
      const exits = [];
      for (const password of isLong ? [OTHER_PASSWORD, PASSWORD] : [OTHER_PASSWORD]) {
        const child = spawn('sh', ['-c', limits, ...command], { cwd: directory });
        try {
          const read = (file: string) => readFileSync(`/proc/${child.pid}/${file}`, 'latin1');
          await until('core dumps are off', () => /^Max core file size +0 +0 /m.test(read('limits')), 30_000);
          assert.equal(Number.parseInt(read('coredump_filter'), 16), 0);
          child.stdin.end(password);
          child.stdout.resume();
          exits.push(...(await once(child, 'close')));
        } finally {
          child.kill('SIGKILL');
        }
      }
      assert.deepEqual(exits, isLong ? [0, null, 65, null] : [0, null]);
    },
  );

  testLong(
    'killed at its fsyncs and its rename, a change leaves the old file or the new one',
    needs('strace'),
    async () => {
      const path = at('gateway', ADDRESS);
      const change = [
        'slots',
        'change',
        '-c',
        'sealdir.toml',
        '--slot',
        'password',
        '--password-file',
        'recovery',
      ];
      const command = [process.execPath, CLI, ...change, '--new-password-file', 'password', ADDRESS];
      for (const [where, isNew] of [
        ['fsync:signal=KILL:when=1', false],
        ['rename:signal=KILL:when=1', false],
        ['fsync:signal=KILL:when=2', true],
      ] as const) {
        const before = await readFile(path, 'utf8');
        const args = [
          '-f',
          '-qq',
          '-e',
          `trace=${where.split(':')[0]}`,
          '-e',
          `inject=${where}`,
          '-o',
          '/dev/null',
        ];
        const killed = await run('strace', [...args, ...command], { cwd: directory });
        assert.notEqual(killed.code, 0, where);
        const found = await readFile(path, 'utf8');
        assert.equal(found !== before, isNew, where);
        assert.match(await sealdir(['recover', '--password-file', 'recovery', path]), /PRIVATE KEY/);
      }
      await sealdir(['slots', 'revoke', '-c', 'sealdir.toml', ADDRESS, 'password']);
      assert.deepEqual(await readdir(at('gateway')), [ADDRESS], 'nothing is left of the killed ones');
    },
  );
});

describe('sealdir enroll', { timeout: 120_000 }, () => {
  let directory = '';
  const at = (...parts: string[]) => join(directory, ...parts);
  const enroll = (...args: string[]) => run(process.execPath, [CLI, 'enroll', ...args], { cwd: directory });

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    await writeFile(at('pass'), 'correct horse\n');
  });
  after(() => rm(directory, { recursive: true, force: true }));

  testLong(
    'takes a key of gpg with its passphrase, and without the secret part of its primary key',
    needs('gpg'),
    async () => {
      const home = await openGnupgHome('correct horse');
      try {
        await home.gpg(['--quick-generate-key', ADDRESS, 'default', 'default', 'never']);
        for (const [name, what] of [
          ['whole', '--export-secret-keys'],
          ['subkeys', '--export-secret-subkeys'],
        ] as const) {
          await writeFile(at(`${name}.asc`), await home.gpg(['--armor', what]));
          const locked = await enroll('--print-codes', '-k', `${name}.asc`, ADDRESS);
          assert.match(locked.stderr, /is locked: give --passphrase-file/);
          const made = await enroll(
            '--print-codes',
            '-k',
            `${name}.asc`,
            '--passphrase-file',
            'pass',
            '--into',
            name,
            ADDRESS,
          );
          assert.equal(made.code, 0, made.stderr);
          const codes = made.stdout.toString().match(new RegExp(CODE, 'gm')) ?? [];
          const sealed = await home.gpg(['--armor', '--encrypt', '--recipient', ADDRESS], MESSAGE);
          const opened = await gpgDecrypt(at(name, `${ADDRESS}.recovery.asc`), sealed, {
            passphrase: codes.at(-1)?.trim() ?? '',
          });
          assert.equal(opened.toString(), MESSAGE);
          assert.deepEqual((await readdir(at(name))).length, 3, 'no revocation, since the key is not new');
        }
      } finally {
        await home.close();
      }
    },
  );

  testLong(
    'asks for a password twice at a terminal, shows nothing of it, and its code opens the key',
    needs('tmux'),
    async () => {
      const terminal = await openTerminal({ cwd: directory, columns: 120 });
      const enter = async (text: string) => {
        await terminal.type(text);
        await terminal.press('Enter');
      };
      try {
        await enter(`'${process.execPath}' '${CLI}' enroll --into typed --password ${ADDRESS}; echo code $?`);
        await terminal.shows(/New password for alice@example\.com:$/m);
        await enter(PASSWORD);
        await terminal.shows(/once more:$/m);
        await enter(PASSWORD);
        const screen = await terminal.shows(/code 0/);
        assert.equal(screen.includes('canary'), false);
        await enter(
          `'${process.execPath}' '${CLI}' recover --into opened typed/${ADDRESS}.wrapped; echo ended $?`,
        );
        await terminal.shows(/opens the key of alice@example\.com:$/m);
        await enter(CODE.exec(screen)?.[1] ?? '');
        await terminal.shows(/ended 0/);
        assert.deepEqual(await readdir(at('opened')), [`${ADDRESS}.secret.asc`]);
      } finally {
        await terminal.close();
      }
    },
  );
});
