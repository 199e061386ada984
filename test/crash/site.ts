// A store and a key directory that many servers use one after the other, for campaigns that kill them.

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSettings } from '../../src/config/load.ts';
import type { Settings } from '../../src/config/settings.ts';
import type { Disk } from '../../src/disk/disk.ts';
import { createLog } from '../../src/edge/log.ts';
import { type Running as Serving, serve } from '../../src/server/serve.ts';
import { type Canaries, newCanaries, searchFiles, shownIn } from '../support/canary.ts';
import { CLI } from '../support/child.ts';
import { armored, pgpMime } from '../support/encrypted.ts';
import { type FreshKey, freshKey } from '../support/freshkey.ts';
import { type Running, start } from '../support/process.ts';
import { makeSite, SMALL_DISK, tomlFor } from '../support/sealdir.ts';
import { repositoryRoot } from '../support/shared.ts';
import { until } from '../support/until.ts';
import { Ledger } from './ledger.ts';
import type { KillPoint } from './server.ts';

const SERVER = join(repositoryRoot(), 'dist/test/crash/server.js');
const SHARED = 'shared@example.com';

export type Mailboxes = readonly [string, string, string];

export class CrashSite {
  readonly directory: string;
  readonly ledger: Ledger;
  readonly canaries: Canaries = newCanaries();
  readonly #key: FreshKey;
  readonly #settings: Settings;

  private constructor(directory: string, settings: Settings, key: FreshKey) {
    this.directory = directory;
    this.#settings = settings;
    this.#key = key;
    this.ledger = new Ledger(join(directory, 'mail'), key);
  }

  /** `processes` is for `startProgram`; `state` is another site's, else there is one in the directory. */
  static async open({
    processes = 1,
    state,
  }: {
    processes?: number;
    state?: string;
  } = {}): Promise<CrashSite> {
    const directory = await makeSite();
    const own = tomlFor(directory, { toml: { processes, duplicates: '1h', store: SMALL_DISK } });
    const toml = state === undefined ? own : own.replace(/^state = .*$/m, `state = ${JSON.stringify(state)}`);
    const loaded = parseSettings(toml, 'test.toml', { hostname: 'localhost' });
    if (!loaded.ok) throw new Error(loaded.errors.map((error) => error.message).join('\n'));
    const site = new CrashSite(directory, loaded.settings, await freshKey(SHARED));
    await writeFile(site.#file('sealdir.toml'), toml);
    await writeFile(site.#file('settings.json'), JSON.stringify(loaded.settings));
    await site.#enrol(SHARED);
    return site;
  }

  /** The state directory. */
  get state(): string {
    return this.#settings.store.state.directory;
  }

  get socketPath(): string {
    return this.#file('lmtp.sock');
  }

  /** Names two mailboxes in a new domain, which do not exist yet, and one that all share. */
  async mailboxesFor(name: string): Promise<Mailboxes> {
    const [one, two] = [`one@${name}.example`, `two@${name}.example`];
    await this.#enrol(one);
    await this.#enrol(two);
    return [one, two, SHARED];
  }

  /** Returns a message that holds another as what its sender has encrypted: here it is stored as it comes. */
  async encrypted(id: string, message: Buffer): Promise<Buffer> {
    const fields = [`X-Id: ${id} ends here`]; // for a site with another key, which seals it
    return pgpMime(await armored(message.toString(), [this.#key]), { fields });
  }

  /** Loads a server with a disk that may end it (server.ts). It waits for `begin`. */
  loadServer(kill?: KillPoint): Promise<Running> {
    const args = [SERVER, this.#file('settings.json'), ...(kill === undefined ? [] : [JSON.stringify(kill)])];
    return start(process.execPath, args, { ready: (output) => output.includes('loaded') });
  }

  async begin(server: Running): Promise<void> {
    server.signal('SIGUSR2');
    await until('the server listens', () => server.output().includes('\nlistening '));
  }

  /** Starts `sealdir serve` as an operator does. */
  startProgram(): Promise<Running> {
    const args = [CLI, 'serve', '-c', this.#file('sealdir.toml')];
    const ready = (output: string) => output.includes('"msg":"listening"');
    return start(process.execPath, args, { ready });
  }

  /** Starts a server in this process, on any disk. */
  async serveHere(disk?: Disk): Promise<Serving & { readonly log: readonly string[] }> {
    const log: string[] = [];
    const written = createLog('info', {}, { write: (line) => log.push(line) });
    return { ...(await serve(this.#settings, written, [], { disk })), log };
  }

  /**
   * Resolves to a sentence for each canary in the state directory, the replies, or the output of the servers.
   */
  async leaks(printed: readonly string[]): Promise<string[]> {
    const texts = [...this.ledger.replies, ...printed];
    const shown = texts.flatMap((text) =>
      shownIn(text, this.canaries).map((canary) => `${canary} in: ${text}`),
    );
    return [...shown, ...(await searchFiles(this.directory, this.canaries))];
  }

  close(): Promise<void> {
    return rm(this.directory, { recursive: true, force: true });
  }

  #enrol(address: string): Promise<void> {
    return writeFile(this.#file(`keys/${address}.asc`), this.#key.certificate);
  }

  #file(name: string): string {
    return join(this.directory, name);
  }
}
