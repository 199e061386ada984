/**
 * Remembers what was delivered lately, for all processes of a site and beyond the death of any of them.
 *
 * Two generations are kept. The newest takes records until it is full or as old as the window; then the next
 * one begins, and the one before is dropped. With a state directory a generation is a file `delivered.N`
 * (recordfile.ts). Without one, or if it fails, this process remembers alone: a message twice is better than
 * none.
 *
 * Nothing is fsynced and all calls are synchronous, since the state directory belongs into memory (/run),
 * where they take microseconds. A power cut forgets it, and may thus repeat a message.
 */
import { mkdirSync, readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from '../core/world.ts';
import { RecordFile } from './recordfile.ts';
import { siteSecret } from './secret.ts';

/** Most records in one generation: 2 MiB on disk, and about 8 MiB in each process. */
const MOST_RECORDS = 65_536;

export interface MemoryOptions {
  readonly directory: string;
  /** The longest time for which a delivery is remembered. */
  readonly windowMs: number;
  readonly world: Pick<World, 'now' | 'random'>;
  /** Called when the directory stops working, once until it works again. */
  readonly fault: (error: unknown) => void;
  readonly mostRecords?: number;
}

interface Generation {
  readonly number: number;
  /** identity -> when it was delivered */
  readonly times: Map<string, number>;
  readonly file: RecordFile | undefined;
}

export class RememberedDeliveries {
  readonly #options: MemoryOptions;
  readonly #mostRecords: number;
  /** The key of the identities. */
  readonly secret: Buffer;
  /** See `DeliveryMemory`. */
  readonly underWay = new Map<string, Promise<unknown>>();
  #hasDirectory = false;
  #isShared = true; // the other processes see our records, as far as we know
  #previous: Generation | undefined;
  #current: Generation = { number: 0, times: new Map(), file: undefined };

  constructor(options: MemoryOptions) {
    this.#options = options;
    this.#mostRecords = options.mostRecords ?? MOST_RECORDS;
    const secret = this.#share(() => this.#openDirectory());
    this.secret = secret ?? options.world.random(32);
    if (secret === undefined) this.#leaveDirectory();
  }

  /**
   * Keeps out of the directory: with a secret of its own, this process makes records that nobody else knows.
   */
  #leaveDirectory(): void {
    this.close();
    this.#hasDirectory = false;
    this.#previous = undefined;
    this.#current = { number: 0, times: new Map(), file: undefined };
  }

  /** False while this process remembers alone. */
  get isShared(): boolean {
    return this.#isShared;
  }

  has(identity: string): boolean {
    this.#share(() => this.#catchUp());
    const now = this.#options.world.now();
    return [this.#current, this.#previous].some((generation) => {
      const time = generation?.times.get(identity);
      return time !== undefined && this.#isRecent(time, now);
    });
  }

  /**
   * Records a copy that is durable; call it before anybody is told. Does not read what others have added,
   * since `has` was called before.
   */
  add(identity: string): void {
    const now = this.#options.world.now();
    this.#share(() => {
      this.#endGeneration();
      if (this.#current.file === undefined) return;
      this.#current.file.append(identity, now);
      this.#isShared = true;
    });
    this.#current.times.set(identity, now);
  }

  close(): void {
    for (const generation of [this.#current, this.#previous]) generation?.file?.close();
  }

  #openDirectory(): Buffer {
    const { directory, world } = this.#options;
    try {
      mkdirSync(directory, 0o700);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const secret = siteSecret(directory, world);
    const newest = Math.max(1, ...this.#numbers());
    this.#current = this.#generation(newest);
    this.#previous = this.#generation(newest - 1); // made empty at first, so that there are always two files
    this.#hasDirectory = true;
    this.#catchUp();
    return secret;
  }

  #generation(number: number): Generation {
    const times = new Map<string, number>();
    const path = join(this.#options.directory, `delivered.${number}`);
    return { number, times, file: new RecordFile(path, (identity, time) => times.set(identity, time)) };
  }

  #catchUp(): void {
    this.#previous?.file?.catchUp(); // another process may have written to it a moment ago
    this.#current.file?.catchUp();
    this.#endGeneration();
  }

  #endGeneration(): void {
    while (this.#isOver(this.#current)) this.#beginNext();
  }

  /** Whether a generation is over; the same for all processes, since they see the same records. */
  #isOver({ times, file }: Generation): boolean {
    if (file?.isDamaged || times.size >= this.#mostRecords) return true;
    const [first] = times.values();
    return first !== undefined && !this.#isRecent(first, this.#options.world.now());
  }

  #beginNext(): void {
    const { directory } = this.#options;
    const over = this.#current;
    this.#previous?.file?.close();
    this.#previous = over;
    // bounded even if the directory fails below; it is tried again with the next generation
    this.#current = { number: over.number + 1, times: new Map(), file: undefined };
    if (!this.#hasDirectory) return;
    const number = Math.max(over.number + 1, ...this.#numbers()); // other processes may have gone further
    this.#current = this.#generation(number);
    if (number > over.number + 1) {
      this.#previous = this.#generation(number - 1);
      over.file?.close();
    }
    this.#previous.file?.catchUp();
    this.#current.file?.catchUp();
    for (const old of this.#numbers().filter((each) => each < number - 1)) {
      try {
        unlinkSync(join(directory, `delivered.${old}`));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // another process was first
      }
    }
  }

  #numbers(): number[] {
    const names = readdirSync(this.#options.directory);
    return names.flatMap((name) => /^delivered\.(\d{1,15})$/.exec(name)?.slice(1).map(Number) ?? []);
  }

  #isRecent(time: number, now: number): boolean {
    return Math.abs(now - time) < this.#options.windowMs; // the clock may have been set back
  }

  /** Does work on the directory. If it fails, mail goes on, and only a duplicate may be stored again. */
  #share<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (this.#isShared) this.#options.fault(error);
      this.#isShared = false;
      return undefined;
    }
  }
}
