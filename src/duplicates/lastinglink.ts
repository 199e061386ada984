/**
 * The connection to what hosts share, for as long as the process lives. What does not answer within a moment
 * is given up, and not asked again for some seconds: deliveries go on without it. What could not be told
 * meanwhile is told later, as far as it is held.
 */
import { performance } from 'node:perf_hooks';
import { within } from '../core/deadline.ts';
import type { RedisLink } from './redis.ts';

const ANSWER_MS = 1000;
/** For answers that have come while this process was busy. */
const GRACE_MS = 200;
const OPEN_MS = 3000;
const RETRY_MS = 5000;
/** Records that could not be told: a megabyte or two. */
const MOST_UNTOLD = 10_000;
const AT_ONCE = 500;

export interface LinkOptions {
  /** Loads what it takes to connect. Has no limit: it is work of this process, and not of Redis. */
  load(): Promise<unknown>;
  /** Connects within `waitMs`, or rejects and leaves nothing behind. */
  open(waitMs: number): Promise<RedisLink>;
  /** Is told once, until it is back. */
  lost(error: unknown): void;
  /** Is told when it answers again. */
  back(): void;
  /** How long it is left alone after that, and how long it may take to connect. */
  readonly retryMs?: number;
  readonly openMs?: number;
}

/** A record that a recipient has a copy. */
export interface Stored {
  readonly key: string;
  readonly proof: string;
}

type Command = readonly string[];

export class LastingLink {
  readonly #options: LinkOptions;
  readonly #untold = new Map<string, { readonly proof: string; readonly until: number }>();
  #link: RedisLink | undefined;
  #opening: Promise<void> | undefined; // the first attempt alone is waited for
  #retry: NodeJS.Timeout | undefined;
  #hasSaidLost = false;
  #isClosed = false;
  failures = 0;

  /** Begins to connect. */
  constructor(options: LinkOptions) {
    this.#options = options;
    this.#opening = this.#begin().finally(() => {
      this.#opening = undefined;
    });
  }

  get isUp(): boolean {
    return this.#link !== undefined;
  }

  /** Returns the replies, after one round trip; undefined if there are none in time. Never rejects. */
  async ask(commands: readonly Command[]): Promise<unknown[] | undefined> {
    if (this.#opening !== undefined) await this.#opening;
    const link = this.#link;
    if (link === undefined || commands.length === 0) return undefined;
    try {
      return await inTime(Promise.all(commands.map((command) => link.send(command))));
    } catch (error) {
      if (this.#link === link) this.#lose(link, error);
      return undefined;
    }
  }

  /** Keeps records until they can be told, the newest of them. */
  tellLater(records: readonly Stored[], forMs: number): void {
    const until = performance.now() + forMs;
    for (const { key, proof } of records) this.#untold.set(key, { proof, until });
    for (const key of this.#untold.keys()) {
      if (this.#untold.size <= MOST_UNTOLD) break;
      this.#untold.delete(key);
    }
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#link?.close();
    this.#link = undefined;
  }

  #lose(link: RedisLink | undefined, error: unknown): void {
    link?.close();
    this.#link = undefined;
    if (this.#isClosed) return;
    this.failures++;
    if (!this.#hasSaidLost) this.#options.lost(error);
    this.#hasSaidLost = true;
    this.#retry = setTimeout(() => void this.#open(), this.#options.retryMs ?? RETRY_MS);
    this.#retry.unref();
  }

  async #begin(): Promise<void> {
    await this.#options.load().catch(() => {}); // connecting fails for the same reason
    return this.#open();
  }

  async #open(): Promise<void> {
    let link: RedisLink | undefined;
    try {
      link = await this.#options.open(this.#options.openMs ?? OPEN_MS);
      await tryCommands(link);
      await this.#tellUntold(link);
    } catch (error) {
      return this.#lose(link, error);
    }
    if (this.#isClosed) return link.close();
    this.#link = link;
    void link.lost.then((error) => {
      if (this.#link === link) this.#lose(link, error);
    });
    if (this.#hasSaidLost) this.#options.back();
    this.#hasSaidLost = false;
  }

  async #tellUntold(link: RedisLink): Promise<void> {
    for (let keys = this.#firstUntold(); keys.length > 0; keys = this.#firstUntold()) {
      const now = performance.now();
      const commands = keys.flatMap((key) => {
        const { proof = '', until = 0 } = this.#untold.get(key) ?? {};
        return until > now ? [['SET', key, proof, 'PX', String(Math.ceil(until - now))]] : [];
      });
      await inTime(Promise.all(commands.map((command) => link.send(command))));
      for (const key of keys) this.#untold.delete(key);
    }
  }

  #firstUntold(): string[] {
    return [...this.#untold.keys()].slice(0, AT_ONCE);
  }
}

/**
 * Tries every command that a delivery needs, so that a server which refuses one (it is full, a replica, or
 * the user may not) is not taken for one that is back. Throws what it has against it.
 */
export async function tryCommands(link: RedisLink): Promise<void> {
  const key = 'sealdir:probe';
  const commands = [
    ['SET', key, '1', 'NX', 'PX', '1000'],
    ['MGET', key],
    ['PEXPIRE', key, '1000'],
    ['SET', key, '1', 'PX', '1000'],
    ['DEL', key],
  ];
  await inTime(Promise.all(commands.map((command) => link.send(command))));
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  answer.catch(() => {}); // it may come too late
  let found = await within(answer, ANSWER_MS);
  if (found === 'late') found = await within(answer, GRACE_MS);
  if (found === 'late') throw new Error(`no answer in ${ANSWER_MS} ms`);
  return found;
}
