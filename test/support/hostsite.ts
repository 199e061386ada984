// Three Sealdirs on three hosts with one GlusterFS volume, and a Postfix on this machine that knows all of
// them; and an account of what became of each copy, from Postfix's log and from what is in the store.

import { chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CLI } from './child.ts';
import { GlusterHosts } from './gluster.ts';
import type { Started } from './machines.ts';
import { type Postfix, startPostfix } from './postfix.ts';
import * as processes from './process.ts';
import type { Redis } from './redis.ts';
import { submit } from './submit.ts';
import { makeKey } from './testkeys.ts';
import { makeTraversable } from './traversable.ts';
import { until } from './until.ts';

export const PORT = 2424;
export const METRICS = 9464;
/** A name with the addresses of all hosts. */
export const NAME = 'sealdir.hosts.test';
const USER = 64_801; // nobody's number here
const DOMAIN = 'example.com';
const USERS = ['alice', 'bob', 'carol', 'dave'];
const SENDERS = 4;
/** So that a fault that lasts does not end with a long queue. */
const [MOST_WAITING, PAUSE_MS] = [60, 250];
const FLUSH_MS = 3000;
const MOST_REASONS = 5;

/** What became of the copies of a while. */
export interface Account {
  readonly messages: number;
  /** Copies that Postfix was told 250 for. */
  readonly sent: number;
  /** How often Postfix put a copy off, and why. */
  readonly deferred: number;
  readonly reasons: readonly string[];
  /** Copies that are there more than once, each after a try whose end Postfix does not know, or a 4yz. */
  readonly repeated: number;
  /** Sentences about copies that are not there, or there too often without a reason. */
  readonly wrong: readonly string[];
}

/** Settings of Postfix for several hosts, and short waits for a test. */
export const IMPATIENT = {
  lmtp_connect_timeout: '2s',
  lmtp_lhlo_timeout: '10s',
  lmtp_mail_timeout: '10s',
  lmtp_rcpt_timeout: '15s',
  lmtp_data_done_timeout: '25s',
  minimal_backoff_time: '2s',
  maximal_backoff_time: '4s',
  queue_run_delay: '2s',
};

export interface SiteOptions {
  /** The hosts remember deliveries together there, else each by itself. */
  readonly redis?: Redis | undefined;
  /** The program of the first servers, if it is not ours. */
  readonly cli?: string | undefined;
}

export class HostSite implements AsyncDisposable {
  readonly hosts: GlusterHosts;
  readonly redis: Redis | undefined;
  readonly servers = new Map<number, Started>();
  readonly #directory: string;
  #postfix: Postfix | undefined;
  #count = 0;
  #accepted = 0; // copies of this account that Postfix has taken
  #from = 0; // where the log of this account begins

  private constructor(directory: string, hosts: GlusterHosts, redis: Redis | undefined) {
    this.#directory = directory;
    this.hosts = hosts;
    this.redis = redis;
  }

  static async open({ redis, cli }: SiteOptions = {}): Promise<HostSite> {
    const directory = await mkdtemp(join(tmpdir(), 'sealdir-hosts-'));
    await makeTraversable(directory);
    const hosts = await GlusterHosts.open(directory);
    const site = new HostSite(directory, hosts, redis);
    try {
      const { certificate } = await makeKey(`alice@${DOMAIN}`);
      const volume = hosts.at(1, 'mnt');
      await writeFile(join(directory, 'key.asc'), certificate);
      await writeFile(join(directory, 'secret'), 'a secret of all hosts, 32 characters', { mode: 0o600 });
      await chown(join(directory, 'secret'), USER, USER);
      const keys = USERS.map((user) => `cp ${directory}/key.asc ${volume}/keys/${user}@${DOMAIN}.asc`);
      await hosts.machine(1).sh(`chmod 755 ${volume}; mkdir ${volume}/mail ${volume}/keys
chown ${USER} ${volume}/mail\n${keys.join('\n')}`);
      for (const number of [1, 2, 3]) await site.serve(number, cli);
      await site.connect(`inet:${NAME}:${PORT}`);
      return site;
    } catch (error) {
      await site.close();
      throw error;
    }
  }

