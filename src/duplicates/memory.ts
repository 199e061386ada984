/**
 * Remembers what was delivered lately, for all processes of a server and beyond the death of any of them.
 *
 * Records go into generations, of which the last nine are kept. One takes records for an eighth of the window
 * or until it is full, so that the window is covered unless there is more mail than fits. With a state
 * directory each is a file `delivered.N`. Without one, or if it fails, this process remembers alone: a
 * message twice is better than none.
 *
 * Nothing is fsynced and all calls are synchronous, since the state directory belongs into memory (/run),
 * where they take microseconds. A power cut forgets it, and may thus repeat a message.
 */
import { createHash } from 'node:crypto';
import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from '../core/world.ts';
import { Generation } from './generation.ts';
import { isAlive, type ProcessTag, processTag } from './processtag.ts';
import { FILE_BYTES, type Kind, type Record } from './record.ts';
import { readSecret } from './secret.ts';
import { covers, type Sketch, sketchOf, union } from './sketch.ts';

/** Most records in one generation: 4 MiB on disk. A copy has two. */
const MOST_RECORDS = 131_072;
const GENERATIONS = 9;
/** What a living process has begun is under way for so long at most: a next hop has 10 minutes to reply. */
const UNDER_WAY_SECONDS = 15 * 60;
/**
 * One account may take as much of a generation, by each process; else its sender could push all others out.
 */
const ACCOUNT_SHARE = 1 / 8;

export interface MemoryOptions {
  /** A state directory that is ours (statedirectory.ts); undefined: this process remembers alone. */
  readonly directory: string | undefined;
  /** The longest time for which a delivery is remembered. */
  readonly windowMs: number;
  readonly world: Pick<World, 'now' | 'random' | 'pid'>;
  /** Called when the directory stops working, once until it works again. */
  readonly fault: (error: unknown) => void;
  readonly mostRecords?: number;
}

/**
 * One copy: an identity of COPY_BYTES as latin1, and a hash of the path of each recipient that it answers.
 */
export interface Identified {
  readonly copy: string;
  readonly paths: readonly Uint8Array[];
}

export class RememberedDeliveries {
  readonly #options: MemoryOptions;
  readonly #mostRecords: number;
  readonly #process: ProcessTag;
  /** The key of the identities. */
  readonly secret: Buffer;
  /** See `DeliveryMemory`. */
  readonly underWay = new Map<string, Promise<unknown>>();
  #directory: string | undefined;
  #isShared: boolean; // the other processes see our records, as far as we know
  #generations: Generation[] = [new Generation(1, undefined)]; // the newest is the last
  #copiesBegun = new Map<string, number>(); // by account, in the last generation and by this process

  constructor(options: MemoryOptions) {
    const { directory, world } = options;
    this.#options = options;
    this.#mostRecords = options.mostRecords ?? MOST_RECORDS;
    this.#process = processTag(world.pid);
    this.#isShared = directory !== undefined;
    const secret = directory === undefined ? undefined : this.#share(() => this.#open(directory));
    this.secret = secret ?? world.random(32);
    this.#share(() => this.#endGenerations()); // which asks whether the secret still is the directory's
  }

  /** False while this process remembers alone. */
  get isShared(): boolean {
    return this.#isShared;
  }

