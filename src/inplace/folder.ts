/**
 * Seals all messages of one folder of a Maildir where they are: several are staged at a time, and put in
 * place by the hundred. What was moved or changed meanwhile is looked at again. Nothing is remembered
 * anywhere but in the messages themselves, so that a run that was cut short goes on with the next.
 */

import { join } from 'node:path';
import { baseOf } from '../maildir/messagename.ts';
import { mend, type PlacingParts, place } from './placing.ts';
import { DiskFull, type Left, type Staged, type StagingParts, stage } from './staging.ts';

export interface FolderParts extends StagingParts, PlacingParts {
  /** How many messages of a folder are staged at a time. */
  readonly atOnce: number;
  /** Waits until so many bytes more may be read and written. Throws to end the work. */
  pause(bytes: number): Promise<void>;
  /** The disk was kept busy for so long, and is to be left to others. */
  rest(micros: number): void;
  /** The messages of the folder have so many bytes more than before. */
  grown(bytes: number): Promise<void>;
  readonly report: Report;
  /** Tells whether a message is to be looked at in this run. Left out: each is. */
  isWanted?(part: string, name: string): Promise<boolean>;
}

export interface Report {
  /** `bytes`: of the message as it was. */
  sealed(bytes: number): void;
  left(why: Left): void;
  /** `name`: in the folder, with new/ or cur/; undefined if it is about the folder. */
  failed(folder: string, name: string | undefined, why: string): void;
}

/** Between two times that the others of a folder are kept waiting. */
const MOST_MESSAGES = 100;
const MOST_BYTES = 8 * 1024 * 1024;
/** For so long a message waits in tmp/ for others. */
const MOST_MICROS = 500_000;
/** How often a message is tried that others move at the same time. */
const MOST_ROUNDS = 4;

/** Throws DiskFull, and what `pause` throws. By then all that is staged is in place or removed. */
export async function sealFolder(folder: string, parts: FolderParts): Promise<void> {
  const sealing = new FolderSealing(folder, parts);
  try {
    if (!parts.isTrial) await mend(folder, parts);
    await sealing.run();
  } catch (error) {
    if (error instanceof DiskFull || sealing.isEnded) throw error;
    parts.report.failed(folder, undefined, (error as Error).message);
  }
}

interface Item {
  readonly part: string;
  readonly name: string;
}

class FolderSealing {
  readonly #folder: string;
  readonly #parts: FolderParts;
  /** Base names of those that are done with. */
  readonly #done = new Set<string>();
  readonly #tried = new Set<string>();
  #staged: Staged[] = [];
  #stagedSince = 0;
  /** One after the other: the lock tells processes apart, not these. */
  #placing: Promise<void> = Promise.resolve();
  #trouble: { readonly error: unknown } | undefined;
  /** Whether `pause` has ended the work. */
  isEnded = false;

  constructor(folder: string, parts: FolderParts) {
    this.#folder = folder;
    this.#parts = parts;
  }

  async run(): Promise<void> {
    for (let round = 1; ; round++) {
      const items = await this.#items();
      if (items.length === 0) return;
      if (round > MOST_ROUNDS) {
        // what has come since is the next run's
        for (const { part, name } of items.filter((each) => this.#tried.has(baseOf(each.name))))
          this.#fail(part, name, new Error('others change it again and again'));
        return;
      }
      await this.#all(items);
    }
  }

  /** Lists the messages that are not done with. Dovecot takes no name with a dot for a message. */
  async #items(): Promise<Item[]> {
    const items: Item[] = [];
    for (const part of ['new', 'cur'])
      for (const name of await this.#parts.calls.list(join(this.#folder, part)))
        if (!name.startsWith('.') && !this.#done.has(baseOf(name)) && (await this.#isWanted(part, name)))
          items.push({ part, name });
    return items;
  }

  async #isWanted(part: string, name: string): Promise<boolean> {
    return this.#parts.isWanted === undefined || this.#parts.isWanted(part, name);
  }

  async #all(items: readonly Item[]): Promise<void> {
    const left = items.values();
    const work = async () => {
      for (const item of left) {
        if (this.#trouble !== undefined) return;
        await this.#one(item).catch((error: unknown) => {
          this.#trouble ??= { error };
        });
      }
    };
    await Promise.all(Array.from({ length: this.#parts.atOnce }, work));
    await this.#place();
    if (this.#trouble !== undefined) throw this.#trouble.error;
  }

  async #one({ part, name }: Item): Promise<void> {
    const { report, isTrial } = this.#parts;
    let staged: Staged | Left;
    try {
      staged = await stage(this.#folder, part, name, this.#parts);
    } catch (error) {
      if (error instanceof DiskFull) throw error;
      return this.#fail(part, name, error);
    }
    if (staged === 'gone') return;
    if (typeof staged === 'string') {
      this.#done.add(baseOf(name));
      return report.left(staged);
    }
    if (isTrial) {
      this.#done.add(baseOf(name));
      report.sealed(staged.seen.bytes);
    } else await this.#add(staged);
    await this.#pause(staged.seen.bytes);
  }

  async #add(staged: Staged): Promise<void> {
    const now = this.#parts.world.micros();
    if (this.#staged.length === 0) this.#stagedSince = now;
    this.#staged.push(staged);
    const bytes = this.#staged.reduce((sum, each) => sum + each.bytes, 0);
    const isTime = now - this.#stagedSince >= MOST_MICROS;
    if (isTime || this.#staged.length >= MOST_MESSAGES || bytes >= MOST_BYTES) await this.#place();
  }

  async #pause(bytes: number): Promise<void> {
    try {
      await this.#parts.pause(bytes);
    } catch (error) {
      this.isEnded = true;
      throw error;
    }
  }

  #place(): Promise<void> {
    const messages = this.#staged;
    this.#staged = [];
    if (messages.length > 0) this.#placing = this.#placing.then(() => this.#placeThese(messages));
    return this.#placing;
  }

  async #placeThese(messages: readonly Staged[]): Promise<void> {
    const { report, world, grown } = this.#parts;
    const begunAt = world.micros();
    const placed = await place(this.#folder, messages, this.#parts).catch((error: unknown) => {
      this.#trouble ??= { error };
    });
    this.#parts.rest(world.micros() - begunAt);
    for (const error of placed?.troubles ?? []) report.failed(this.#folder, undefined, error.message);
    let growth = 0;
    for (const [message, fate] of placed?.fates ?? []) {
      this.#tried.add(baseOf(message.name));
      if (fate === 'changed') continue; // looked at again in the next round
      if (fate !== 'placed') this.#fail(message.part, message.name, fate.failed);
      else {
        this.#done.add(baseOf(message.newName));
        growth += message.bytes - message.seen.bytes;
        report.sealed(message.seen.bytes);
      }
    }
    if (growth !== 0)
      await grown(growth).catch((error: Error) => report.failed(this.#folder, undefined, error.message));
  }

  #fail(part: string, name: string, error: unknown): void {
    this.#done.add(baseOf(name));
    this.#parts.report.failed(this.#folder, `${part}/${name}`, (error as Error).message);
  }
}
