// A private Postfix that hands every message for the given domains to one LMTP server.
//
// Its configuration, queue, data and log are under `<dir>/postfix`. Of the system's own Postfix only the
// program directory is used. It needs root, since master changes users. Mail for other domains is discarded,
// bounces included.

import { existsSync, readFileSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { accepts, freePort } from './port.ts';
import * as here from './process.ts';
import { makeTraversable } from './traversable.ts';

export interface PostfixOptions {
  /** Below the temporary directory. It is made traversable, since delivery runs as the user postfix. */
  dir: string;
  /**
   * `lmtp:inet:127.0.0.1:PORT`, or `lmtp:unix:/absolute/path` of a socket that the user postfix may write to.
   */
  transport: string;
  /** Every address of these domains is accepted, unless `settings` has other maps. */
  domains: readonly string[];
  /** Services run in a chroot where Debian's master.cf has them in one. */
  isChrooted?: boolean;
  /** The text of a main.cf, which overrides the settings of here. */
  main?: string;
  /** Mail for this domain, so bounces to its senders, goes to a Maildir that `bounces` reads. */
  returns?: string;
  /** More settings of main.cf, which override the others, as in `{ lmtp_line_length_limit: '0' }`. */
  settings?: Record<string, string>;
  /** More lines of master.cf. */
  services?: string;
  /** What runs its programs: this machine, if left out, or a host. */
  on?: Pick<typeof here, 'run' | 'start'>;
}

export interface Postfix {
  /** The port of SMTP on 127.0.0.1. */
  port: number;
  log(): string;
  /**
   * Resolves to `<queue id> <queue name> <recipient> <reason>` for each recipient that is not delivered yet.
   */
  queue(): Promise<string[]>;
  /** Resolves to the messages that were returned to senders in the domain `returns`. */
  bounces(): Promise<string[]>;
  /** Hands a message over as a program of this machine does, which no restriction of smtpd stops. */
  sendmail(from: string, to: readonly string[], message: Buffer, args?: readonly string[]): Promise<void>;
  /** Throws away all mail that waits, and all bounces. */
  clear(): Promise<void>;
  /** Has deferred mail tried again at once. */
  flush(): Promise<void>;
  stop(): Promise<void>;
}

export async function startPostfix(options: PostfixOptions): Promise<Postfix> {
  const home = join(options.dir, 'postfix');
  const config = join(home, 'etc');
  const logFile = join(home, 'log');
  const port = await freePort();
  const on = options.on ?? here;
  const postfixRun = async (
    command: string,
    args: readonly string[],
    stdin: string | Buffer = '',
  ): Promise<string> => {
    const { code, stdout, stderr } = await on.run(command, args, { stdin });
    if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${code}: ${stderr}`);
    return stdout.toString();
  };
  const programs = (await postfixRun('postconf', ['-d', '-h', 'daemon_directory'])).trim();
  await layOut(options.dir, home);
  await writeOld(join(config, 'main.cf'), mainCf(home, programs, options));
  await writeOld(join(config, 'master.cf'), masterCf(port, options));
  await postfixRun('postfix', ['-c', config, 'check']); // makes the queue directories
  // With -d master stays our child. It must lead its process group, since it ends its daemons with
  // kill(-pid).
  const log = () => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '');
  const master = await on.start(join(programs, 'master'), ['-c', config, '-d'], {
    ready: () => accepts(port),
    log,
  });
  return {
    port,
    log,
    queue: async () => parseQueue(await postfixRun('postqueue', ['-c', config, '-j'])),
    bounces: () => textsIn(join(home, 'bounces/new')),
    async sendmail(from, to, message, args = []) {
      await postfixRun('sendmail', ['-C', config, '-i', '-f', from, ...args, '--', ...to], message);
    },
    async clear() {
      await postfixRun('postsuper', ['-c', config, '-d', 'ALL']);
      await rm(join(home, 'bounces/new'), { recursive: true, force: true });
    },
    flush: async () => void (await postfixRun('postqueue', ['-c', config, '-f'])),
    stop: async () => void (await master.stop()),
  };
}

/**
 * Writes a file with an old time stamp: Postfix waits 2 s if a configuration file may still be being edited.
 */
async function writeOld(file: string, content: string): Promise<void> {
  await writeFile(file, content);
  const hourAgo = Date.now() / 1000 - 3600;
  await utimes(file, hourAgo, hourAgo);
}

async function textsIn(directory: string): Promise<string[]> {
  const files = await readdir(directory).catch(() => []);
  return Promise.all(files.map((file) => readFile(join(directory, file), 'utf8')));
}

/** A user of all systems, for mail that is no user's. */
const NOBODY = '65534';

function returnsTo(home: string, domain: string): Record<string, string> {
  return {
    transport_maps: `inline:{${domain}=returns:}`,
    virtual_mailbox_base: home,
    virtual_uid_maps: `static:${NOBODY}`,
    virtual_gid_maps: `static:${NOBODY}`,
    virtual_minimum_uid: '1',
    virtual_mailbox_limit: '0',
  };
}

async function layOut(dir: string, home: string): Promise<void> {
  const owner = Number((await here.run('id', ['-u', 'postfix'])).stdout.toString());
  await makeTraversable(dir);
  for (const name of ['', 'etc', 'queue', 'data', 'bounces']) {
    await mkdir(join(home, name));
    await chmod(join(home, name), 0o755); // the umask may have taken bits away
  }
  await chown(join(home, 'data'), owner, 0);
  await chown(join(home, 'bounces'), Number(NOBODY), Number(NOBODY));
}

function mainCf(home: string, programs: string, options: PostfixOptions): string {
  const settings: Record<string, string> = {
    compatibility_level: '3.6',
    queue_directory: join(home, 'queue'),
    data_directory: join(home, 'data'),
    daemon_directory: programs,
    maillog_file: join(home, 'log'),
    maillog_file_prefixes: home,
    myhostname: 'mx.postfix.test',
    mydestination: '',
    alias_maps: '',
    alias_database: '',
    local_recipient_maps: '',
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    mynetworks: '127.0.0.0/8',
    smtp_host_lookup: 'native',
    disable_dns_lookups: 'yes',
    smtpd_peername_lookup: 'no',
    smtpd_relay_restrictions: 'permit_mynetworks, reject',
    smtputf8_enable: 'yes',
    virtual_mailbox_domains: options.domains.join(', '),
    virtual_mailbox_maps: 'static:all',
    virtual_transport: options.transport,
    default_transport: 'discard:',
    relay_transport: 'discard:',
    message_size_limit: '0',
    mailbox_size_limit: '0',
    in_flow_delay: '0',
    ...(options.returns === undefined ? {} : returnsTo(home, options.returns)),
    ...options.settings,
  };
  const main = options.main ?? '';
  const lines = Object.entries(settings)
    .filter(([name]) => options.settings?.[name] !== undefined || !new RegExp(`^${name} =`, 'm').test(main))
    .map(([name, value]) => `${name} = ${value}\n`);
  return main + lines.join('');
}

function masterCf(port: number, { isChrooted = false, services = '' }: PostfixOptions): string {
  // The columns are service, type, private, unprivileged, chroot, wakeup, processes, command.
  const chroot = isChrooted ? 'y' : 'n';
  return `127.0.0.1:${port} inet n - ${chroot} - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - ${chroot} - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - ${chroot} - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
returns unix - n n - - virtual
  -o virtual_mailbox_maps=static:bounces/
lmtp unix - - ${chroot} - - lmtp
smtp unix - - ${chroot} - - smtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
${services}`;
}

interface QueuedMessage {
  queue_id: string;
  queue_name: string;
  recipients: { address: string; delay_reason?: string }[];
}

function parseQueue(listing: string): string[] {
  const messages = listing
    .split('\n')
    .filter(Boolean)
    .map((line): QueuedMessage => JSON.parse(line));
  return messages.flatMap(({ queue_id, queue_name, recipients }) =>
    recipients.map(({ address, delay_reason = '' }) =>
      `${queue_id} ${queue_name} ${address} ${delay_reason}`.trim(),
    ),
  );
}
