/**
 * `recipients.source = "passwd"`: the users of the system, as far as it keeps them in files. They are asked
 * for by getent(1), since Node has no getpwnam(3). getent does not tell "no such user" from a service that is
 * down, so users from a network (sss, ldap, winbind) are not asked for.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { asciiDomain, partsOf } from '../core/address.ts';
import { Semaphore } from '../core/semaphore.ts';
import type { Recipient, RecipientSource } from './source.ts';

export interface PasswdOptions {
  /** Whose local parts are users. */
  readonly domains: readonly string[];
  /** Users below are the system's own. */
  readonly minUid: number;
  /** Whether mailboxes are in the homes; else they are where the store's template has them. */
  readonly mailboxes: 'home' | 'template';
  readonly waitMs: number;
}

/** Digits alone would be taken for the number of a user, and what begins with "-" for an option. */
const USER_NAME = /^(?!\d+$)[a-z0-9_][a-z0-9_.-]{0,255}$/i;
/** getent's exit code where there is no such user. */
const NO_SUCH_KEY = 2;

/** Processes at one time: whoever asks for unknown users must not fill the machine with them. */
const MOST_PROCESSES = 4;

const NSSWITCH = '/etc/nsswitch.conf';
/** Services that are there whenever the system is (nsswitch.conf(5)). */
const LOCAL_SERVICES = ['files', 'compat', 'systemd'];

export class PasswdSource implements RecipientSource {
  readonly #options: PasswdOptions;
  readonly #domains: readonly (string | undefined)[];
  readonly #processes: Semaphore;

  /** Throws, with a sentence, where users come from services that may be down. */
  static async open(options: PasswdOptions, nsswitch = NSSWITCH): Promise<PasswdSource> {
    const text = await readFile(nsswitch, 'utf8').catch(() => '');
    const [, services = ''] = /^\s*passwd:([^#\n]*)/m.exec(text) ?? [];
    const others = services.split(/\s+/).filter((word) => /^\w/.test(word) && !LOCAL_SERVICES.includes(word));
    if (others.length === 0) return new PasswdSource(options);
    throw new Error(
      `${nsswitch} has ${others.join(', ')} for passwd, and nobody could tell a user who is gone from a service that is down: ask it by "ldap" or "sql"`,
    );
  }

  constructor(options: PasswdOptions) {
    this.#options = options;
    this.#domains = options.domains.map(asciiDomain);
    this.#processes = new Semaphore(MOST_PROCESSES, options.waitMs);
  }

  async find(address: string): Promise<Recipient | undefined> {
    const { local, domain } = partsOf(address);
    const { minUid, mailboxes } = this.#options;
    if (!this.#domains.includes(domain) || !USER_NAME.test(local)) return undefined;
    const line = await this.#processes.run(() => this.#getent(local));
    if (line === undefined) return undefined;
    const [name = '', , uid = '', gid = '', , home = ''] = line.split(':');
    if (name.toLowerCase() !== local.toLowerCase() || !/^\d+$/.test(uid) || !/^\d+$/.test(gid))
      throw new Error(`getent passwd ${local} printed something else`);
    if (Number(uid) < minUid) return undefined;
    const recipient = { address, owner: { uid: Number(uid), gid: Number(gid) } };
    return mailboxes === 'home' ? { ...recipient, maildir: home } : recipient;
  }

  #getent(name: string): Promise<string | undefined> {
    const { waitMs } = this.#options;
    return new Promise((resolve, reject) => {
      execFile('getent', ['passwd', name], { timeout: waitMs, killSignal: 'SIGKILL' }, (error, stdout) => {
        if (error === null) resolve(stdout.trimEnd());
        else if (error.code === NO_SUCH_KEY) resolve(undefined);
        else reject(error);
      });
    });
  }
}
