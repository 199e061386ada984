// A private Dovecot 2.3 that takes LMTP and stores Maildirs, in plaintext or encrypted by its mail_crypt
// plugin.
//
// It is set up to promise what Sealdir promises: every message is fsynced before it is acknowledged, and so
// is the directory (mail_fsync = always). The stores belong to the user nobody, since Dovecot refuses mail of
// uid 0.

import { existsSync, readFileSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasProgram } from '../test/support/peers.ts';
import { accepts, freePort } from '../test/support/port.ts';
import { run, start } from '../test/support/process.ts';
import type { Bed } from './bed.ts';
import type { Server } from './server.ts';

export type Storing = 'plaintext' | 'mail_crypt';
/**
 * Dovecot fsyncs everything that it has written before it answers, or what it deems necessary (its default).
 */
export type MailFsync = 'always' | 'optimized';

/** Where Debian's packages have the LMTP server and the plugin. */
const LMTP = '/usr/lib/dovecot/lmtp';
const PLUGIN = '/usr/lib/dovecot/modules/lib10_mail_crypt_plugin.so';

/** dovecot-core alone has no LMTP. */
export function hasDovecot(): boolean {
  return hasProgram('dovecot') && existsSync(LMTP);
}

export function hasMailCrypt(): boolean {
  return existsSync(PLUGIN);
}

export interface Dovecot extends Server {
  /** Stores the mail of a domain in an empty directory elsewhere. */
  addDomain(domain: string, directory: string): Promise<void>;
}

export async function startDovecot(
  bed: Bed,
  storing: Storing,
  fsync: MailFsync = 'always',
): Promise<Dovecot> {
  const directory = await bed.directory('dovecot');
  const config = join(directory, 'dovecot.conf');
  const log = join(directory, 'log');
  const mail = join(directory, 'mail');
  await mkdir(mail);
  await ran('chown', ['nobody:nogroup', mail]);
  const port = await freePort();
  const plugin = storing === 'mail_crypt' ? await mailCrypt(directory) : '';
  await writeFile(config, configuration({ directory, log, mail, port, plugin, fsync }));
  const child = await start('dovecot', ['-F', '-c', config], {
    ready: () => accepts(port),
    log: () => (existsSync(log) ? readFileSync(log, 'utf8') : ''),
    cwd: directory,
    graceMs: 100, // a clean end takes seconds, and the store is thrown away anyway
  });
  const stop = async () => void (await child.stop());
  bed.atEnd(stop);
  const addDomain = async (domain: string, elsewhere: string) => {
    await ran('chown', ['nobody:nogroup', elsewhere]);
    await symlink(elsewhere, join(mail, domain));
  };
  const name = `Dovecot ${storing}${fsync === 'always' ? '' : `, mail_fsync=${fsync}`}`;
  return { name, port, pid: child.pid, stop, addDomain };
}

/** Makes global keys on a NIST curve, as the manual does. Version 2 is the newest format. */
async function mailCrypt(directory: string): Promise<string> {
  const secret = join(directory, 'secret.pem');
  const public_ = join(directory, 'public.pem');
  await ran('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${secret}.ec`]);
  await ran('openssl', ['pkcs8', '-topk8', '-nocrypt', '-in', `${secret}.ec`, '-out', secret]);
  await ran('openssl', ['pkey', '-in', secret, '-pubout', '-out', public_]);
  return `mail_plugins = mail_crypt
plugin {
  mail_crypt_global_private_key = <${secret}
  mail_crypt_global_public_key = <${public_}
  mail_crypt_save_version = 2
}
`;
}

async function ran(command: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${code}: ${stderr}`);
}

interface Slots {
  readonly directory: string;
  readonly log: string;
  readonly mail: string;
  readonly port: number;
  readonly plugin: string;
  readonly fsync: MailFsync;
}

function configuration({ directory, log, mail, port, plugin, fsync }: Slots): string {
  return `base_dir = ${directory}/run
state_dir = ${directory}/state
log_path = ${log}
protocols = lmtp
ssl = no
mail_fsync = ${fsync}
mail_location = maildir:${mail}/%d/%n
first_valid_uid = 1
default_process_limit = 300
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=${mail}/%d/%n allow_all_users=yes
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${port}
  }
  process_min_avail = 2
}
protocol lmtp {
  auth_username_format = %u
}
${plugin}`;
}
