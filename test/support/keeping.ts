// The keeper of the keys of a site, in this process, with real key files, a real store, and a clock that the
// test moves. A site can be opened again, as by the next start of a server.

import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSettings } from '../../src/config/load.ts';
import { addressRules } from '../../src/config/rules.ts';
import type { Settings } from '../../src/config/settings.ts';
import { UNMETERED } from '../../src/core/meter.ts';
import { lockDescriptor } from '../../src/edge/lock.ts';
import { realWorld } from '../../src/edge/world.ts';
import { Courier } from '../../src/keeper/courier.ts';
import { Keeper, type KeeperFigures } from '../../src/keeper/keeper.ts';
import { Rounds } from '../../src/keeper/rounds.ts';
import type { Copies } from '../../src/keylog/copies.ts';
import type { Entry } from '../../src/keylog/entry.ts';
import type { KeyLog } from '../../src/keylog/keylog.ts';
import { openKeyLog } from '../../src/keylog/statedirectory.ts';
import { entriesOf } from '../../src/keylog/verify.ts';
import { deliveryParts, openSite } from '../../src/opensite.ts';
import { judgingRulesOf, pathsOf } from '../../src/site.ts';
import { makeSite, type ServerOptions, tomlFor } from './sealdir.ts';

export interface Said {
  readonly level: string;
  readonly what: string;
  readonly detail: Record<string, unknown>;
}

export class Keeping {
  readonly directory: string;
  readonly settings: Settings;
  /** What the keeper has said. */
  readonly said: Said[] = [];
  /** Figures as they were told. */
  readonly figures: KeeperFigures[] = [];
  /** Numbers of used keys that it has taken. */
  readonly taken: number[] = [];
  #used = 0;
  #passedMs = 0;
  #rounds: Rounds | undefined;
  #close: () => void = () => {};

  private constructor(directory: string, settings: Settings) {
    this.directory = directory;
    this.settings = settings;
  }

  /** Makes a site with a keeper that has not looked yet. */
  static async make(keys: ServerOptions['keys'] = {}, options: ServerOptions = {}): Promise<Keeping> {
    const directory = await makeSite(keys);
    return Keeping.at(directory, options);
  }

  /** Opens the keeper of a site that is there. `step`: see StateFiles. */
  static at(directory: string, options: ServerOptions = {}, step?: (name: string) => void): Keeping {
    const loaded = parseSettings(tomlFor(directory, options), 'test.toml', { hostname: 'localhost' });
    if (!loaded.ok) throw new Error(loaded.errors.map(({ message }) => message).join('\n'));
    const keeping = new Keeping(directory, loaded.settings);
    keeping.open(step);
    return keeping;
  }

  now = (): number => Date.now() + this.#passedMs;

  pass(ms: number): void {
    this.#passedMs += ms;
  }

  open(step: (name: string) => void = () => {}): void {
    const { settings } = this;
    const world = { ...realWorld(settings.hostname), now: this.now };
    const outcomeLog = { outcome() {}, fault() {} };
    const site = openSite(settings, {
      world,
      meter: UNMETERED,
      outcomeLog,
      state: undefined,
      lock: lockDescriptor,
    });
    const parts = deliveryParts(settings, site);
    const { keys, keyState } = pathsOf(settings);
    const say = (level: string, what: string, detail: object) =>
      void this.said.push({ level, what, detail: detail as Record<string, unknown> });
    const keeper = Keeper.open({
      directory: keys,
      state: keyState,
      same: addressRules(settings),
      rules: judgingRulesOf(settings),
      host: settings.hostname,
      tellsEndings: settings.notices.expiry,
      courier: new Courier(settings, parts),
      world,
      lock: lockDescriptor,
      say,
      step,
    });
    this.#rounds = new Rounds(keeper, world, {
      say,
      told: (figures) => void this.figures.push(figures),
      taken: (n) => void this.taken.push(n),
      looked: () => {},
    });
    this.#close = () => {
      keeper.close();
      void parts.addressing.recipients.close?.();
      site.close();
    };
  }

  /** Does all that a keeper does in an hour, or at its start. */
  async round(): Promise<void> {
    this.#rounds?.askForAll();
    await this.#rounds?.round();
  }

  /** Looks at one name alone, as when inotify tells of it. */
  async lookAt(name: string): Promise<void> {
    this.#rounds?.askFor(name);
    await this.#rounds?.round();
  }

  /** Has a delivery tell that it read a key file, `ago` milliseconds ago. The keeper does what follows. */
  async use(file: string, bytes: Uint8Array | string, ago = 0): Promise<void> {
    this.#rounds?.tellUsed({ file, bytes: Buffer.from(bytes), at: this.now() - ago, n: ++this.#used });
    await this.#rounds?.round();
  }

  /** Works like the process of the keeper, until it is stopped; then it has to be opened again. */
  async run(): Promise<void> {
    await this.#rounds?.run();
  }

  stop(): void {
    this.#rounds?.stop();
  }

  /** Stops the keeper and starts it anew, with nothing remembered but what is in files. */
  reopen(): void {
    this.close();
    this.open();
  }

  /** Puts a key file in place as an administrator would. */
  async put(file: string, bytes: Uint8Array | string): Promise<void> {
    await writeFile(join(this.directory, 'incoming'), bytes);
    await rename(join(this.directory, 'incoming'), this.keyFile(file));
  }

  keyFile(file: string): string {
    return join(this.directory, 'keys', file);
  }

  state(name: string): string {
    return join(this.directory, 'keystate', name);
  }

  async entries(): Promise<Entry[]> {
    return [...entriesOf(await readFile(this.state('key.log')))];
  }

  /** Events with addresses and how many keys there are after them, as `changed alice@example.com 1`. */
  async events(): Promise<string[]> {
    return (await this.entries()).map(
      ({ event, address, after }) => `${event} ${address} ${after.fingerprints.length}`,
    );
  }

  /** Resolves to the messages in the mailbox of an address, in order of arrival. */
  async mail(address: string): Promise<Buffer[]> {
    const directory = join(this.directory, 'mail', ...address.split('@').reverse(), 'new');
    const names = await readdir(directory).catch(() => []);
    // by the time in their names, whose microseconds have no leading zeros
    const timeOf = (name: string) => {
      const [, seconds, micros] = /^(\d+)\.M(\d+)P/.exec(name) ?? [];
      return Number(seconds) * 1e6 + Number(micros);
    };
    const sorted = names.sort((a, b) => timeOf(a) - timeOf(b));
    return Promise.all(sorted.map((name) => readFile(join(directory, name))));
  }

  /** The log and the copies as a command sees them, beside the keeper. */
  command(): { readonly log: KeyLog; readonly copies: Copies } {
    const trouble = (what: string) => void this.said.push({ level: 'command', what, detail: {} });
    return openKeyLog(this.state(''), { lock: lockDescriptor, world: this, trouble });
  }

  close(): void {
    this.#close();
    this.#close = () => {};
  }

  async remove(): Promise<void> {
    this.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}
