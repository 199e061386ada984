// A private Cyrus that takes LMTP on a Unix socket, as the store behind Sealdir. It runs as `nobody` from
// what test/cyrus.sh unpacks, with a configuration of its own. The first message to a user makes their
// mailbox.

import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { leftOut, needs } from './peers.ts';
import { run, start } from './process.ts';
import { repositoryRoot } from './shared.ts';
import { makeTraversable } from './traversable.ts';

const ROOT = join(repositoryRoot(), 'var/cyrus/usr/lib');
const program = (name: string) => join(ROOT, 'cyrus/bin', name);

/** Options for node:test. With SEALDIR_REQUIRE_PEERS=1 Cyrus is fetched if it is not there. */
export async function needsCyrus(...others: readonly string[]): Promise<{ skip: string | false }> {
  const { skip } = needs('root', ...others);
  if (skip !== false) return { skip };
  const isThere = () => existsSync(program('lmtpd'));
  if (!isThere() && process.env.SEALDIR_REQUIRE_PEERS === '1')
    await run(join(repositoryRoot(), 'test/cyrus.sh'), []);
  return isThere() ? { skip: false } : leftOut('Cyrus: test/cyrus.sh unpacks it');
}

export interface Cyrus {
  /** As a setting has it. */
  readonly address: string;
  /** Resolves to the messages in the INBOX of a user in example.com, the oldest first, with CRLF. */
  stored(local: string): Promise<Buffer[]>;
  stop(): Promise<void>;
}

/** All its files are below `<dir>/cyrus`. `users`: local parts of those in example.com that can get mail. */
export async function startCyrus(dir: string, users: readonly string[], quotaKiB: number): Promise<Cyrus> {
  const home = join(dir, 'cyrus');
  const socket = join(home, 'lmtp');
  await makeTraversable(dir);
  await mkdir(home);
  const conf = ['', 'proc', 'db', 'log', 'msg', 'socket'].map((name) => join(home, 'conf', name));
  for (const each of [...conf, join(home, 'spool')]) await mkdir(each);
  const imapd = join(home, 'imapd.conf');
  await writeFile(
    imapd,
    `configdirectory: ${home}/conf
partition-default: ${home}/spool
defaultpartition: default
cyrus_user: nobody
cyrus_group: nogroup
virtdomains: userid
defaultdomain: example.com
unixhierarchysep: yes
autocreate_post: yes
autocreate_users: ${users.join(' ')}
autocreate_quota: ${quotaKiB}
munge8bit: no
lmtpsocket: ${socket}
idlesocket: ${home}/idle
notifysocket: ${home}/notify
proc_path: ${home}/conf/proc
mboxname_lockpath: ${home}/conf/lock
`,
  );
  const services = join(home, 'cyrus.conf');
  await writeFile(
    services,
    `START {
  recover cmd="${program('ctl_cyrusdb')} -C ${imapd} -r"
}
SERVICES {
  lmtp cmd="${program('lmtpd')} -C ${imapd}" listen="${socket}" prefork=0
}
EVENTS {
}
`,
  );
  const { code, stderr } = await run('chown', ['-R', 'nobody:nogroup', home]);
  if (code !== 0) throw new Error(stderr);
  const env = { LD_LIBRARY_PATH: join(ROOT, 'x86_64-linux-gnu') };
  const log = join(home, 'log');
  const args = ['-D', '-C', imapd, '-M', services, '-p', join(home, 'pid'), '-L', log];
  const running = await start(program('master'), args, {
    ready: () => answers(socket),
    log: () => (existsSync(log) ? readFileSync(log, 'utf8') : ''),
    cwd: home,
    env,
  });
  return {
    address: `lmtp:unix:${socket}`,
    async stored(local) {
      // in 3.6 the directory of a mailbox has the name of its unique id
      const found = await run(program('mbpath'), ['-C', imapd, `user/${local}@example.com`], { env });
      const at = found.stdout.toString().trim();
      // the names of messages are their UIDs, and a dot
      const names = (await readdir(at).catch(() => [])).filter((name) => /^\d+\.$/.test(name));
      const sorted = names.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
      return Promise.all(sorted.map((name) => readFile(join(at, name))));
    },
    stop: async () => void (await running.stop()),
  };
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('data', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.once('data', () => socket.end('QUIT\r\n'));
  });
}
