/**
 * Who may log in, and when: limits, turns, and how long the answer to a wrong password is held back. Knows no
 * password; the process of a user judges it.
 */
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import { addressRules } from '../config/rules.ts';
import type { Settings } from '../config/settings.ts';
import { canonicalAddress, parseAddress, pathSegment } from '../core/address.ts';
import type { Say } from '../core/events.ts';
import type { GatewayMeter } from '../core/gatewaymeter.ts';
import { TooBusyError } from '../core/semaphore.ts';
import type { World } from '../core/world.ts';
import { placeOf, readWrapped } from '../custody/place.ts';
import { pathsOf } from '../site.ts';
import type { Refusal } from './connection.ts';
import { Delays } from './delays.ts';
import type { Verdict } from './handover.ts';
import { networkOf, siteOf } from './peer.ts';
import { Queue, type Whence } from './queue.ts';
import { type Judge, LeftError, type UserSession, type Users } from './users.ts';

export interface LoginsParts {
  readonly settings: Settings;
  readonly users: Users;
  readonly world: Pick<World, 'now'>;
  readonly say: Say;
  readonly meter: Pick<GatewayMeter, 'login'>;
}

export interface Claim {
  /** As it was sent. */
  readonly user: string;
  /** An IP address, or "unix". */
  readonly peer: string;
  /** Id of the slot that a code names. */
  readonly slot: string | undefined;
  /** Nobody waits for it any more. */
  hasLeft(): boolean;
}

/** Each login that is looked at takes a core and 128 MiB for a while. */
const CORES = availableParallelism();
/** Held back as well: whoever guesses would be told again and again, and hope for a place. */
const BUSY: Refusal = { why: 'busy', holdMs: 1000 };

export class Logins {
  readonly #parts: LoginsParts;
  readonly #delays: Delays;
  /** Of those who have named a slot: no guess keeps an owner with a code from their turn. */
  readonly #codes = new Queue(Math.max(1, CORES - 1));
  /** Of those who were right before, from there. */
  readonly #known = new Queue(Math.max(1, Math.floor(CORES / 2)));
  readonly #others = new Queue(Math.max(1, Math.floor(CORES / 2)));
  /** Of those who may be guessing: one of them at a time waits among the others. */
  readonly #doubtful = new Queue(1);

  constructor(parts: LoginsParts) {
    this.#parts = parts;
    this.#delays = new Delays(parts.world);
  }

  /** Has a password judged; `judge` knows it. Never rejects. */
  async login(claim: Claim, judge: Judge): Promise<Refusal | UserSession> {
    const begun = performance.now();
    const outcome = await this.#login(claim, judge);
    const result = 'why' in outcome ? outcome.why : 'right';
    this.#parts.meter.login(result, (performance.now() - begun) / 1000);
    return outcome;
  }

  async #login(claim: Claim, judge: Judge): Promise<Refusal | UserSession> {
    const { settings, say } = this.#parts;
    const address = canonicalOf(claim.user, settings);
    if (address === undefined) return this.#wrong(claim, shortened(claim.user).toLowerCase());
    try {
      const outcome = await this.#judged(address, claim, judge);
      if (outcome === 'wrong') return this.#wrong(claim, address);
      if (typeof outcome === 'string') return BUSY;
      this.#delays.right(networkOf(claim.peer), address);
      say('info', 'gateway login', { client: claim.peer, address: claim.user });
      return outcome;
    } catch (error) {
      const isExpected = error instanceof TooBusyError || error instanceof LeftError;
      if (!isExpected) say('error', 'gateway session', { address, error: String(error) });
      return BUSY;
    }
  }

  async #judged(
    address: string,
    claim: Claim,
    judge: Judge,
  ): Promise<Exclude<Verdict, 'opened'> | UserSession> {
    const { users } = this.#parts;
    if (users.isOpen(address)) {
      const known = await users.login(address, judge, false);
      if (known !== 'unknown') return known;
    }
    const login = async () => {
      if (claim.hasLeft()) throw new LeftError();
      return users.login(address, judge, true);
    };
    const network = networkOf(claim.peer);
    const whence: Whence = [siteOf(network), network ?? '', address];
    if (await this.#namesSlot(address, claim)) return this.#codes.run(whence, login);
    if (this.#delays.isKnown(network, address)) return this.#known.run(whence, login);
    if (!this.#delays.isDoubtful(network, address)) return this.#others.run(whence, login);
    return this.#doubtful.run(whence, () => this.#others.run(whence, login));
  }

  /** Nobody guesses the 32 bits by which a code names its slot: its owner knows them, or who has the file. */
  async #namesSlot(address: string, { slot }: Claim): Promise<boolean> {
    if (slot === undefined) return false;
    const file = await readWrapped(placeOf(pathsOf(this.#parts.settings).gateway, address));
    return file?.slots.some(({ id }) => id === slot) ?? false;
  }

  #wrong({ peer, user }: Claim, address: string): Refusal {
    this.#parts.say('warn', 'gateway login refused', { client: peer, address: shortened(user) });
    return { why: 'wrong', holdMs: this.#delays.wrong(networkOf(peer), address) };
  }
}

/** A local part has 64 octets, and a domain 255 (RFC 5321 §4.5.3.1). */
const MOST_NAME = 320;
/** Of the name of a file, in bytes. */
const MOST_SEGMENT = 255;

/** Returns undefined for what is no address, or is too long for the name of a wrapped file. */
function canonicalOf(user: string, settings: Settings): string | undefined {
  if (user.length > MOST_NAME) return undefined;
  const address = parseAddress(user);
  const canonical = address && canonicalAddress(address, addressRules(settings));
  const isTooLong = canonical !== undefined && Buffer.byteLength(pathSegment(canonical)) > MOST_SEGMENT;
  return isTooLong ? undefined : canonical;
}

/** For the log, and what is remembered of those who guess. */
function shortened(user: string): string {
  return user.length > MOST_NAME ? `${user.slice(0, MOST_NAME)}…` : user;
}
