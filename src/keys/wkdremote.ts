/**
 * Keys from the web key directories of the recipients' domains (`keys.wkd`). Each look-up tells a third party
 * that mail has come, so it is made for recipients that exist, and for the domains that the operator names.
 * An answer counts for an hour, and for a day while its server fails. A key is pinned when it is first seen;
 * another one is not used. What could not be asked is an error, never "there is no key".
 */

import { partsOf, type SameAddress } from '../core/address.ts';
import { Answers } from '../core/answers.ts';
import { Semaphore } from '../core/semaphore.ts';
import type { World } from '../core/world.ts';
import type { Certificate } from './certificates.ts';
import { ownedBy } from './owned.ts';
import { parseKeyFile } from './parsedfiles.ts';
import { PinError, type PinOptions, Pins } from './pins.ts';
import type { KeyEntry, KeyOwner, KeySource } from './source.ts';
import type { Route, WkdClient } from './wkdclient.ts';
import { WORDS } from './words.ts';

export interface RemoteWkdOptions extends Omit<PinOptions, 'world'> {
  readonly world: Pick<World, 'micros' | 'now' | 'random'>;
  readonly same: SameAddress;
  /** The directory that pins are remembered in. */
  readonly state: string;
  /** Domains in lower case; none: all. */
  readonly domains: readonly string[];
  readonly caFile: string;
  readonly waitMs: number;
  readonly route?: Route | undefined;
}

const FOUND_MS = 60 * 60_000;
const NONE_MS = 5 * 60_000;
const STALE_MS = 24 * 60 * 60_000;
/** Questions to the servers of one domain at one time. A dead one keeps nobody of another domain waiting. */
const MOST_QUESTIONS = 4;

interface Answer {
  readonly certificates: readonly Certificate[];
  readonly bytes: number;
}

export class RemoteWkd implements KeySource {
  readonly #options: RemoteWkdOptions;
  readonly #pins: Pins;
  readonly #answers: Answers<Answer>;
  readonly #turns = new Map<string, Semaphore>(); // by domain
  #client: Promise<WkdClient> | undefined;

  constructor(options: RemoteWkdOptions) {
    this.#options = options;
    this.#pins = new Pins(options.state, options);
    this.#answers = new Answers({
      world: options.world,
      foundMs: FOUND_MS,
      noneMs: NONE_MS,
      staleMs: STALE_MS,
      waitMs: options.waitMs,
      sizeOf: ({ bytes }) => bytes,
      serverOf: (address) => partsOf(address).domain,
      isAnswer: (error) => error instanceof PinError,
    });
  }

  async keysOf({ address }: KeyOwner): Promise<KeyEntry | undefined> {
    if (!this.#isAsked(address)) return undefined;
    try {
      const found = await this.#answers.find(address, () => this.#ask(address));
      return found && { certificates: found.value.certificates, problems: [] };
    } catch (error) {
      const { message } = error as Error;
      if (error instanceof PinError) return { certificates: [], problems: [message] };
      throw new Error(`keys.wkd: ${address}: ${message}`, { cause: error });
    }
  }

  #isAsked(address: string): boolean {
    const { local, domain } = partsOf(address);
    const { domains } = this.#options;
    // @example.com, an address literal and a name without a dot have no web key directory
    if (local === '' || domain.startsWith('[') || !domain.includes('.')) return false;
    return domains.length === 0 || domains.includes(domain);
  }

  async #ask(address: string): Promise<Answer | undefined> {
    const signal = AbortSignal.timeout(this.#options.waitMs);
    await this.#pins.ready();
    const bytes = await this.#fetch(address, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      throw new Error(`no answer within ${this.#options.waitMs} ms`, { cause: error });
    });
    if (bytes === undefined) return undefined;
    const entry = await parseKeyFile('the answer', bytes);
    if (entry.problems.length > 0) throw new Error(entry.problems.join('; '));
    const { same, world } = this.#options;
    const certificates = await ownedBy(address, entry.certificates, same, world.now());
    if (certificates.length === 0) throw new Error(`the answer ${WORDS.notTheirs(address)}`);
    await this.#pins.hold(
      address,
      certificates.map(({ fingerprint }) => fingerprint),
    );
    return { certificates, bytes: bytes.length };
  }

  async #fetch(address: string, signal: AbortSignal): Promise<Buffer | undefined> {
    this.#client ??= this.#openClient();
    const client = await this.#client;
    return this.#turnsOf(partsOf(address).domain).run(() => client.fetch(address, signal));
  }

  #turnsOf(domain: string): Semaphore {
    const known = this.#turns.get(domain);
    if (known !== undefined) return known;
    const turns = new Semaphore(MOST_QUESTIONS, this.#options.waitMs);
    this.#turns.set(domain, turns);
    return turns;
  }

  /** Loads it when it is first needed: most sites never do. */
  async #openClient(): Promise<WkdClient> {
    const { WkdClient } = await import('./wkdclient.ts');
    return new WkdClient(this.#options);
  }
}
