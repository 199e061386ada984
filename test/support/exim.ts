// Debian's Exim on a machine of its own (host.ts), as its package sets it up: setuid root, its configuration
// made by update-exim4.conf from the split files, and no -C.

import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Host } from './host.ts';
import { leftOut, needs } from './peers.ts';
import { type Ran, run } from './process.ts';
import { repositoryRoot } from './shared.ts';

/** Where test/exim.sh unpacks it: a package for `startHost`. */
export const EXIM = join(repositoryRoot(), 'var/exim');

/** Options for node:test. With SEALDIR_REQUIRE_PEERS=1 Exim is fetched if it is not there. */
export async function needsExim(): Promise<{ skip: string | false }> {
  const { skip } = needs('root', 'unshare', 'nsenter');
  if (skip !== false) return { skip };
  if ((await run('unshare', ['--mount', 'true'])).code !== 0) return leftOut('a mount namespace');
  const isThere = () => existsSync(join(EXIM, 'usr/sbin/exim4'));
  if (!isThere() && process.env.SEALDIR_REQUIRE_PEERS === '1')
    await run(join(repositoryRoot(), 'test/exim.sh'), []);
  return isThere() ? { skip: false } : leftOut('Exim: test/exim.sh unpacks it');
}

export interface EximOptions {
  /** For these domains Exim takes mail, and the routers in `configuration` handle it. */
  readonly domains: readonly string[];
  /** Files in /etc/exim4/conf.d, such as `router/350_sealdir`, or in /etc/exim4, such as `../sealdir.acl`. */
  readonly configuration: Readonly<Record<string, string>>;
  /** How Debian is to make Exim's configuration: of the split files if left out, or of the single one. */
  readonly form?: 'split' | 'single';
}

export interface Exim {
  /** Takes a message in, and tries to deliver it before it resolves. */
  submit(from: string, to: readonly string[], message: string | Buffer): Promise<void>;
  /**
   * Speaks SMTP with it as a client elsewhere would: whole lines, or a message as what follows DATA, in; all
   * replies out.
   */
  smtp(lines: readonly (string | Buffer)[]): Promise<string>;
  /** Resolves to `<message id> <recipient>`, or that and ` frozen`, for each that is not delivered yet. */
  queue(): Promise<string[]>;
  /** Tries everything in the queue at once, frozen messages too. */
  flush(): Promise<void>;
  remove(id: string): Promise<void>;
  /** Resolves to the messages that were returned to senders in SENDER_DOMAIN. */
  bounces(): Promise<string[]>;
  forgetBounces(): Promise<void>;
  /** The main log. */
  log(): Promise<string>;
  command(...args: readonly string[]): Promise<Ran>;
}

/** Mail for anybody in this domain, so bounces to them, goes to a Maildir that `bounces` reads. */
export const SENDER_DOMAIN = 'sender.test';
const BOUNCES = '/var/spool/exim4/bounces';
const SENDER: Readonly<Record<string, string>> = {
  'router/050_sender': `sender:
  driver = accept
  domains = ${SENDER_DOMAIN}
  transport = sender
`,
  'transport/050_sender': `sender:
  driver = appendfile
  maildir_format
  directory = ${BOUNCES}
  user = Debian-exim
`,
};

export async function startExim(host: Host, options: EximOptions): Promise<Exim> {
  const { domains, configuration, form = 'split' } = options;
  const etc = host.path('/etc/exim4');
  await run('cp', ['-a', `${join(EXIM, 'etc/exim4')}/.`, etc]);
  const put = form === 'split' ? putSplit : putSingle;
  for (const [name, text] of Object.entries({ ...configuration, ...SENDER })) await put(etc, name, text);
  await writeFile(join(etc, 'update-exim4.conf.conf'), updateConf(domains, form));
  await must(host.run('update-exim4.conf', []));
  const command = (...args: readonly string[]) => host.run('exim4', args);
  return {
    async submit(from, to, message) {
      await must(
        host.run('exim4', ['-odf', '-f', from === '' ? '<>' : from, '--', ...to], { stdin: message }),
      );
    },
    async smtp(lines) {
      const { stdout } = await host.run('exim4', ['-bs', '-odf', '-oMa', '192.0.2.1'], {
        stdin: Buffer.concat(
          lines.map((line) => (typeof line === 'string' ? Buffer.from(`${line}\r\n`) : line)),
        ),
      });
      return stdout.toString();
    },
    queue: async () => parseQueue((await must(command('-bp'))).stdout.toString()),
    flush: async () => void (await must(command('-qff'))),
    remove: async (id) => void (await command('-Mrm', id)),
    bounces: () => textsIn(host.path(join(BOUNCES, 'new'))),
    forgetBounces: () => rm(host.path(BOUNCES), { recursive: true, force: true }),
    log: () => readFile(host.path('/var/log/exim4/mainlog'), 'utf8').catch(() => ''),
    command,
  };
}

async function putSplit(etc: string, name: string, text: string): Promise<void> {
  await mkdir(join(etc, 'conf.d', name, '..'), { recursive: true });
  await writeFile(join(etc, 'conf.d', name), text);
}

/** Puts a block where its section of the single file begins, and macros into their file. */
async function putSingle(etc: string, name: string, text: string): Promise<void> {
  const [section = ''] = name.split('/');
  if (section === '..') return putSplit(etc, name, text);
  if (section === 'main') return writeFile(join(etc, 'exim4.conf.localmacros'), text);
  const template = join(etc, 'exim4.conf.template');
  const whole = await readFile(template, 'utf8');
  const begin = `\nbegin ${section}s\n`;
  if (!whole.includes(begin)) throw new Error(`no section ${section}s`);
  await writeFile(
    template,
    whole.replace(begin, () => `${begin}${text}\n`),
  );
}

async function textsIn(directory: string): Promise<string[]> {
  const files = (await readdir(directory).catch(() => [])).sort();
  return Promise.all(files.map((file) => readFile(join(directory, file), 'utf8')));
}

async function must(ran: Promise<Ran>): Promise<Ran> {
  const { code, stdout, stderr } = await ran;
  if (code !== 0) throw new Error(`Exim: exit ${code}: ${stdout}${stderr}`);
  return ran;
}

function updateConf(domains: readonly string[], form: 'split' | 'single'): string {
  return `dc_eximconfig_configtype='internet'
dc_other_hostnames='${[...domains, SENDER_DOMAIN].join(':')}'
dc_local_interfaces='127.0.0.1'
dc_readhost=''
dc_relay_domains=''
dc_minimaldns='false'
dc_relay_nets=''
dc_smarthost=''
CFILEMODE='644'
dc_use_split_config='${form === 'split'}'
dc_hide_mailname=''
dc_mailname_in_oh='true'
dc_localdelivery='mail_spool'
`;
}

/** A message has a line with its id, then one for each recipient; those that are delivered have a D. */
function parseQueue(listing: string): string[] {
  let id = '';
  let frozen = '';
  const waiting: string[] = [];
  for (const line of listing.split('\n')) {
    const [, found] = /^ *\S+ +\S+ (\S{6}-\S{6}-\S{2}) /.exec(line) ?? [];
    if (found !== undefined) [id, frozen] = [found, line.includes('*** frozen ***') ? ' frozen' : ''];
    else if (/^ {10}\S/.test(line)) waiting.push(`${id} ${line.trim()}${frozen}`);
  }
  return waiting;
}
