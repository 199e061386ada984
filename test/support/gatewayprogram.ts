// `sealdir gateway` as an operator runs it: a process of its own, over TLS, before a Dovecot with a master
// user, with a wrapped key.

import { readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ImapFlow } from 'imapflow';
import { placeOf } from '../../src/custody/place.ts';
import { dovecotLine } from '../../src/custody/upstream.ts';
import { textOf } from '../../src/custody/wrappedfile.ts';
import { readTransferableKey } from '../../src/keys/transferable.ts';
import { CLI } from './child.ts';
import { type Dovecot, type DovecotVersion, shippedDovecot, startDovecotImap } from './dovecot.ts';
import { shipped } from './mailhost.ts';
import { freePort } from './port.ts';
import { type Running, run, start } from './process.ts';
import { makeSite, tomlFor } from './sealdir.ts';
import { makeKey, type TestKey } from './testkeys.ts';
import { type Authority, openAuthority } from './tls.ts';
import { type Enrolled, enrolled } from './wrapped.ts';

export const ALICE = 'alice@example.com';
export const NAME = 'mx.example.com';

export interface GatewayProgram {
  readonly dir: string;
  /** IMAP over TLS, and without, on 127.0.0.1. */
  readonly tlsPort: number;
  readonly port: number;
  readonly authority: Authority;
  readonly dovecot: Dovecot;
  readonly running: Running;
  readonly key: TestKey;
  readonly secrets: Enrolled['secrets'];
  /** The path of her wrapped file. */
  readonly wrapped: string;
  mailbox(below?: string): string;
  /**
   * Wraps a key for an address, in place of the one that was wrapped before, and lets the gateway log in as
   * that user. Resolves to what opens it.
   */
  enrol(address: string, key: TestKey): Promise<Enrolled['secrets']>;
  /** Stores a message as a delivery seals it. */
  store(message: Buffer): Promise<void>;
  /** Lines of its log with this event. */
  logged(event: string): Record<string, unknown>[];
  stop(): Promise<void>;
}

export interface GatewayProgramOptions {
  /** Where the directory of all that is stored is, and that of temporary files. */
  readonly parent?: string;
  /** A program that starts it, with arguments. */
  readonly before?: readonly string[];
  /** Lines of TOML under [gateway]. */
  readonly settings?: string;
}

