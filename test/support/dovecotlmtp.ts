// A private Dovecot that takes LMTP into Maildirs, as the store behind Sealdir, and shows them over IMAP.

import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type Dovecot, startDovecotImap } from './dovecot.ts';
import { leftOut, needs } from './peers.ts';

/** Where Debian's dovecot-lmtpd has it. */
const LMTP = '/usr/lib/dovecot/lmtp';

/** Returns options for node:test. */
export function needsDovecotLmtp(...others: readonly string[]): { skip: string | false } {
  const { skip } = needs('dovecot', 'doveadm', ...others);
  if (skip !== false) return { skip };
  return existsSync(LMTP) ? { skip: false } : leftOut('dovecot-lmtpd');
}

export interface DovecotLmtp extends Dovecot {
  /** As a setting has it. */
  readonly address: string;
  /** Resolves to the messages in the INBOX of a user in example.com, the oldest first. */
  stored(local: string): Promise<Buffer[]>;
}

/** Users by their local parts, with extra fields of passwd-file(5), as Dovecot calls it. */
export type Users = Readonly<Record<string, string>>;

/** Its Maildirs are at `<dir>/mail/example.com/{local}`. `more`: lines of configuration to add. */
export async function startDovecotLmtp(dir: string, users: Users, more = ''): Promise<DovecotLmtp> {
  const file = join(dir, 'users');
  const names = Object.entries(users);
  await writeFile(
    file,
    names.map(([local, extra]) => `${local}@example.com:{PLAIN}pass::::::${extra}\n`).join(''),
  );
  const mail = join(dir, 'mail/example.com');
  await mkdir(mail, { recursive: true });
  const isRoot = userInfo().uid === 0;
  const owner = isRoot ? 'uid=nobody gid=nogroup' : `uid=${userInfo().uid} gid=${userInfo().gid}`;
  const dovecot = await startDovecotImap({
    dir,
    more: `protocols = imap lmtp
disable_plaintext_auth = no
recipient_delimiter = +
mail_plugins = quota
plugin {
  quota = count:User quota
  quota_vsizes = yes
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
}
protocol lmtp {
  auth_username_format = %u
}
passdb {
  driver = passwd-file
  args = username_format=%u ${file}
}
userdb {
  driver = passwd-file
  args = username_format=%u ${file}
  override_fields = ${owner} home=${dir}/home/%u
}
${more}`,
  });
  await mkdir(join(dir, 'home'));
  await dovecot.adopt(join(dir, 'home'));
  await dovecot.adopt(join(dir, 'mail'));
  return {
    ...dovecot,
    address: `lmtp:unix:${join(dir, 'dovecot/run/lmtp')}`,
    async stored(local) {
      const at = join(mail, local, 'new');
      const found = await readdir(at).catch(() => []);
      const sorted = found.map((name) => ({ name, at: whenOf(name) })).sort((a, b) => a.at - b.at);
      return Promise.all(sorted.map(({ name }) => readFile(join(at, name))));
    },
  };
}

/** Microseconds, by the name of a file: `1700000000.M123456P789.host`. */
function whenOf(name: string): number {
  const [, seconds, micros] = /^(\d+)\.M(\d+)P/.exec(name) ?? [];
  return Number(seconds) * 1e6 + Number(micros);
}
