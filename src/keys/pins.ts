/**
 * Fingerprints of keys that came from strangers' servers, pinned when they were first seen: one small file
 * for each address in `keys.state`/pins, with a fingerprint on each line. Whichever process is first decides;
 * a pin is durable before its key is used. Only an operator removes one.
 */
import { constants } from 'node:fs';
import { access, link, mkdir, open, readFile, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pathSegment } from '../core/address.ts';
import type { World } from '../core/world.ts';
import { FileCalls, type Runner } from './calls.ts';
import { PINS } from './words.ts';

/** An answer with another key than the one that is pinned. It is an answer, and no failure of the server. */
export class PinError extends Error {}

class DamagedPinError extends Error {}

export interface PinOptions {
  readonly world: Pick<World, 'random'>;
  /** Makes the calls to the file system; directly if left out. */
  readonly run?: Runner | undefined;
  /** `never`: for those who only look, and perhaps as another user than the one that the server runs as. */
  readonly pinning?: 'always' | 'never' | undefined;
}

const FINGERPRINTS = /^(?:(?:[0-9A-F]{40}|[0-9A-F]{64})\n)+$/;

export class Pins {
  readonly #state: string;
  readonly #directory: string;
  readonly #options: PinOptions;
  readonly #calls: FileCalls;

  /** `state` has to exist: one that is made anew would have forgotten every pin. */
  constructor(state: string, options: PinOptions) {
    this.#state = state;
    this.#directory = join(state, 'pins');
    this.#options = options;
    this.#calls = new FileCalls(state, options.run ?? ((_, call) => call()));
  }

  /** Returns the path of the file with the pins of an address. */
  fileOf(address: string): string {
    return join(this.#directory, pathSegment(address));
  }

  /** Throws, with a sentence, if nothing can be pinned: before anybody else is asked for a key. */
  async ready(): Promise<void> {
    await this.#calls.make(() => this.#prepare()).catch((error: NodeJS.ErrnoException) => this.#fail(error));
  }

  /**
   * Returns once these fingerprints are pinned for the address, or were before. Throws PinError, with a
   * sentence, if one of them is another than those that are pinned.
   */
  async hold(address: string, fingerprints: readonly string[]): Promise<void> {
    const path = this.fileOf(address);
    const pinned = await this.#calls
      .make(() => this.#pinned(path, fingerprints))
      .catch((error: NodeJS.ErrnoException) => this.#fail(error));
    const [other] = fingerprints.filter((each) => !pinned.includes(each));
    if (other === undefined) return;
    throw new PinError(PINS.another(address, other, pinned, path));
  }

  async #prepare(): Promise<void> {
    if (this.#options.pinning === 'never') return;
    // not made here: whatever is mounted there later would have the pins
    await stat(this.#state);
    await mkdir(this.#directory, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await access(this.#directory, constants.R_OK | constants.W_OK | constants.X_OK);
  }

  /** Returns what is pinned: what was before, else these. */
  async #pinned(path: string, fingerprints: readonly string[]): Promise<readonly string[]> {
    const before = await read(path);
    if (this.#options.pinning === 'never') return before ?? fingerprints;
    if (before === undefined) await this.#create(path, fingerprints);
    // of another process too: it may have come this far and no further
    await sync(this.#directory);
    await sync(this.#state);
    if (before !== undefined) return before;
    const now = await read(path);
    if (now === undefined) throw Object.assign(new Error('removed again'), { code: 'ENOENT', path });
    return now;
  }

  /** Makes the file whole under its name, unless there is one by then. */
  async #create(path: string, fingerprints: readonly string[]): Promise<void> {
    const staged = join(this.#directory, `.${this.#options.world.random(16).toString('hex')}`);
    const file = await open(staged, 'wx', 0o600);
    try {
      await file.writeFile(fingerprints.map((each) => `${each}\n`).join(''));
      await file.sync();
      await link(staged, path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error; // another process was first
      });
    } finally {
      await file.close();
      await unlink(staged);
    }
  }

  #fail(error: NodeJS.ErrnoException): never {
    if (error instanceof DamagedPinError) throw error;
    const { code = 'unknown error', path = this.#state } = error;
    throw new Error(PINS.noPlace(code, path), { cause: error });
  }
}

/** Returns undefined if there is none. Throws if it is none that was written here, or is damaged. */
async function read(path: string): Promise<string[] | undefined> {
  const text = await readFile(path, 'latin1').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  if (!FINGERPRINTS.test(text)) throw new DamagedPinError(PINS.damaged(path));
  return text.trimEnd().split('\n');
}

async function sync(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
