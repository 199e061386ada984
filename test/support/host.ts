// A machine of its own for programs that know one place only for their files, such as Exim: a mount
// namespace in which they are installed, with /etc, /run, /var/mail and so on that nobody else sees, and in
// which Sealdir is installed as its Debian package does it, with a user `sealdir`.
//
// What is outside stays as it is. When the process that holds the namespace ends, all mounts go with it.

import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ran, type Running, type RunOptions, run, type StartOptions, start } from './process.ts';
import { repositoryRoot } from './shared.ts';
import { makeTraversable } from './traversable.ts';

/** Users of the machine. Their numbers are those of nobody outside. */
export const USERS = { sealdir: 64_801, 'Debian-exim': 64_802 } as const;
export type User = keyof typeof USERS;

/** Names of the machine, beside those of /etc/hosts. */
const HOSTS = '127.0.0.1 mail.example.com\n';

/** Directories that are the machine's own, as they are at its start, and whose they are. */
const OWN: Readonly<Record<string, { readonly mode: number; readonly user?: User }>> = {
  '/etc/sealdir': { mode: 0o755 },
  '/etc/sealdir/keys': { mode: 0o755 },
  '/etc/exim4': { mode: 0o755 },
  '/run': { mode: 0o755 },
  '/run/sealdir': { mode: 0o755, user: 'sealdir' },
  '/var/mail': { mode: 0o755 },
  '/var/mail/sealdir': { mode: 0o700, user: 'sealdir' },
  '/var/lib/sealdir': { mode: 0o700, user: 'sealdir' },
  '/var/lib/exim4': { mode: 0o755 },
  '/var/spool/exim4': { mode: 0o750, user: 'Debian-exim' },
  '/var/log/exim4': { mode: 0o750, user: 'Debian-exim' },
};
const MOUNTED = Object.keys(OWN).filter((path) => !/^\/(run|etc\/sealdir|var\/mail)\/./.test(path));

const SEALDIR = `#!/bin/sh
exec /usr/lib/sealdir-node $(cat /etc/sealdir/node-options 2>/dev/null) /usr/lib/sealdir/dist/src/sealdir.cjs "$@"
`;

export interface Host {
  /** Returns where a file of the machine's own is seen from outside. */
  path(inside: string): string;
  /** As those of process.ts, on the machine. */
  run(command: string, args: readonly string[], options?: RunOptions & { user?: User }): Promise<Ran>;
  start(command: string, args: readonly string[], options: StartOptions & { user?: User }): Promise<Running>;
  /** Removes it. What was started on it has to be stopped before. */
  stop(): Promise<void>;
}

/** `packages` are roots of unpacked packages that are to be installed. */
export async function startHost(packages: readonly string[] = []): Promise<Host> {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-host-'));
  const path = (inside: string) => join(directory, 'own', inside);
  await makeTraversable(directory);
  await layOut(directory, path);
  const holder = await start('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', mounts()], {
    ready: (output) => output.includes('mounted'),
    env: { DIRECTORY: directory, REPOSITORY: repositoryRoot(), NODE: process.execPath, USR: usr(packages) },
    graceMs: 1000,
  });
  const enter = (user: User | undefined, command: string, args: readonly string[]) => [
    `--mount=/proc/${holder.pid}/ns/mnt`,
    ...(user === undefined ? [] : [`--setgid=${USERS[user]}`, `--setuid=${USERS[user]}`]),
    '--',
    command,
    ...args,
  ];
  return {
    path,
    run: (command, args, options = {}) => run('nsenter', enter(options.user, command, args), options),
    start: (command, args, options) => start('nsenter', enter(options.user, command, args), options),
    async stop() {
      await holder.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function layOut(directory: string, path: (inside: string) => string): Promise<void> {
  // bind mounts need something to be mounted on
  const over = (inside: string) => join(directory, 'over', inside);
  for (const inside of [...MOUNTED, '/usr/bin', '/usr/lib/sealdir'])
    await mkdir(over(inside), { recursive: true });
  await writeFile(over('/usr/bin/sealdir'), SEALDIR, { mode: 0o755 });
  await writeFile(over('/usr/lib/sealdir-node'), '');
  await writeFile(over('/etc/mailname'), 'host.test\n');
  await writeFile(over('/etc/email-addresses'), '');
  await writeFile(over('/etc/hosts'), `${await readFile('/etc/hosts', 'utf8')}\n${HOSTS}`);
  await addUsers(over('/etc'));
  for (const [inside, { mode, user }] of Object.entries(OWN)) {
    await mkdir(path(inside), { recursive: true });
    await chmod(path(inside), mode); // the umask may have taken bits away
    if (user !== undefined) await chown(path(inside), USERS[user], USERS[user]);
  }
}

async function addUsers(etc: string): Promise<void> {
  const names = Object.keys(USERS) as User[];
  const others = async (file: string) =>
    (await readFile(file, 'utf8'))
      .split('\n')
      .filter((line) => line !== '' && !names.some((name) => line.startsWith(`${name}:`)));
  const users = names.map(
    (name) => `${name}:x:${USERS[name]}:${USERS[name]}::/nonexistent:/usr/sbin/nologin`,
  );
  // README: usermod -aG sealdir postfix
  const groups = names.map((name) => `${name}:x:${USERS[name]}:${name === 'sealdir' ? 'postfix' : ''}`);
  await writeFile(join(etc, 'passwd'), `${[...(await others('/etc/passwd')), ...users].join('\n')}\n`);
  await writeFile(join(etc, 'group'), `${[...(await others('/etc/group')), ...groups].join('\n')}\n`);
}

function usr(packages: readonly string[]): string {
  return packages.map((root) => `${join(root, 'usr')}:`).join('');
}

function mounts(): string {
  return `
mount -t overlay overlay -o "ro,lowerdir=$DIRECTORY/over/usr:$USR/usr" /usr
mount -t overlay overlay -o "ro,lowerdir=$DIRECTORY/over/etc:/etc" /etc
mount -t overlay overlay -o "ro,lowerdir=$DIRECTORY/over/var:/var" /var
mount --bind "$REPOSITORY" /usr/lib/sealdir
mount --bind "$NODE" /usr/lib/sealdir-node
${MOUNTED.map((inside) => `mount --bind "$DIRECTORY/own${inside}" ${inside}`).join('\n')}
echo mounted
exec sleep infinity
`;
}
