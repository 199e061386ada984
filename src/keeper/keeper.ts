/**
 * Keeps watch over the keys of a site: what came, changed or went since the last look is logged first, then
 * the owners of the keys of before are told, then those of keys that end soon. So a crash at any point may
 * have something said twice, and nothing left out: the log is compared with what is there, and the notices
 * with the log.
 */
import type { SameAddress } from '../core/address.ts';
import type { Say } from '../core/events.ts';
import type { UsedKeys } from '../core/usedkeys.ts';
import type { World } from '../core/world.ts';
import { Copies } from '../keylog/copies.ts';
import type { Entry } from '../keylog/entry.ts';
import { StateFiles } from '../keylog/files.ts';
import { KeyLog, LOG_FILE } from '../keylog/keylog.ts';
import { SentNotices } from '../keylog/sent.ts';
import { openKeyState } from '../keylog/statedirectory.ts';
import type { JudgingRules } from '../keys/usable.ts';
import type { Courier } from './courier.ts';
import { figuresOf, type KeyFigures } from './figures.ts';
import { Judge } from './judge.ts';
import { Looker } from './look.ts';
import { Notices } from './notices.ts';
import { Recorder } from './recorder.ts';
import { seenIn, seenLines } from './seen.ts';
import { Witness } from './witness.ts';

const SEEN_FILE = 'seen';
/** Anybody can make a great many of them, and the others must not wait for that. */
const UNREADABLE_AT_ONCE = 200;

export interface KeeperParts {
  /** The key directory. */
  readonly directory: string;
  readonly state: string;
  readonly same: SameAddress;
  readonly rules: JudgingRules;
  readonly host: string;
  /** Whether owners are told that a key ends. */
  readonly tellsEndings: boolean;
  readonly courier: Courier;
  readonly world: Pick<World, 'now'>;
  readonly lock: (fd: number) => boolean;
  readonly say: Say;
  /** See StateFiles. */
  readonly step?: (name: string) => void;
}

/** What is known after a pass. */
export interface KeeperFigures extends KeyFigures {
  readonly entries: number;
  readonly changes: number;
  readonly head: string;
}

export class Keeper {
  readonly #parts: KeeperParts;
  readonly #log: KeyLog;
  readonly #copies: Copies;
  readonly #looker: Looker;
  readonly #judge: Judge;
  readonly #notices: Notices;
  readonly #recorder: Recorder;
  readonly #witness: Witness;
  readonly #files: StateFiles;
  readonly #lifetime: number;
  #savedVersion = 0;
  #absence: string | undefined;

  /** Throws, with a sentence, if the state directory cannot be used. */
  static open(parts: KeeperParts): Keeper {
    const { state, lock, step } = parts;
    openKeyState(state);
    const files = new StateFiles(state, step);
    const lifetime = files.openLock('keeper');
    try {
      if (!lock(lifetime))
        throw new Error(`${state} is in use by another server (give each its own keys.state)`);
      return new Keeper(parts, files, lifetime);
    } catch (error) {
      files.close(lifetime);
      throw error;
    }
  }

