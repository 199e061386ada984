/**
 * Whether mail that comes now can be taken, as far as that is known without any: for load balancers, and for
 * whoever waits for a start. What it finds is told in the words of the settings, without an address.
 */
import { constants } from 'node:fs';
import { access, opendir } from 'node:fs/promises';
import type { Settings } from '../config/settings.ts';
import { within } from '../core/deadline.ts';
import type { World } from '../core/world.ts';
import { Lookup } from '../lookup.ts';
import { openCalls } from '../opensite.ts';
import { pathsOf } from '../site.ts';

/** A load balancer waits for about as long. */
const PATIENCE_MS = 2000;

export class Readiness {
  readonly #world: World;
  /** One that hangs must not keep a thread for each who asks. */
  readonly #run: ReturnType<typeof openCalls>;
  #settings: Settings;
  #lookup: Lookup | undefined;

  constructor(settings: Settings, world: World) {
    this.#settings = settings;
    this.#world = world;
    this.#run = openCalls(settings, world);
  }

  reload(settings: Settings): void {
    this.close();
    this.#settings = settings;
  }

  /** Returns what is in the way, a sentence each; none if mail can be taken. Never throws. */
  async troubles(): Promise<string[]> {
    const { keys, storeRoot } = pathsOf(this.#settings);
    const found = await Promise.all([
      this.#ask('keys.directory', () => this.#run(keys, async () => (await opendir(keys)).close())),
      this.#ask('store.maildir', () =>
        this.#run(storeRoot, () => access(storeRoot, constants.W_OK | constants.X_OK)),
      ),
      this.#ask('recipients.source', () => this.#askSource()),
    ]);
    return found.flatMap((each) => each ?? []);
  }

  close(): void {
    void this.#lookup?.close().catch(() => {});
    this.#lookup = undefined;
  }

  /** Asks for an address that need not exist. The key directory as the source was looked at already. */
  async #askSource(): Promise<void> {
    if (this.#settings.recipients.source === 'keys') return;
    this.#lookup ??= new Lookup(this.#settings, this.#world, { run: this.#run });
    await this.#lookup.recipient(`postmaster@${this.#settings.hostname}`);
  }

  async #ask(setting: string, call: () => Promise<void>): Promise<string | undefined> {
    const answer = within(
      call().then(
        () => undefined,
        (error: NodeJS.ErrnoException) => `${setting} cannot be used (${error.code ?? 'it does not answer'})`,
      ),
      PATIENCE_MS,
    );
    return (await answer) === 'late' ? `${setting} does not answer` : answer;
  }
}