/** `who` logs in at Dovecot: each user, with the password of their key; a master user; or nobody can. */
export async function startGatewayProgram(
  who: 'user' | 'master' | 'nobody' = 'user',
  version: DovecotVersion = '2.3',
  { parent, before = [], settings = '' }: GatewayProgramOptions = {},
): Promise<GatewayProgram> {
  const key = await makeKey(ALICE);
  const dir = await makeSite({ [ALICE]: key.certificate }, parent);
  const mailbox = (below = '') => join(dir, 'mail/example.com/alice', below);
  for (const part of ['tmp', 'new', 'cur']) await mkdir(mailbox(part), { recursive: true });
  const behind = await freePort();
  const authority = await openAuthority(dir);
  const { pem, key: keyFile } = await authority.certify('gateway', { kind: 'ec', names: [NAME] });
  const { secretKey, fingerprint } = await readTransferableKey(
    Buffer.from(key.secretKey),
    async () => undefined,
  );
  const { file, secrets } = await enrolled(ALICE, fingerprint, secretKey);
  const isMaster = who === 'master';
  const known = {
    user: dovecotLine(file),
    master: 'sealdir-gateway:{PLAIN}master-password',
    nobody: 'bob@example.com:{PLAIN}x',
  };
  await writeFile(join(dir, 'gateway.passwd'), `${known[who]}\n`);
  await mkdir(join(dir, 'indexes'));
  const more = behindConf(dir, behind, version, isMaster);
  const dovecot = await startDovecotImap({ dir, version, more });
  for (const part of ['mail', 'indexes']) await dovecot.adopt(join(dir, part));
  for (const name of ['gateway', 'cache']) await mkdir(join(dir, name), { mode: 0o700 });
  const { path: wrapped } = placeOf(join(dir, 'gateway'), ALICE);
  await writeFile(wrapped, textOf(file), { mode: 0o600 });
  await writeFile(join(dir, 'master'), 'master-password\n', { mode: 0o600 });
  const config = join(dir, 'gateway.toml');
  await writeFile(
    config,
    `${tomlFor(dir)}
[tls]
certificate = [${JSON.stringify(pem)}]
key = [${JSON.stringify(keyFile)}]
[gateway]
directory = ${JSON.stringify(join(dir, 'gateway'))}
cache_directory = ${JSON.stringify(join(dir, 'cache'))}
listen = ["tls://127.0.0.1:0", "127.0.0.1:0"]
metrics_listen = "127.0.0.1:0"
login_timeout = "4m" # whoever only waits has to be there until memory was looked at
upstream = "127.0.0.1:${behind}"
${settings}
${isMaster ? `upstream_password_file = ${JSON.stringify(join(dir, 'master'))}` : ''}
`,
  );
  const [program = '', ...args] = [...before, process.execPath, CLI, 'gateway', '-c', config];
  const running = await start(program, args, {
    ready: (output) => output.includes('"msg":"gateway listening"'),
    readyWithinMs: 60_000,
    ...(parent !== undefined && { env: { ...process.env, TMPDIR: parent } }),
  });
  const [, tlsPort, port] = /"tls:\/\/127\.0\.0\.1:(\d+)","127\.0\.0\.1:(\d+)"/.exec(running.output()) ?? [];
  let stored = 0;
  const lines = new Map([[ALICE, known[who]]]);
  return {
    async enrol(address, { secretKey: armored }) {
      const transferable = await readTransferableKey(Buffer.from(armored), async () => undefined);
      const wrapping = await enrolled(address, transferable.fingerprint, transferable.secretKey);
      if (!isMaster) lines.set(address, dovecotLine(wrapping.file));
      // in one moment, as programs do it
      await writeFile(join(dir, 'next'), `${[...lines.values()].join('\n')}\n`);
      await rename(join(dir, 'next'), join(dir, 'gateway.passwd'));
      await writeFile(join(dir, 'next'), textOf(wrapping.file), { mode: 0o600 });
      await rename(join(dir, 'next'), placeOf(join(dir, 'gateway'), address).path);
      const [local = ''] = address.split('@');
      const own = join(dir, 'mail/example.com', local);
      for (const part of ['tmp', 'new', 'cur']) await mkdir(join(own, part), { recursive: true });
      await dovecot.adopt(own);
      return wrapping.secrets;
    },
    async store(message) {
      const args = [CLI, 'seal', '-c', config, '-r', ALICE];
      const { code, stdout, stderr } = await run(process.execPath, args, { stdin: message });
      if (code !== 0) throw new Error(stderr);
      await writeFile(mailbox(`new/${1_000_000_000 + ++stored}.M1P1.host`), stdout);
      await dovecot.adopt(mailbox('new'));
    },
    ...{ dir, tlsPort: Number(tlsPort), port: Number(port), authority, dovecot, running, key, secrets },
    ...{ wrapped, mailbox },
    logged: (event) =>
      running
        .output()
        .split('\n')
        .filter((line) => line.includes(`"msg":"${event}"`))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    async stop() {
      await running.stop();
      await dovecot.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Logs alice in over TLS. */
export async function connectTlsTo(gateway: GatewayProgram, pass: string): Promise<ImapFlow> {
  const imap = new ImapFlow({
    ...{ host: '127.0.0.1', port: gateway.tlsPort, secure: true, servername: NAME, logger: false },
    ...{ auth: { user: ALICE, pass }, disableAutoIdle: true },
    tls: { ca: readFileSync(gateway.authority.file) },
  });
  imap.on('error', () => undefined);
  await imap.connect();
  return imap;
}

/** The files of config/dovecot for the test; only who is in its list can log in. */
function behindConf(dir: string, port: number, version: DovecotVersion, isMaster: boolean): string {
  const [uid, gid] =
    process.getuid?.() === 0 ? ['nobody', 'nogroup'] : [process.getuid?.(), process.getgid?.()];
  const [file, passdb] =
    version === '2.3'
      ? ['dovecot/gateway.conf', 'passdb {\n  driver = passwd-file\n']
      : ['dovecot/gateway-2.4.conf', 'passdb sealdir-gateway {\n'];
  return `${shippedDovecot(dir, version)}
${shipped(file)
  .replaceAll('/etc/dovecot/sealdir-gateway.passwd', `${dir}/gateway.passwd`)
  .replace(passdb, isMaster ? `${passdb}  master = yes\n` : passdb)
  .replace('port = 1143', `port = ${port}`)}
${isMaster ? OWN_PASSWORD[version] : ''}
${userdb(version, `${uid}`, `${gid}`, `${dir}/dovecot/home`)}`;
}

/** With a master user there has to be another list. */
const OWN_PASSWORD: Readonly<Record<DovecotVersion, string>> = {
  '2.3': 'passdb {\n  driver = static\n  args = password=users-own\n}',
  '2.4': 'passdb static {\n  password = users-own\n}',
};

function userdb(version: DovecotVersion, uid: string, gid: string, home: string): string {
  if (version === '2.3')
    return `userdb {
  driver = static
  args = uid=${uid} gid=${gid} home=${home}/%u
}
`;
  return `userdb static {
  fields {
    uid = ${uid}
    gid = ${gid}
    home = ${home}/%{user}
  }
}
`;
}
