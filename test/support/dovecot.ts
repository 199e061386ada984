// A private Dovecot with IMAP only, which reads the Maildirs of a test: 2.3, as Debian 12 has it, or 2.4,
// which test/dovecot24.sh unpacks and which runs in a root of its own. Its configuration is that which Debian
// installs, without the users of the machine, then what a test needs, then that of the test. The password of
// every user is `pass`.
//
// All of it runs as one unprivileged user, which is `nobody` if the test runs as root: Dovecot refuses mail
// of uid 0, whatever first_valid_uid says. So Maildirs made by root must be handed over with `adopt` before
// IMAP reads them.

import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { isLong } from './long.ts';
import { shipped } from './mailhost.ts';
import { needs } from './peers.ts';
import { accepts, freePort } from './port.ts';
import { type Ran, type Running, run, start } from './process.ts';
import { repositoryRoot } from './shared.ts';
import { makeTraversable } from './traversable.ts';

export type DovecotVersion = '2.3' | '2.4';

/** Versions to test: only the first in the short form. */
export const DOVECOT_VERSIONS: readonly DovecotVersion[] = isLong ? ['2.3', '2.4'] : ['2.3'];

/** Where test/dovecot24.sh unpacks it. */
const NEWER = join(repositoryRoot(), 'var/dovecot24');

/**
 * Returns options for node:test, for a test with other programs too. With SEALDIR_REQUIRE_PEERS=1 Dovecot 2.4
 * is fetched if it is not there.
 */
export async function needsDovecot(
  version: DovecotVersion,
  ...others: readonly string[]
): Promise<{ skip: string | false }> {
  if (version === '2.3') return needs('dovecot', 'doveadm', ...others);
  const { skip } = needs('root', 'unshare', 'nsenter', ...others);
  if (skip !== false) return { skip };
  const isThere = () => existsSync(join(NEWER, 'usr/sbin/dovecot'));
  if (!isThere() && process.env.SEALDIR_REQUIRE_PEERS === '1')
    await run(join(repositoryRoot(), 'test/dovecot24.sh'), []);
  // never required: where Debian 12 is to be had Debian 13 need not be
  return { skip: isThere() ? false : 'left out: needs Dovecot 2.4, which test/dovecot24.sh unpacks' };
}

export interface DovecotOptions {
  /**
   * Dovecot's own files go to `<dir>/dovecot`, and Maildirs are at `<dir>/mail/{domain}/{local}`. `dir` is
   * below the temporary directory and is made traversable.
   */
  dir: string;
  version?: DovecotVersion;
  /** The Maildir of a user if it is elsewhere, as mail_location of 2.3 has it: `/tmp/x/%d/%n:INDEX=...` */
  maildir?: string;
  /** Lines of configuration to add. With a `passdb` of its own there are those users only. */
  more?: string;
}

export interface Dovecot {
  /** The port of IMAP on 127.0.0.1, without TLS. */
  port: number;
  /** The process that is the parent of all others. */
  pid: number;
  log(): string;
  /** Runs doveadm, and resolves to what it prints. Rejects with its error message. */
  doveadm(...args: readonly string[]): Promise<string>;
  /**
   * Gives a directory and all below it to the user that Dovecot runs as. Does nothing unless the test is
   * root.
   */
  adopt(directory: string): Promise<void>;
  /**
   * From now on this process makes files as the user that Dovecot runs as, as where Sealdir's own user owns
   * all mail. Returns what ends that.
   */
  actAsOwner(): () => void;
  stop(): Promise<void>;
}

/** Every line of the log that is not about a connection has one of these. */
export const COMPLAINTS = /Warning|Error|Corrupt|Fatal|Panic/;

export async function startDovecotImap(options: DovecotOptions): Promise<Dovecot> {
  const { dir, version = '2.3', maildir = `${dir}/mail/%d/%n`, more = '' } = options;
  const home = join(dir, 'dovecot');
  const logFile = join(home, 'log');
  const site = { dir, maildir, home, port: await freePort(), owner: await owner() };
  const adopt = async (directory: string) => {
    if (!isRoot()) return;
    const { uid, gid } = site.owner;
    const { code, stderr } = await run('chown', ['-R', `${uid}:${gid}`, directory]);
    if (code !== 0) throw new Error(stderr);
  };
  await makeTraversable(dir);
  await configure(site, version, more);
  await adopt(home);
  const log = () => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '');
  const [running, doveadm] = await STARTED[version](site, log);
  return {
    port: site.port,
    log,
    async doveadm(...args) {
      const { code, stdout, stderr } = await doveadm(['-c', join(home, 'dovecot.conf'), ...args]);
      if (code !== 0) throw new Error(`doveadm ${args.join(' ')}: exit ${code}: ${stderr}`);
      return stdout.toString();
    },
    adopt,
    actAsOwner() {
      if (!isRoot()) return () => undefined;
      const { uid, gid } = site.owner;
      process.setegid?.(gid);
      process.seteuid?.(uid);
      return () => {
        process.seteuid?.(0);
        process.setegid?.(0);
      };
    },
    pid: running.pid,
    stop: async () => void (await running.stop()),
  };
}

