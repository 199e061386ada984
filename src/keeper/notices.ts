/**
 * Who has to be told what, and was not yet: owners of keys that have changed, sealed to the keys of before,
 * and owners of keys that end soon, sealed to these. Each is in the mailbox before it is noted as sent.
 */
import type { DetailOf } from '../core/events.ts';
import type { World } from '../core/world.ts';
import { certificatesIn } from '../keylog/change.ts';
import type { Copies } from '../keylog/copies.ts';
import type { Entry } from '../keylog/entry.ts';
import type { KeyLog } from '../keylog/keylog.ts';
import type { Outcome, SentNotices } from '../keylog/sent.ts';
import { type Certificate, uniteCertificates } from '../keys/certificates.ts';
import { formerUse } from '../keys/former.ts';
import { judgeCertificate } from '../keys/judgement.ts';
import { excessOf, type SealingKeys, sealingKeysOf } from '../keys/sessionkeys.ts';
import type { JudgingRules, UsableCertificate } from '../keys/usable.ts';
import type { Courier } from './courier.ts';
import { changeText, endingText } from './notice.ts';
import type { SeenFile, SeenKey } from './seen.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const HOUR_MS = 60 * 60 * 1000;
/** Notices of changes to one address. What comes then waits, and is told together. */
const MOST_IN_AN_HOUR = 5;
/** Days before its end on which the owner of a key is told. */
const THRESHOLDS = [1, 7, 14, 30] as const;

export interface NoticeParts {
  readonly log: KeyLog;
  readonly copies: Copies;
  readonly sent: SentNotices;
  readonly courier: Courier;
  readonly world: Pick<World, 'now'>;
  readonly host: string;
  /** How those are judged that are written to: what Sealdir cannot use is left out. */
  readonly rules: JudgingRules;
  readonly told: (detail: DetailOf<'key notice'>) => void;
  readonly fault: (error: unknown) => void;
  /** See StateFiles. */
  readonly step: (name: string) => void;
}

export class Notices {
  readonly #parts: NoticeParts;
  /** When an entry was last said to be without a copy of the keys of before, by its number. */
  readonly #saidAt = new Map<number, number>();
  /** When notices of changes were stored lately, by address. */
  readonly #storedAt = new Map<string, readonly number[]>();

  constructor(parts: NoticeParts) {
    this.#parts = parts;
  }

  /** Entries of the log whose owners were not told. */
  get owed(): Entry[] {
    const { log, sent } = this.#parts;
    for (const entry of log.owed.values()) if (sent.hasChange(entry)) log.settle(entry.n);
    return [...log.owed.values()];
  }