  /** `lifetime`: a descriptor that is locked as long as it is open. */
  private constructor(parts: KeeperParts, files: StateFiles, lifetime: number) {
    const { directory, same, rules, host, world, lock, say, step = () => {} } = parts;
    this.#parts = parts;
    this.#files = files;
    this.#lifetime = lifetime;
    const trouble = (what: string) => say('error', 'key log', { what });
    if (files.has(SEEN_FILE) && !files.has(LOG_FILE))
      trouble(`${files.path(LOG_FILE)} was removed: what it said of former keys is lost`);
    this.#log = new KeyLog({ files, lock, world, trouble, logged: (...one) => sayLogged(say, ...one) });
    const copies = new Copies(files);
    this.#copies = copies;
    const seen = seenIn(files.read(SEEN_FILE) ?? Buffer.alloc(0));
    this.#looker = new Looker({ directory, same, world, keep: (bytes) => copies.put(bytes) }, seen);
    this.#recorder = new Recorder({ log: this.#log, copies, looker: this.#looker, world });
    this.#witness = new Witness({ log: this.#log, copies, looker: this.#looker, same, world });
    this.#judge = new Judge({ copies, world, rules, looker: this.#looker });
    this.#notices = new Notices({
      ...{
        log: this.#log,
        copies,
        world,
        host,
        step,
        rules: { ...rules, unsupportedSubkeys: 'ignore' as const },
        courier: parts.courier,
      },
      sent: new SentNotices(files, world.now()),
      told: (detail) => say('info', 'key notice', detail),
      fault: (error) => say('error', 'key notice', { error: (error as Error).message }),
    });
  }

  /** Names of files to be looked at again soon: inotify tells nothing of them. */
  get unsettled(): { readonly unsettled: readonly string[]; readonly unreadable: readonly string[] } {
    return { unsettled: this.#looker.unsettled, unreadable: this.#looker.unreadable(UNREADABLE_AT_ONCE) };
  }

  /** Whether the log has begun. */
  get hasLooked(): boolean {
    return this.#log.entries > 0;
  }

  /** Another one whenever the figures may be others, for another reason than the time. */
  get version(): string {
    return `${this.#looker.version} ${this.#log.entries}`;
  }

  /** Whether somebody could not be told yet. */
  get owesNotices(): boolean {
    return this.#notices.owed.length > 0;
  }

  /** Looks at all files, `again` also at those that seem to be as they were; logs, and tells of changes. */
  async lookAtAll(options: { again?: boolean } = {}): Promise<void> {
    const absence = await this.#looker.all(options);
    if (absence !== this.#absence && absence !== undefined)
      this.#parts.say('error', 'keys.directory', { error: `${absence}: taken for one that is not mounted` });
    this.#absence = absence;
    await this.#log.locked(async () => {}); // also what commands have logged
    if (absence === undefined)
      await this.#recorder.record([...this.#looker.addresses, ...this.#log.known.keys()]);
    await this.#notices.tellChanges();
  }

  async lookAt(names: Iterable<string>): Promise<void> {
    const addresses = await this.#looker.some(names);
    await this.#recorder.record(addresses);
    await this.#notices.tellChanges();
  }

  /** Logs what a delivery has read, if it is news. Returns whether its file has to be looked at again. */
  take(used: UsedKeys): Promise<boolean> {
    return this.#witness.take(used);
  }

  /** Tells the owners of keys that have changed; those that cannot be told now stay owed. */
  tellChanges(): Promise<void> {
    return this.#notices.tellChanges();
  }

  /** Judges a few keys that have to be. False if there were none. */
  judgeSome(): Promise<boolean> {
    return this.#judge.some();
  }

  /** Tells the owners of keys that end soon. Only when all are judged. */
  async tellEndings(): Promise<void> {
    if (this.#parts.tellsEndings) await this.#notices.tellEndings(this.#looker.effective());
  }

  figures(): KeeperFigures {
    const { entries, changes, head } = this.#log;
    return { ...figuresOf(this.#looker.effective(), this.#parts.world.now()), entries, changes, head };
  }

  /** Says how it stands with all keys, and whether the key log is what it was. */
  sayDaily(): void {
    const { states, earliest, entries, head } = this.figures();
    const { say } = this.#parts;
    const ends = earliest && { ends: new Date(earliest.at).toISOString(), address: earliest.address };
    say('info', 'keys', { ...states, earliest: ends, log: { entries, head } });
    const { problem } = this.#log.verify();
    if (problem !== undefined)
      say('error', 'key log', { what: `line ${problem.line} ${problem.what}`, entries, head });
    if (this.#absence !== undefined) say('error', 'keys.directory', { error: this.#absence });
  }

  /** Removes copies that nobody needs, and writes down what was seen, so that the next start is quick. */
  async tidy(): Promise<void> {
    await this.#log.locked(async () => {
      // under the lock: a command keeps copies before it logs what they are for
      const known = [...this.#log.known.values()].flatMap(({ now, last }) => [...now.files, ...last.files]);
      const owed = this.#notices.owed.flatMap(({ before, after }) => [...before.files, ...after.files]);
      const digests = new Set([...known, ...owed]);
      for (const { digest } of this.#looker.files) digests.add(digest);
      this.#copies.keepOnly(digests);
      this.#files.removeLeftovers();
    });
    this.#saveSeen();
  }

  #saveSeen(): void {
    this.#files.replace(SEEN_FILE, seenLines(this.#looker.files));
    this.#savedVersion = this.#looker.version;
  }

  /** Ends what is under way at the next file. */
  stop(): void {
    this.#looker.stop();
    this.#recorder.stop();
  }

  /** Lets another keeper have the directory, and have what was judged so far. */
  close(): void {
    try {
      if (this.#log.entries > 0 && this.#savedVersion !== this.#looker.version) this.#saveSeen();
    } finally {
      this.#files.close(this.#lifetime);
    }
  }
}

/** The log of the server may be kept elsewhere, out of reach of who edits the key log. */
function sayLogged(say: Say, { n, address, event, before, after, lost, by }: Entry, hash: string): void {
  if (event === 'first-look') return;
  const keys = { before: before.fingerprints, after: after.fingerprints, lost };
  say(event === 'came' ? 'info' : 'warn', 'key change', {
    address,
    event,
    ...keys,
    by: by.how,
    entry: n,
    head: hash,
  });
}
