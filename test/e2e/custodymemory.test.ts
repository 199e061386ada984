// Passwords and codes are in the process of the command that needs them, and nowhere else: not in another
// process while it runs or afterwards, in no file, argument, environment or core. The tests do not know these
// secrets: they are made by programs that have ended, and lie in files in memory.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { CLI } from '../support/child.ts';
import { testLong } from '../support/long.ts';
import { type MemorySearch, mayReadMemory } from '../support/memorysearch.ts';
import { leftOut, needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { repositoryRoot } from '../support/shared.ts';
import { until } from '../support/until.ts';

const ADDRESS = 'alice@example.com';
const SEARCH = join(repositoryRoot(), 'dist/test/support/memorysearch.js');
const WRAPPED = `home/${ADDRESS}.wrapped`;

/** Commands of a shell. Each has its secret from descriptor 7 or 8, and `secret` is the file with it. */
const COMMANDS: readonly { readonly secret: string; readonly args: string; readonly redirect: string }[] = [
  {
    secret: 'first',
    args: `enroll --into home --new-password-fd 8 --print-codes ${ADDRESS}`,
    redirect: '8< "$S/first" > "$S/codes"',
  },
  {
    secret: 'recovery',
    args: `slots add --file ${WRAPPED} --device phone --print-codes --password-fd 7`,
    redirect: '7< "$S/recovery" > "$S/phone"',
  },
  {
    secret: 'second',
    args: `slots change --file ${WRAPPED} --password-fd 7 --new-password-fd 8`,
    redirect: '7< "$S/first" 8< "$S/second" > said',
  },
  {
    secret: 'recovery',
    args: `recover --into opened --password-fd 7 ${WRAPPED}`,
    redirect: '7< "$S/recovery" > said',
  },
];

let directory = '';
let secrets = '';

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  secrets = await mkdtemp('/dev/shm/sealdir-');
  await mkdir(join(directory, 'home'));
});
after(async () => {
  for (const each of [directory, secrets]) await rm(each, { recursive: true, force: true });
});

const env = () => ({ S: secrets, HOME: directory, TMPDIR: directory });

/** Runs a line of a shell, which ends. */
async function shell(line: string): Promise<void> {
  const { code, stderr } = await run('sh', ['-ec', line], { cwd: directory, env: env() });
  assert.equal(code, 0, `${line}: ${stderr}`);
}

async function search(secret: string, pid?: number): Promise<MemorySearch> {
  const args = [SEARCH, join(secrets, secret), ...(pid === undefined ? [] : [String(pid)])];
  const { code, stdout, stderr } = await run(process.execPath, args);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout.toString()) as MemorySearch;
}

/** Starts a command in place of a shell, so that its pid is known. */
function begin(args: string, redirect: string) {
  const line = `exec '${process.execPath}' '${CLI}' ${args} ${redirect} 2>> stderr`;
  return spawn('sh', ['-c', line], { cwd: directory, env: { ...process.env, ...env() }, stdio: 'ignore' });
}

testLong(
  'a password or code is in no other process while a command runs and afterwards, and in no file',
  {
    ...(mayReadMemory() ? {} : leftOut('the right to read the memory of other processes')),
    timeout: 600_000,
  },
  async (t) => {
    for (const name of ['first', 'second']) await shell(`head -c 30 /dev/urandom | base64 > "$S/${name}"`);
    for (const { secret, args, redirect } of COMMANDS) {
      const child = begin(args, redirect);
      const ended = once(child, 'exit');
      const during = await search(secret, child.pid);
      assert.deepEqual([during.found, during.shown], [[], []], args);
      // init of a container may have rights that nobody else in it has
      assert.ok(during.closed.length <= 1, `${during.closed}`);
      assert.deepEqual(await ended, [0, null], await readFile(join(directory, 'stderr'), 'utf8'));
      if (secret === 'first')
        await shell(`grep -Eo '([0-9A-Z]{4}-){6}[0-9A-Z]{4}' "$S/codes" | tail -n 1 > "$S/recovery"`);
      const later = await search(secret);
      assert.deepEqual(later.found, [], args);
      assert.ok(later.processes > 2 && later.bytes > 2 ** 20, `${later.processes} processes were read`);
      // grep finds each of them where they are meant to be
      for (const each of [secret, 'recovery'])
        await shell(`grep -qF -f "$S/${each}" -r "$S" && ! grep -F -f "$S/${each}" -r .`);
      t.diagnostic(
        `${args.split(' ')[0]}: ${during.processes} processes, ${Math.round(during.bytes / 2 ** 20)} MiB`,
      );
    }
    assert.deepEqual(await readdir(join(directory, 'opened')), [`${ADDRESS}.secret.asc`]);
  },
);

/** Kills a process when it has the memory of a derivation. Resolves to what bash says of its end. */
async function killed(command: string, signal: string, hasBegun: (pid: number) => boolean): Promise<string> {
  const line = `ulimit -c "$(ulimit -H -c)"; ${command} & echo $! > pid; wait $!`;
  const shell = spawn('bash', ['-c', line], { cwd: directory, env: { ...process.env, ...env() } });
  const said: Buffer[] = [];
  shell.stderr.on('data', (each: Buffer) => said.push(each));
  const closed = once(shell, 'close');
  let pid = 0;
  await until(`${command} is at work`, () => {
    pid = existsSync(join(directory, 'pid')) ? Number(readFileSync(join(directory, 'pid'), 'utf8')) : 0;
    return pid > 0 && hasBegun(pid);
  });
  process.kill(pid, signal);
  await closed;
  await rm(join(directory, 'pid'));
  return Buffer.concat(said).toString();
}

const memoryOf = (pid: number) =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1024;

testLong(
  'a command that crashes with a password in its memory writes no core, where other programs do',
  { ...needs('bash'), timeout: 600_000 },
  async (t) => {
    const program = `'${process.execPath}'`;
    const other = await killed(`${program} -e 'setInterval(() => {}, 1000)'`, 'SIGSEGV', () => true);
    const cores = async () => (await readdir(directory)).filter((name) => name.startsWith('core'));
    const isPlain = !readFileSync('/proc/sys/kernel/core_pattern', 'utf8').includes('/');
    if (!/core dumped/.test(other) || !isPlain || (await cores()).length === 0)
      return t.skip('left out: needs a system on which a program that crashes writes a core beside it');
    await shell('rm -f core*; head -c 30 /dev/urandom | base64 > "$S/crash"');
    await shell(`${program} '${CLI}' enroll --into crash --print-codes ${ADDRESS} > "$S/printed"`);
    await shell(`grep -Eo '([0-9A-Z]{4}-){6}[0-9A-Z]{4}' "$S/printed" | tail -n 1 > "$S/code"`);
    const wrapped = `crash/${ADDRESS}.wrapped`;
    const scrypt = (pid: number) => memoryOf(pid) > 160 * 2 ** 20; // with its 128 MiB
    const commands = [
      `enroll --into crashed --new-password-fd 7 --print-codes ${ADDRESS} 7< "$S/crash"`,
      `slots add --file ${wrapped} --device x --print-codes --password-fd 7 7< "$S/code"`,
      `recover --password-fd 7 ${wrapped} 7< "$S/code"`,
    ];
    for (const command of commands)
      for (const signal of ['SIGSEGV', 'SIGABRT']) {
        const said = await killed(`${program} '${CLI}' ${command} > /dev/null`, signal, scrypt);
        assert.match(said, /(Segmentation fault|Aborted)/, command);
        assert.equal(/core dumped/.test(said), false, `${command}: ${said}`);
        assert.deepEqual(await cores(), []);
      }
  },
);
