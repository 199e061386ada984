// A private Dovecot 2.3 with IMAP only, which reads the Maildirs of a test. The password of every user is
// `pass`.
//
// All of it runs as one unprivileged user, which is `nobody` if the test runs as root: Dovecot refuses mail
// of uid 0, whatever first_valid_uid says. So Maildirs made by root must be handed over with `adopt` before
// IMAP reads them.

import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { accepts, freePort } from './port.ts';
import { run, start } from './process.ts';
import { makeTraversable } from './traversable.ts';

export interface DovecotOptions {
  /**
   * Dovecot's own files go to `<dir>/dovecot`. `dir` is below the temporary directory and is made
   * traversable.
   */
  dir: string;
  /**
   * The Maildir of a user, in Dovecot's variables: `/tmp/x/mail/%d/%n` (%u user, %n local part, %d domain).
   */
  maildir: string;
  /** Lines of configuration to add. */
  more?: string;
}

export interface Dovecot {
  /** The port of IMAP on 127.0.0.1, without TLS. */
  port: number;
  log(): string;
  /** Runs doveadm, and resolves to what it prints. Rejects with its error message. */
  doveadm(...args: readonly string[]): Promise<string>;
  /**
   * Gives a directory and all below it to the user that Dovecot runs as. Does nothing unless the test is
   * root.
   */
  adopt(directory: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startDovecotImap(options: DovecotOptions): Promise<Dovecot> {
  const home = join(options.dir, 'dovecot');
  const logFile = join(home, 'log');
  const configFile = join(home, 'dovecot.conf');
  const port = await freePort();
  const isRoot = userInfo().uid === 0;
  const user = isRoot ? 'nobody' : userInfo().username;
  const group = await id('-gn', user);
  const adopt = async (directory: string) => {
    if (!isRoot) return;
    const { code, stderr } = await run('chown', ['-R', `${user}:${group}`, directory]);
    if (code !== 0) throw new Error(stderr);
  };
  await makeTraversable(options.dir);
  await mkdir(home);
  await mkdir(join(home, 'run'));
  await mkdir(join(home, 'state'));
  await writeFile(
    configFile,
    `${dovecotConf(home, port, user, group, options.maildir)}${options.more ?? ''}`,
  );
  await adopt(home);
  const log = () => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '');
  const dovecot = await start('dovecot', ['-F', '-c', configFile], {
    ready: () => accepts(port),
    log,
    cwd: home,
    graceMs: 100, // a clean end takes 1 s, sometimes 6, and is not needed
    ...(isRoot ? { uid: Number(await id('-u', user)), gid: Number(await id('-g', user)) } : {}),
  });
  return {
    port,
    log,
    async doveadm(...args) {
      const { code, stdout, stderr } = await run('doveadm', ['-c', configFile, ...args]);
      if (code !== 0) throw new Error(`doveadm ${args.join(' ')}: exit ${code}: ${stderr}`);
      return stdout.toString();
    },
    adopt,
    stop: async () => void (await dovecot.stop()),
  };
}

async function id(what: string, user: string): Promise<string> {
  return (await run('id', [what, user])).stdout.toString().trim();
}

function dovecotConf(home: string, port: number, user: string, group: string, maildir: string): string {
  return `base_dir = ${home}/run
state_dir = ${home}/state
log_path = ${home}/log
default_internal_user = ${user}
default_internal_group = ${group}
default_login_user = ${user}
first_valid_uid = 1
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:${maildir}
service imap-login {
  chroot =
  inet_listener imap {
    port = ${port}
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
}
passdb {
  driver = static
  args = password=pass
}
userdb {
  driver = static
  args = uid=${user} gid=${group} home=${home}/home/%u
}
`;
}
