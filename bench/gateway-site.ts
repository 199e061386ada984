// A gateway with its Dovecot for a bench: users with wrapped keys of the real cost, mailboxes of sealed
// messages, and the same messages in clear for a user who reads them at Dovecot.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { enrol, newCode } from '../src/custody/enrol.ts';
import { Derivations } from '../src/custody/kdf.ts';
import { placeOf } from '../src/custody/place.ts';
import { secretOf } from '../src/custody/slot.ts';
import { dovecotLine } from '../src/custody/upstream.ts';
import { textOf } from '../src/custody/wrappedfile.ts';
import { realWorld } from '../src/edge/world.ts';
import { type Account, accountOf } from '../src/gateway/account.ts';
import { readTransferableKey } from '../src/keys/transferable.ts';
import { CLI } from '../test/support/child.ts';
import { type Dovecot, startDovecotImap } from '../test/support/dovecot.ts';
import { sealedAs } from '../test/support/gateway.ts';
import { shipped } from '../test/support/mailhost.ts';
import { freePort } from '../test/support/port.ts';
import { type Running, start } from '../test/support/process.ts';
import { makeSite, tomlFor } from '../test/support/sealdir.ts';
import { makeKey, type TestKey } from '../test/support/testkeys.ts';
import type { Bed } from './bed.ts';

const world = realWorld('mx.example.com');
const derivations = new Derivations({ atOnce: 1, waiting: 1000, patienceMs: 60_000 });
const RULES = { rules: { subkeys: 'all', unusable: 'defer' }, world } as const;
export const CLEAR_USER = 'clear@example.com';
export const CLEAR_PASSWORD = 'pass';

export interface BenchUser {
  readonly address: string;
  /** A code of a device, whose slot has the cost of every slot. */
  readonly password: string;
}

export interface GatewayBed {
  readonly gateway: Running;
  readonly dovecot: Dovecot;
  /** IMAP without TLS on 127.0.0.1: the gateway, and Dovecot behind it. */
  readonly port: number;
  readonly behind: number;
  readonly users: readonly BenchUser[];
  /** The cache of a user. */
  cacheOf(user: BenchUser): string;
  /** The Maildir of an address. */
  mailboxOf(address: string): string;
  stop(): Promise<void>;
}

/** A message, and how often it lies in a mailbox. */
export interface Mail {
  readonly message: Buffer;
  readonly copies: number;
}

/** `mail` says what is in the mailbox of each user, by their number from 1, and of CLEAR_USER, by 0. */
export async function startGatewayBed(
  bed: Bed,
  users: number,
  mail: (user: number) => readonly Mail[],
): Promise<GatewayBed> {
  const dir = await makeSite({}, bed.root);
  const key = await makeKey('user1@example.com'); // one key for all: the bench is not about making keys
  const mailboxOf = (address: string) => {
    const [local = '', domain = ''] = address.split('@');
    return join(dir, 'mail', domain, local);
  };
  const made: BenchUser[] = [];
  const lines = [`${CLEAR_USER}:{PLAIN}${CLEAR_PASSWORD}`];
  for (const name of ['gateway', 'cache']) await mkdir(join(dir, name), { mode: 0o700 });
  const account = await accountFor(key);
  for (let n = 1; n <= users; n++) {
    bed.progress(`gateway: user ${n} of ${users} is enrolled`);
    const { user, line } = await enrolled(dir, `user${n}@example.com`, key);
    made.push(user);
    lines.push(line);
    let at = 0;
    for (const { message, copies } of mail(n)) {
      const stored = await sealedAs(account, message);
      for (let copy = 0; copy < copies; copy++) await store(mailboxOf(user.address), stored, ++at);
    }
    if (at === 0) await makeMaildir(mailboxOf(user.address));
  }
  let at = 0;
  for (const { message, copies } of mail(0))
    for (let copy = 0; copy < copies; copy++) await store(mailboxOf(CLEAR_USER), message, ++at);
  await makeMaildir(mailboxOf(CLEAR_USER));
  account.close();
  await writeFile(join(dir, 'gateway.passwd'), `${lines.join('\n')}\n`);
  const behind = await freePort();
  const dovecot = await startDovecotImap({ dir, more: behindConf(dir, behind) });
  bed.atEnd(() => dovecot.stop());
  await dovecot.adopt(join(dir, 'mail'));
  const gateway = await startProgram(dir, behind);
  bed.atEnd(() => gateway.stop());
  const [, port] = /"imap":\["127\.0\.0\.1:(\d+)"/.exec(gateway.output()) ?? [];
  return {
    ...{ gateway, dovecot, port: Number(port), behind, users: made, mailboxOf },
    cacheOf: ({ address }) => join(dir, 'cache', address),
    async stop() {
      await gateway.stop();
      await dovecot.stop();
    },
  };
}

async function enrolled(dir: string, address: string, key: TestKey) {
  const { secretKey, fingerprint } = await transferable(key);
  const password = newCode(world);
  const slot = { kind: 'device', label: 'phone', secret: secretOf(password).bytes } as const;
  const file = await enrol({ address, fingerprint }, secretKey, [slot], { derivations, world });
  await writeFile(placeOf(join(dir, 'gateway'), address).path, textOf(file), { mode: 0o600 });
  return { user: { address, password }, line: dovecotLine(file) };
}

function transferable(key: TestKey) {
  return readTransferableKey(Buffer.from(key.secretKey), async () => undefined);
}

async function accountFor(key: TestKey): Promise<Account> {
  const { secretKey, certificate } = await transferable(key);
  return accountOf(secretKey, certificate, RULES);
}

async function makeMaildir(mailbox: string): Promise<void> {
  for (const part of ['tmp', 'new', 'cur']) await mkdir(join(mailbox, part), { recursive: true });
}

async function store(mailbox: string, message: Buffer, n: number): Promise<void> {
  if (n === 1) await makeMaildir(mailbox);
  await writeFile(join(mailbox, 'cur', `${1_000_000_000 + n}.M${n}.host,S=${message.length}:2,S`), message);
}

function startProgram(dir: string, behind: number): Promise<Running> {
  const config = join(dir, 'gateway.toml');
  const text = `${tomlFor(dir)}
[gateway]
directory = ${JSON.stringify(join(dir, 'gateway'))}
cache_directory = ${JSON.stringify(join(dir, 'cache'))}
listen = ["127.0.0.1:0"]
metrics_listen = "127.0.0.1:0"
upstream = "127.0.0.1:${behind}"
max_peer_connections = 1000
`;
  return writeFile(config, text).then(() =>
    start(process.execPath, [CLI, 'gateway', '-c', config], {
      ready: (output) => output.includes('"msg":"gateway listening"'),
    }),
  );
}

function behindConf(dir: string, port: number): string {
  const [uid, gid] =
    process.getuid?.() === 0 ? ['nobody', 'nogroup'] : [process.getuid?.(), process.getgid?.()];
  return `${shipped('dovecot/gateway.conf')
    .replaceAll('/etc/dovecot/sealdir-gateway.passwd', `${dir}/gateway.passwd`)
    .replace('port = 1143', `port = ${port}`)}
userdb {
  driver = static
  args = uid=${uid} gid=${gid} home=${dir}/dovecot/home/%u
}
default_process_limit = 500
default_client_limit = 2000
protocol imap {
  mail_max_userip_connections = 500
}
`;
}
