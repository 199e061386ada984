// A machine of its own (host.ts) with Sealdir on it, as its package and README set it up, for a mail server
// that hands mail to it.

import { readFileSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Host } from './host.ts';
import type { Running } from './process.ts';
import { repositoryRoot } from './shared.ts';

export const STORE = '/var/mail/sealdir';
const CONFIG = '/etc/sealdir/sealdir.toml';

/** Binds a socket as sealdir-postfix.socket does, and starts the server with it. */
const ACTIVATE = `
import os, pwd, socket, sys
path, user = sys.argv[1], pwd.getpwnam('sealdir')
if os.path.exists(path): os.unlink(path)
s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(511)
os.chmod(path, 0o660); os.chown(path, *pwd.getpwnam('postfix')[2:4])
os.dup2(s.fileno(), 3); os.set_inheritable(3, True)
os.setgroups([]); os.setgid(user.pw_gid); os.setuid(user.pw_uid)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')
os.execv('/usr/bin/sealdir', ['sealdir', 'serve'])`;

export class MailHost {
  readonly host: Host;
  server: Running | undefined;

  constructor(host: Host) {
    this.host = host;
  }

  async configure(toml: string): Promise<void> {
    await writeFile(this.host.path(CONFIG), toml);
  }

  async startServer(): Promise<void> {
    this.server = await this.host.start('sealdir', ['serve'], { user: 'sealdir', ready: isListening });
  }

  /** As systemd does it with sealdir-postfix.socket, for `listen = ["systemd"]`. Needs python3. */
  async startServerWithSocket(path: string): Promise<void> {
    this.server = await this.host.start('python3', ['-c', ACTIVATE, path], { ready: isListening });
  }

  async stopServer(): Promise<void> {
    await this.server?.stop();
    this.server = undefined;
  }

  async setKey(address: string, certificate: string | Uint8Array): Promise<void> {
    await writeFile(this.host.path(`/etc/sealdir/keys/${address}.asc`), certificate);
  }

  /** Runs a command on the machine as root. */
  async root(command: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.host.run(command, args);
    if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${code}: ${stderr}`);
    return stdout.toString();
  }

  /** Resolves to the messages in a mailbox as they are stored, or to those with a subject. */
  async stored(address: string, subject?: string): Promise<Buffer[]> {
    const directory = this.host.path(`${mailbox(address)}/new`);
    const files = (await readdir(directory).catch(() => [])).sort();
    const all = await Promise.all(files.map((file) => readFile(join(directory, file))));
    return subject === undefined ? all : all.filter((text) => text.includes(`Subject: ${subject}\n`));
  }
}

function isListening(output: string): boolean {
  return output.includes('"msg":"listening"');
}

export function mailbox(address: string, below = ''): string {
  const [local, domain] = address.split('@');
  return join(STORE, domain ?? '', local ?? '', below);
}

/** Returns a file of config/. */
export function shipped(file: string): string {
  return readFileSync(join(repositoryRoot(), 'config', file), 'utf8');
}
