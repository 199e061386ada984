/**
 * Whether mail that comes now can be taken, as far as that is known without any: for load balancers, and for
 * whoever waits for a start. What it finds is told in the words of the settings, without an address.
 */
import { constants } from 'node:fs';
import { access, opendir, statfs } from 'node:fs/promises';
import type { Settings } from '../config/settings.ts';
import { within } from '../core/deadline.ts';
import type { World } from '../core/world.ts';
import type { KeyRules } from '../delivery/select.ts';
import { Lookup } from '../lookup.ts';
import { openCalls } from '../opensite.ts';
import { keyRulesOf, pathsOf } from '../site.ts';

/** A load balancer waits for about as long. */
const PATIENCE_MS = 2000;

export class Readiness {
  readonly #world: World;
  /** One that hangs must not keep a thread for each who asks. */
  readonly #run: ReturnType<typeof openCalls>;
  #settings: Settings;
  #lookup: Lookup | undefined;
  /** Kept, since it reads key files again only when they have changed. */
  #rules: KeyRules | undefined;
  #isLeaving = false;

  constructor(settings: Settings, world: World) {
    this.#settings = settings;
    this.#world = world;
    this.#run = openCalls(settings, world);
  }

  reload(settings: Settings): void {
    this.close();
    this.#settings = settings;
  }

  /** From now on nothing more can be taken: what is under way ends, and a load balancer looks elsewhere. */
  leave(): void {
    this.#isLeaving = true;
  }

  /** Returns what is in the way, a sentence each; none if mail can be taken. Never throws. */
  async troubles(): Promise<string[]> {
    if (this.#isLeaving) return ['the server is stopping'];
    const { keys, storeRoot } = pathsOf(this.#settings);
    const { forward } = this.#settings.store;
    const found = await Promise.all([
      this.#ask('keys.directory', () => this.#run(keys, () => this.#lookAtKeys(keys))),
      this.#ask('keys.also', () => this.#askSiteKeys()),
      forward === undefined
        ? this.#ask('store.maildir', () => this.#run(storeRoot, () => this.#lookAtStore(storeRoot)))
        : undefined,
      this.#ask('recipients.source', () => this.#askSource()),
    ]);
    return found.flatMap((each) => each ?? []);
  }

  close(): void {
    void this.#lookup?.close().catch(() => {});
    this.#lookup = undefined;
    this.#rules = undefined;
  }

  /** An empty directory is taken for one that is not mounted, and all mail is deferred (D18). */
  async #lookAtKeys(directory: string): Promise<void> {
    const { recipients, keys } = this.#settings;
    const isOnlySource = recipients.source === 'keys' && keys.wkd_directory === '';
    if ((await firstOf(directory)) === undefined && isOnlySource) throw new Error('it holds no key file');
  }

  /** Each copy is sealed to these as well, or deferred. */
  async #askSiteKeys(): Promise<void> {
    this.#rules ??= keyRulesOf(this.#settings, this.#world, { run: this.#run });
    const also = await this.#rules.site?.also(new Date(this.#world.now()));
    if (also !== undefined && 'reasons' in also) throw new Error('a key of it cannot be used');
  }

  /** Mail is deferred as well where a disk is nearly full (maildir/space.ts). */
  async #lookAtStore(root: string): Promise<void> {
    await access(root, constants.W_OK | constants.X_OK);
    const wanted = this.#settings.store.min_free_space;
    const { bavail, bsize } = await statfs(root);
    if (bavail * bsize < wanted) throw new Error('less than store.min_free_space is free');
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
        (error: NodeJS.ErrnoException) => `${setting} cannot be used (${error.code ?? error.message})`,
      ),
      PATIENCE_MS,
    );
    return (await answer) === 'late' ? `${setting} does not answer` : answer;
  }
}

async function firstOf(directory: string): Promise<string | undefined> {
  const entries = await opendir(directory);
  try {
    return (await entries.read())?.name;
  } finally {
    await entries.close();
  }
}
