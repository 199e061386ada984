/**
 * `recipients.source = "passwd"`: the users of the system, wherever it keeps them (nsswitch.conf(5)). They
 * are asked for by getent(1), since Node has no getpwnam(3).
 */
import { execFile } from 'node:child_process';
import { partsOf } from '../core/address.ts';
import { Semaphore } from '../core/semaphore.ts';
import type { Recipient, RecipientSource } from './source.ts';

export interface PasswdOptions {
  /** Whose local parts are users, in A-label form. */
  readonly domains: readonly string[];
  /** Users below are the system's own. */
  readonly minUid: number;
  readonly waitMs: number;
}

/** A name of digits would be taken for the number of a user, and one that begins with "-" for an option. */
const USER_NAME = /^[a-z_][a-z0-9_.-]{0,31}$/i;
/** getent's exit code where there is no such user. */
const NO_SUCH_KEY = 2;

/** Processes at one time: whoever asks for unknown users must not fill the machine with them. */
const MOST_PROCESSES = 4;

export class PasswdSource implements RecipientSource {
  readonly #options: PasswdOptions;
  readonly #processes = new Semaphore(MOST_PROCESSES);

  constructor(options: PasswdOptions) {
    this.#options = options;
  }

  async find(address: string): Promise<Recipient | undefined> {
    const { local, domain } = partsOf(address);
    const { domains, minUid } = this.#options;
    if (!domains.includes(domain) || !USER_NAME.test(local)) return undefined;
    const line = await this.#processes.run(() => this.#getent(local));
    if (line === undefined) return undefined;
    const [name = '', , uid = ''] = line.split(':');
    if (name.toLowerCase() !== local.toLowerCase() || !/^\d+$/.test(uid))
      throw new Error(`getent passwd ${local} printed something else`);
    return Number(uid) < minUid ? undefined : { address };
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