  /**
   * Tells of all changes; of several of the same keys in one note. Those that cannot be told now stay owed,
   * and do not hinder the others.
   */
  async tellChanges(): Promise<void> {
    const owners = new Map<string, Entry[]>();
    for (const entry of this.owed) {
      if (this.#parts.courier.isOnItsWay(entry.address)) continue;
      const owner = `${entry.address} ${entry.before.fingerprints.join()} ${entry.lost === true}`;
      const entries = owners.get(owner);
      if (entries === undefined) owners.set(owner, [entry]);
      else entries.push(entry);
    }
    for (const entries of owners.values()) await this.#tellChange(entries).catch(this.#parts.fault);
  }

  /** Whoever exchanges a key again and again must not fill a mailbox. */
  #isHeld(address: string): boolean {
    const now = this.#parts.world.now();
    const times = (this.#storedAt.get(address) ?? []).filter((at) => Math.abs(now - at) < HOUR_MS);
    if (times.length === 0) this.#storedAt.delete(address);
    else this.#storedAt.set(address, times);
    return times.length >= MOST_IN_AN_HOUR;
  }

  async #tellChange(entries: readonly Entry[]): Promise<void> {
    const last = entries.at(-1);
    if (last === undefined || this.#isHeld(last.address)) return;
    const { log, copies, courier, sent, host, told, step, world } = this.#parts;
    const digests = entries.flatMap(({ before }) => before.files);
    for (const digest of digests) copies.restore(digest);
    let keys: SealingKeys | undefined;
    for (const entry of [...entries].reverse()) keys ??= await this.#formerKeys(entry);
    if (keys === undefined && digests.some((digest) => copies.get(digest) === undefined))
      return this.#sayLost(last);
    const { address } = last;
    const done = (outcome: Outcome) => {
      if (outcome === 'stored')
        this.#storedAt.set(address, [...(this.#storedAt.get(address) ?? []), world.now()]);
      for (const entry of entries) {
        sent.addChange(entry, outcome);
        told({ address, change: entry.n, outcome });
      }
    };
    if (keys === undefined) return done('no usable key');
    step('send notice');
    const mailbox = entries.every(({ event }) => event === 'went') ? 'if it is there' : 'make it';
    const text = changeText(last, entries.slice(0, -1), { host, head: log.head });
    await courier.send({ address, keys, text, mailbox }, (outcome) => {
      step('notice stored');
      done(outcome);
    });
  }

  /** The entry stays owed: what is put back into the key directory, for instance, is copied again. */
  #sayLost({ n, address }: Entry): void {
    const now = this.#parts.world.now();
    if (now - (this.#saidAt.get(n) ?? Number.NEGATIVE_INFINITY) < DAY_MS) return;
    this.#saidAt.set(n, now);
    const what = `the owner of the keys that ${address} had before entry ${n} of the key log cannot be told`;
    this.#parts.fault(new Error(`${what}: the copy of them in keys.state is missing or damaged`));
  }

  /** Undefined if none of the keys of before may be sealed to: they are revoked, or no copy is left. */
  async #formerKeys({ before, after }: Entry): Promise<SealingKeys | undefined> {
    const { copies, world } = this.#parts;
    const now = new Date(world.now());
    const ofBefore = (all: readonly Certificate[]) =>
      all.filter((each) => before.fingerprints.includes(each.fingerprint));
    const former = ofBefore(await certificatesIn(before, copies));
    // what came with the new keys may revoke an old one; but too much of it must keep nobody from being told
    const all = [...former, ...ofBefore(await certificatesIn(after, copies))];
    const old = await uniteCertificates(all).catch(() => former);
    const uses = await Promise.all(old.map((each) => formerUse(each, now).catch(() => undefined)));
    return sealable(uses.filter((each) => each !== undefined));
  }

  /** Tells the owners of keys that end within 30 days, each once for each threshold that is passed. */
  async tellEndings(files: Iterable<SeenFile>): Promise<void> {
    const now = this.#parts.world.now();
    for (const file of files)
      for (const key of file.keys ?? [])
        if (thresholdOf(key, now) !== undefined) await this.#tellEnding(file, key).catch(this.#parts.fault);
  }

  async #tellEnding(file: SeenFile, key: SeenKey): Promise<void> {
    const { copies, courier, sent, world, log, host, rules, told, step } = this.#parts;
    const now = world.now();
    const threshold = thresholdOf(key, now);
    if (threshold === undefined || key.expiresAt === undefined) return;
    const ends = new Date(key.expiresAt);
    const { address } = file;
    const { fingerprint } = key;
    const expiry = { address, fingerprint, ends: ends.toISOString(), days: threshold };
    if (sent.daysTold(expiry, now) <= threshold || courier.isOnItsWay(address)) return;
    const [certificate] = (await certificatesIn({ fingerprints: [], files: [file.digest] }, copies)).filter(
      (each) => each.fingerprint === fingerprint,
    );
    const judged = certificate && (await judgeCertificate(certificate, new Date(now), rules));
    const keys = judged !== undefined && 'keys' in judged ? sealable([judged]) : undefined;
    if (keys === undefined) return;
    const days = Math.floor((key.expiresAt - now) / DAY_MS);
    const text = endingText({ address, fingerprint, ends, days, host, head: log.head });
    step('send notice');
    await courier.send({ address, keys, text, mailbox: 'make it' }, (outcome) => {
      step('notice stored');
      sent.addExpiry(expiry, now);
      told({ address, fingerprint, ends: expiry.ends, days, outcome });
    });
  }
}

/** Returns the smallest threshold that a key has passed; undefined if none, or if it has ended. */
function thresholdOf({ state, expiresAt }: SeenKey, now: number): number | undefined {
  if (state !== 'valid' || expiresAt === undefined || expiresAt <= now) return undefined;
  return THRESHOLDS.find((days) => expiresAt - now <= days * DAY_MS);
}

/** Leaves out some, if all of them would cost too much. */
function sealable(uses: readonly UsableCertificate[]): SealingKeys | undefined {
  const fit = uses.filter((_, n) => excessOf(uses.slice(0, n + 1)) === undefined);
  return fit.length === 0 ? undefined : sealingKeysOf(fit);
}
