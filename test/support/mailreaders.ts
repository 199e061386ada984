// Mail clients that read a Maildir without a user: NeoMutt, driven by keystrokes on a terminal that nobody
// sees, and notmuch. Both decrypt through GnuPG, with the keys of a GnuPG home of the test's own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { programPath } from './peers.ts';
import { run } from './process.ts';

const TERMINAL_MS = 60_000;

/** Makes a Maildir of the files, named in their order. */
export async function makeMaildir(maildir: string, files: readonly Buffer[]): Promise<void> {
  for (const part of ['cur', 'new', 'tmp']) await mkdir(join(maildir, part), { recursive: true });
  await Promise.all(
    files.map((file, n) => writeFile(join(maildir, 'cur', `${1_000_000_000 + n}.M${n}.host:2,S`), file)),
  );
}

/**
 * Lists the texts that NeoMutt shows of the messages of a Maildir, decrypted and without the header that it
 * puts before each.
 */
export async function readWithNeoMutt(maildir: string, gnupgHome: string): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'neomutt-'));
  try {
    const texts = join(directory, 'texts');
    const save = join(directory, 'save');
    await mkdir(texts);
    await writeFile(save, `#!/bin/sh\nexec cat >"$(mktemp "${texts}/XXXXXXXX")"\n`, { mode: 0o755 });
    const settings = [
      `folder='${directory}'`, // it would ask whether to make its usual one
      ...['mbox_type=Maildir', 'header_cache=""', 'sort=mailbox-order', 'wait_key=no', 'sleep_time=0'],
      ...['quit=yes', 'pipe_decode=yes', 'pipe_split=yes', 'charset=iso-8859-1', 'crypt_use_gpgme=yes'],
    ];
    const rc = ['ignore *', ...settings.map((setting) => `set ${setting}`), ''].join('\n');
    await writeFile(join(directory, 'rc'), rc);
    const keys = `<tag-pattern>~A<enter><tag-prefix><pipe-message>${save}<enter><exit>`;
    const command = `neomutt -n -F '${join(directory, 'rc')}' -R -f '${maildir}' -e 'push "${keys}"'`;
    const env = { TERM: 'vt100', LC_ALL: 'C', GNUPGHOME: gnupgHome, HOME: directory };
    await runOnTerminal(command, env);
    const names = await readdir(texts);
    const shown = await Promise.all(names.map((name) => readFile(join(texts, name), 'latin1')));
    return shown.map((text) => text.replace(/^.*?\nContent-Type: [^\n]*\n\n/s, ''));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * Runs a command on a terminal of its own, and returns what it wrote there. The input stays open, since
 * script(1) types ^D when it ends.
 */
async function runOnTerminal(command: string, env: Record<string, string>): Promise<string> {
  const child = spawn(programPath('script') ?? 'script', ['-qefc', command, '/dev/null'], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: TERMINAL_MS,
  });
  const screen: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => screen.push(bytes));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${command}: exit ${code}: ${Buffer.concat(screen)}`);
  return Buffer.concat(screen).toString();
}

/** Lists what notmuch shows of the messages of a Maildir, decrypted: their structure and all texts. */
export async function readWithNotmuch(maildir: string, gnupgHome: string): Promise<string[]> {
  return withNotmuch(maildir, gnupgHome, async (notmuch) => {
    const ids = (await notmuch('search', '--output=messages', '*')).toString().split('\n').filter(Boolean);
    const texts: string[] = [];
    for (const id of ids)
      texts.push((await notmuch('show', '--format=text', '--decrypt=true', '--part=0', id)).toString());
    return texts;
  });
}

type Notmuch = (...args: string[]) => Promise<Buffer>;

/** Has notmuch read a Maildir, insides too (`index.decrypt`), and then `use` run its commands. */
export async function withNotmuch<T>(
  maildir: string,
  gnupgHome: string,
  use: (notmuch: Notmuch) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'notmuch-'));
  try {
    const config = join(directory, 'config');
    await writeFile(
      config,
      `[database]\npath=${join(directory, 'mail')}\n[user]\nprimary_email=a@example.org\n[new]\ntags=new\n[index]\ndecrypt=true\n`,
    );
    await mkdir(join(directory, 'mail'));
    await symlink(maildir, join(directory, 'mail/box'));
    const env = { NOTMUCH_CONFIG: config, GNUPGHOME: gnupgHome, HOME: directory };
    const notmuch = async (...args: string[]) => {
      const { code, stdout, stderr } = await run('notmuch', args, { env });
      if (code !== 0) throw new Error(`notmuch ${args.join(' ')}: exit ${code}: ${stderr}`);
      return stdout;
    };
    await notmuch('new');
    return await use(notmuch);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