  /** Starts a Postfix that hands its mail to `next`, as in virtual_transport without its beginning. */
  async connect(next: string, settings: Record<string, string> = {}): Promise<void> {
    await this.#postfix?.stop();
    const dir = join(this.#directory, `mta${this.#count++}`);
    await mkdir(dir);
    this.#postfix = await startPostfix({
      dir,
      transport: `lmtp:${next}`,
      domains: [DOMAIN],
      settings: { ...IMPATIENT, lmtp_host_lookup: 'native', ...settings },
      on: await this.#withNames(),
    });
    this.#from = 0;
    this.#accepted = 0;
  }

  /** Runs programs that know the addresses of the hosts by NAME. */
  async #withNames(): Promise<Pick<typeof processes, 'run' | 'start'>> {
    const file = join(this.#directory, 'names');
    const lines = [1, 2, 3].map((number) => `${this.hosts.network.address(number)} ${NAME}\n`);
    await writeFile(file, `127.0.0.1 localhost\n${lines.join('')}`);
    const mount = `mount --bind ${file} /etc/hosts && exec "$@"`;
    const within = ['--mount', '--propagation', 'private', 'sh', '-c', mount, 'sh'];
    return {
      run: (command, args, options) => processes.run('unshare', [...within, command, ...args], options),
      start: (command, args, options) => processes.start('unshare', [...within, command, ...args], options),
    };
  }

  get postfix(): Postfix {
    if (this.#postfix === undefined) throw new Error('there is no Postfix');
    return this.#postfix;
  }

  /** Starts the server of a host. Two of them have one name: names of files differ all the same. */
  async serve(number: number, cli = CLI): Promise<void> {
    const { hosts } = this;
    const machine = hosts.machine(number);
    const config = hosts.at(number, 'sealdir.toml');
    await writeFile(config, this.toml(number));
    await machine.sh(`mkdir -p /run/sealdir ${hosts.at(number, 'keystate')}
chown ${USER} /run/sealdir ${hosts.at(number, 'keystate')}`);
    const args = [`--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', process.execPath, cli, 'serve'];
    const server = await machine.start('setpriv', [...args, '-c', config], {
      ready: (output) => output.includes('"msg":"listening"'),
      env: { PATH: '/usr/bin:/bin' },
    });
    this.servers.set(number, server);
  }

  async stopServers(): Promise<void> {
    for (const server of this.servers.values()) await server.stop();
  }

  toml(number: number): string {
    const { hosts, redis } = this;
    const volume = hosts.at(number, 'mnt');
    const own = '/run/sealdir/state';
    const shared = redis && `["${own}", "${redis.url}"]\nstate_secret = "${join(this.#directory, 'secret')}"`;
    return `hostname = "${number === 1 ? 'one' : 'other'}.example.com"
processes = 1
[lmtp]
listen = ["${hosts.network.address(number)}:${PORT}"]
plain_beyond_loopback = true
stall_timeout = "8s"
transaction_timeout = "12s"
[store]
maildir = "${volume}/mail/{domain}/{local}"
state = ${shared ?? `"${own}"`}
min_free_space = "8MB"
[metrics]
listen = "${hosts.network.address(number)}:${METRICS}"
[keys]
directory = "${volume}/keys"
state = "${hosts.at(number, 'keystate')}"
`;
  }

  /** Asks a host's server over HTTP; '' if it does not answer. */
  async ask(number: number, path: string): Promise<string> {
    const url = `http://${this.hosts.network.address(number)}:${METRICS}${path}`;
    return fetch(url, { signal: AbortSignal.timeout(4000) }).then(
      async (response) => `${response.status} ${await response.text()}`,
      () => '',
    );
  }

  /** Begins to send, and resolves to what ends that and has all mail delivered. */
  load(): () => Promise<void> {
    let isOn = true;
    const sending = Array.from({ length: SENDERS }, async () => {
      while (isOn) {
        if (this.#accepted - this.#sent().length < MOST_WAITING) await this.#send();
        await pause(PAUSE_MS);
      }
    });
    return async () => {
      isOn = false;
      await Promise.all(sending);
      let asked = Date.now();
      await until(
        'all that was taken is sent',
        async () => {
          if (Date.now() - asked > FLUSH_MS) {
            asked = Date.now();
            await this.postfix.flush();
          }
          return this.#sent().length >= this.#accepted;
        },
        180_000,
      );
    };
  }

  async #send(): Promise<void> {
    const count = ++this.#count;
    const users = count % 4 === 0 ? USERS.slice(0, 2) : [USERS[count % USERS.length] ?? ''];
    const head = `From: load@load.test\r\nSubject: load\r\nMessage-ID: <${count}@load.test>\r\n\r\n`;
    const body = `${'x'.repeat(70)}\r\n`.repeat(count % 50 === 0 ? 6000 : 20);
    const to = users.map((user) => `${user}@${DOMAIN}`);
    await submit(this.postfix.port, { from: 'load@load.test', to, message: Buffer.from(head + body) });
    this.#accepted += to.length;
  }

  /** Waits until as many more copies were sent. */
  async more(count: number): Promise<void> {
    const wanted = this.#sent().length + count;
    await until(`${count} more copies are sent`, () => this.#sent().length >= wanted, 90_000);
  }

  /** Waits until a host says that it cannot take mail. */
  async unready(number: number): Promise<void> {
    await until(`host ${number} is not ready`, async () =>
      (await this.ask(number, '/readyz')).startsWith('503'),
    );
  }

  async ready(number: number): Promise<void> {
    await until(`host ${number} is ready`, async () => (await this.ask(number, '/readyz')).startsWith('200'));
  }

  /** Waits until Postfix has had a reply (`451 4.3.0`) since the last account. */
  async says(reply: string): Promise<void> {
    await until(`a reply of ${reply}`, () => this.#log().includes(reply));
  }

  #log(): string {
    return this.postfix.log().slice(this.#from);
  }

  #sent(): RegExpMatchArray[] {
    return [...this.#log().matchAll(/ (\w+): to=<([^@>]+)@[^>]*>,.* status=sent /g)];
  }

  /** Returns what became of all copies since the last account. The queue must be empty. */
  async account(): Promise<Account> {
    const log = this.#log();
    const ids = new Map([...log.matchAll(/ (\w+): message-id=<(.+)>/g)].map(([, id, name]) => [id, name]));
    const there = await this.#stored();
    const wrong: string[] = [];
    let repeated = 0;
    for (const [, id = '', user = ''] of this.#sent()) {
      const copies = there.get(`${user} ${ids.get(id)}`) ?? 0;
      const doubts = doubtsIn(log, id);
      if (copies === 0) wrong.push(`${id} for ${user} was acknowledged, and is not there`);
      if (copies > 1) repeated++;
      if (copies > 1 + doubts)
        wrong.push(`${id} for ${user} is there ${copies} times after ${doubts} doubts`);
    }
    const reasons = [...log.matchAll(/ status=deferred (.*)/g)].map(([, why = '']) => why);
    const account = {
      messages: ids.size,
      sent: this.#sent().length,
      deferred: reasons.length,
      reasons: [...new Set(reasons)].slice(0, MOST_REASONS),
      repeated,
      wrong,
    };
    this.#from = this.postfix.log().length;
    this.#accepted = 0;
    return account;
  }

  /** Returns how many copies there are, by user and Message-ID, as each of the hosts sees them. */
  async #stored(): Promise<Map<string, number>> {
    const [number = 1] = this.hosts.machines.keys();
    const script = `cd ${this.hosts.at(number, 'mnt')}/mail/${DOMAIN} && grep -raom1 '^Message-ID: <[^>]*' */new`;
    const lines = (await this.hosts.machine(number).sh(script)).split('\n');
    const counts = new Map<string, number>();
    for (const line of lines) {
      const [, user, id] = /^(\w+)\/new\/.*:Message-ID: <(.*)$/.exec(line) ?? [];
      counts.set(`${user} ${id}`, (counts.get(`${user} ${id}`) ?? 0) + 1);
    }
    return counts;
  }

  async close(): Promise<void> {
    await this.#postfix?.stop();
    await this.hosts.close();
    await this.stopServers();
    await rm(this.#directory, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Counts the tries after which a copy may be there although Postfix was not told so. */
function doubtsIn(log: string, id: string): number {
  const own = log.split('\n').filter((line) => line.includes(` ${id}: `));
  return own.filter((line) => /while sending end of data|in reply to end of DATA/.test(line)).length;
}