  /** Age of the oldest delivery that is known, in seconds; 0 if there is none. */
  get oldestSeconds(): number {
    const ages = this.#generations.flatMap(({ startedAt }) =>
      startedAt === undefined ? [] : this.#now() - startedAt,
    );
    return Math.max(0, Math.min(Math.max(0, ...ages), this.#options.windowMs / 1000));
  }

  /**
   * Tells whether all recipients of a copy have theirs, or another process is storing it now. If a process
   * died while it was storing the copy, returns a way to look for the file.
   */
  find({ copy, paths }: Identified) {
    this.#share(() => this.#catchUp());
    const wanted = sketchOf(paths);
    let stored: Sketch = 0;
    let begun: Record | undefined;
    for (const generation of this.#generations) {
      const known = generation.of(copy);
      if (known === undefined || !this.#isRecent(known.time)) continue;
      stored = union(stored, known.stored);
      begun = known.begun ?? begun;
    }
    if (covers(stored, wanted)) return 'stored';
    if (begun === undefined || !covers(begun.paths, wanted)) return 'unknown';
    if (!isAlive(begun.process)) return this.#interrupted(begun);
    // what this one is storing is in `underWay`
    const isOther = begun.process.pid !== this.#process.pid;
    return isOther && this.#now() - begun.time < UNDER_WAY_SECONDS ? 'elsewhere' : 'unknown';
  }

  #interrupted(begun: Record) {
    return {
      isFile: (name: string) => hashOf(name) === begun.file,
      stored: () => this.#append(this.#last, begun, 'stored'),
    };
  }

  /**
   * Records that a copy will be stored as `file`; call it before the file can be in new/, and after `find`.
   * Then call `stored` when it is durable and before anybody is told, or `failed` when it is gone.
   */
  begin({ copy, paths }: Identified, account: string, file: string) {
    this.#share(() => this.#endGenerations());
    const begun = this.#copiesBegun.get(account) ?? 0;
    if (begun >= (ACCOUNT_SHARE * this.#mostRecords) / 2) return { stored() {}, failed() {} };
    this.#copiesBegun.set(account, begun + 1);
    const [generation, process] = [this.#last, this.#process];
    const record = { copy, paths: sketchOf(paths), process, file: hashOf(file) };
    this.#append(generation, record, 'begun');
    return {
      stored: () => this.#append(generation, record, 'stored'),
      failed: () => this.#append(generation, record, 'failed'),
    };
  }

  close(): void {
    for (const generation of this.#generations) generation.close();
  }

  /** To the generation of the attempt, if that still has its file. */
  #append(wanted: Generation, record: Omit<Record, 'kind' | 'time'>, kind: Kind): void {
    const generation = this.#generations.slice(-2).includes(wanted) ? wanted : this.#last;
    this.#share(() => {
      generation.append(Object.assign({}, record, { kind, time: this.#now() }));
      if (generation.hasFile) this.#isShared = true;
    });
  }

  get #last(): Generation {
    const last = this.#generations.at(-1);
    if (last === undefined) throw new Error('there is no generation');
    return last;
  }

  #open(directory: string): Buffer {
    const secret = readSecret(directory);
    const newest = Math.max(1, ...numbersIn(directory));
    const generations = this.#load(directory, numbersIn(directory), newest);
    this.#directory = directory;
    this.#keep(generations);
    return secret;
  }

  /** Opens those of `numbers` that count, and the newest in any case. */
  #load(directory: string, numbers: readonly number[], newest: number): Generation[] {
    const older = numbers.filter((number) => number < newest && number > newest - GENERATIONS);
    return [...older.sort((a, b) => a - b), newest].map((number) => {
      const generation = new Generation(number, join(directory, `delivered.${number}`));
      generation.catchUp();
      return generation;
    });
  }

  #catchUp(): void {
    // the one before may get a late record
    for (const generation of this.#generations.slice(-2)) generation.catchUp();
    this.#endGenerations();
  }

  #endGenerations(): void {
    const lasts = this.#options.windowMs / 1000 / (GENERATIONS - 1);
    while (this.#last.isOver(this.#now(), this.#mostRecords, lasts)) this.#beginNext();
  }

  #beginNext(): void {
    const over = this.#last;
    const directory = this.#directory;
    // bounded even if the directory fails below; it is tried again with the next generation
    this.#keep([...this.#generations, new Generation(over.number + 1, undefined)]);
    if (directory === undefined) return;
    if (!readSecret(directory).equals(this.secret)) throw new Error('another server uses the directory now');
    const numbers = numbersIn(directory).filter((number) => number > over.number);
    const newest = Math.max(over.number + 1, ...numbers); // other processes may have gone further
    this.#keep([...this.#generations.slice(0, -1), ...this.#load(directory, numbers, newest)]);
    for (const old of numbersIn(directory).filter((number) => number <= newest - GENERATIONS))
      unlinkIfThere(join(directory, `delivered.${old}`));
  }

  #keep(generations: Generation[]): void {
    this.#generations = generations.slice(-GENERATIONS);
    this.#copiesBegun = new Map();
    for (const old of generations.slice(0, -2)) old.close();
  }

  #isRecent(time: number): boolean {
    return Math.abs(this.#now() - time) < this.#options.windowMs / 1000; // the clock may have been set back
  }

  #now(): number {
    return Math.floor(this.#options.world.now() / 1000);
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

function numbersIn(directory: string): number[] {
  const names = readdirSync(directory);
  return names.flatMap((name) => /^delivered\.(\d{1,15})$/.exec(name)?.slice(1).map(Number) ?? []);
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // another process was first
  }
}

function hashOf(name: string): string {
  return createHash('sha256').update(name).digest().toString('latin1', 0, FILE_BYTES);
}