/** Returns config/dovecot of a version, with the paths and the user of the test. */
export function shippedDovecot(dir: string, version: DovecotVersion): string {
  const written = shipped(version === '2.3' ? 'dovecot/sealdir.conf' : 'dovecot/sealdir-2.4.conf');
  return written
    .replaceAll('/var/mail/sealdir', `${dir}/mail`)
    .replaceAll('/var/lib/dovecot/sealdir', `${dir}/indexes`)
    .replace(/^mail_[ug]id = sealdir$/gm, '') // it is one user as it is
    .replace('first_valid_uid = 100', 'first_valid_uid = 1');
}

interface Site {
  readonly dir: string;
  readonly maildir: string;
  readonly home: string;
  readonly port: number;
  readonly owner: Owner;
}

interface Owner {
  readonly user: string;
  readonly group: string;
  readonly uid: number;
  readonly gid: number;
}

type Started = readonly [Running, doveadm: (args: readonly string[]) => Promise<Ran>];

const isRoot = () => userInfo().uid === 0;

async function owner(): Promise<Owner> {
  const user = isRoot() ? 'nobody' : userInfo().username;
  const id = async (what: string) => (await run('id', [what, user])).stdout.toString().trim();
  return { user, group: await id('-gn'), uid: Number(await id('-u')), gid: Number(await id('-g')) };
}

async function configure(site: Site, version: DovecotVersion, more: string): Promise<void> {
  const { home } = site;
  const installed = join(version === '2.3' ? '/' : NEWER, 'usr/share/dovecot');
  for (const name of ['', 'run', 'state']) await mkdir(join(home, name));
  for (const name of ['dovecot.conf', 'conf.d'])
    await cp(join(installed, name), join(home, name), { recursive: true });
  await rm(join(home, 'conf.d/10-ssl.conf')); // a certificate that only root may read
  const authentication = join(home, 'conf.d/10-auth.conf');
  const text = await readFile(authentication, 'utf8');
  await writeFile(authentication, text.replace('!include auth-system.conf.ext', ''));
  const hasUsers = /^passdb /m.test(more);
  const own = `${common(site)}${VERSIONS[version](site)}${hasUsers ? '' : USERS[version](site)}`;
  await writeFile(join(home, 'conf.d/98-test.conf'), own);
  await writeFile(join(home, 'conf.d/99-sealdir.conf'), more);
}

const STARTED: Readonly<Record<DovecotVersion, (site: Site, log: () => string) => Promise<Started>>> = {
  async '2.3'({ home, port, owner: { uid, gid } }, log) {
    const running = await start('dovecot', ['-F', '-c', join(home, 'dovecot.conf')], {
      ...{ ready: () => accepts(port), log, cwd: home },
      graceMs: 100, // a clean end takes 1 s, sometimes 6, and is not needed
      ...(isRoot() ? { uid, gid } : {}),
    });
    return [running, (args) => run('doveadm', args)];
  },

  async '2.4'({ home, port, owner: { uid, gid } }, log) {
    const running = await start('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', IN_ROOT], {
      ...{ ready: () => accepts(port), log, graceMs: 100 },
      env: { ROOT: NEWER, TMP: tmpdir(), OWNER: `${uid}:${gid}`, CONF: join(home, 'dovecot.conf') },
    });
    const inside = ['--target', String(running.pid), '--mount', '--root', '--wd', '--', '/usr/bin/doveadm'];
    return [running, (args) => run('nsenter', [...inside, ...args], { uid: 0 })];
  },
};

const IN_ROOT = `
mkdir -p "$ROOT$TMP"
for each in /dev /proc "$TMP" /etc/passwd /etc/group; do mount --bind "$each" "$ROOT$each"; done
exec chroot --groups= --userspec="$OWNER" "$ROOT" /usr/sbin/dovecot -F -c "$CONF"
`;

function common({ home, port, owner: { user, group } }: Site): string {
  return `base_dir = ${home}/run
state_dir = ${home}/state
log_path = ${home}/log
default_internal_user = ${user}
default_internal_group = ${group}
default_login_user = ${user}
first_valid_uid = 1
mail_privileged_group =
listen = 127.0.0.1
ssl = no
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
`;
}

const VERSIONS: Readonly<Record<DovecotVersion, (site: Site) => string>> = {
  '2.3': ({ maildir }) => `protocols = imap
mail_location = maildir:${maildir}
`,
  '2.4': ({ dir }) => `protocols {
  imap = yes
}
mail_driver = maildir
mail_path = ${dir}/mail/%{user|domain}/%{user|username}
mail_inbox_path = ${dir}/mail/%{user|domain}/%{user|username}
`,
};

const USERS: Readonly<Record<DovecotVersion, (site: Site) => string>> = {
  '2.3': ({ home, owner: { user, group } }) => `disable_plaintext_auth = no
passdb {
  driver = static
  args = password=pass
}
userdb {
  driver = static
  args = uid=${user} gid=${group} home=${home}/home/%u
}
`,
  '2.4': ({ home, owner: { user, group } }) => `auth_allow_cleartext = yes
passdb static {
  password = pass
}
userdb static {
  fields {
    uid = ${user}
    gid = ${group}
    home = ${home}/home/%{user}
  }
}
`,
};
