/**
 * The second half: puts staged messages in the place of those that they were made from. At every moment each
 * message is there once, whole, as it was or sealed; where Dovecot has given it a UID, it keeps that. Holds
 * Dovecot's lock for the time of it, which is a few milliseconds for each hundred messages.
 */
import { join } from 'node:path';
import type { World } from '../core/world.ts';
import { uniqueName } from '../maildir/filename.ts';
import { baseOf } from '../maildir/messagename.ts';
import type { Calls } from './calls.ts';
import { DovecotIndex } from './dovecotindex.ts';
import { discard, type Staged } from './staging.ts';
import { isUidlist, namesLost, UIDLIST, withNames } from './uidlist.ts';
import { takeUidLock, type UidLock } from './uidlock.ts';

export interface PlacingParts {
  readonly calls: Calls;
  readonly world: World;
  /** Numbers the files of this process. */
  count(): number;
  /** Where Dovecot has its index of the folder: the folder itself, or elsewhere (INDEX=). */
  readonly index: string;
}

export type Fate =
  | 'placed'
  /** It was moved, expunged, or is another one by now: nothing was done. */
  | 'changed'
  | { readonly failed: Error };

export interface Placed {
  readonly fates: ReadonlyMap<Staged, Fate>;
  /** What went wrong besides: UIDs may be lost, or Dovecot's index may remember what was. */
  readonly troubles: readonly Error[];
}

/** Puts messages in place, and says of each what became of it. Throws if nothing was done. */
export async function place(
  folder: string,
  messages: readonly Staged[],
  parts: PlacingParts,
): Promise<Placed> {
  const placing = new Placing(folder, parts);
  try {
    await placing.run(messages);
    return placing;
  } finally {
    for (const { path } of messages.filter((each) => placing.fates.get(each) !== 'placed'))
      if (path !== undefined) await discard(path, parts.calls);
  }
}

/**
 * Completes what a run that was killed has left: names in the UID list of messages that it renamed. Returns
 * whether there is a UID list.
 */
export async function mend(folder: string, parts: PlacingParts): Promise<boolean> {
  const { calls } = parts;
  const text = await uidlistOf(folder, calls);
  if (text === undefined) return false;
  const isWhole = async (list: string) => namesLost(list, await namesIn(folder, calls)).size === 0;
  if (await isWhole(text)) return true;
  const lock = await lockOf(folder, parts);
  try {
    const now = (await uidlistOf(folder, calls)) ?? text;
    const lost = namesLost(now, await namesIn(folder, calls));
    if (lost.size > 0)
      calls.renameOver(await writeList(folder, withNames(now, lost), calls), join(folder, UIDLIST));
  } finally {
    await lock.release();
  }
  await calls.syncDirectory(folder);
  return true;
}

class Placing {
  readonly #folder: string;
  readonly #parts: PlacingParts;
  readonly fates = new Map<Staged, Fate>();
  readonly troubles: Error[] = [];
  /** Old base name -> new one, of those that are placed. */
  readonly #renamed = new Map<string, string>();
  readonly #touched = new Set<string>();

  constructor(folder: string, parts: PlacingParts) {
    this.#folder = folder;
    this.#parts = parts;
  }

  async run(messages: readonly Staged[]): Promise<void> {
    const { calls } = this.#parts;
    const finished = await this.#finished(messages);
    // also where there is no list: Dovecot may be about to make one
    const lock = await lockOf(this.#folder, this.#parts);
    try {
      await this.#locked(finished);
    } finally {
      await this.#trying(() => lock.release());
    }
    for (const directory of this.#touched) await this.#trying(() => calls.syncDirectory(directory));
  }

  async #finished(messages: readonly Staged[]): Promise<Staged[]> {
    const finish = async (message: Staged) => {
      await message.finish().catch((error: Error) => this.fates.set(message, { failed: error }));
    };
    await Promise.all(messages.map(finish));
    return messages.filter((message) => !this.fates.has(message));
  }

  async #locked(messages: readonly Staged[]): Promise<void> {
    const { calls } = this.#parts;
    const found = await this.#find(messages);
    const text = await this.#withoutSizes(await uidlistOf(this.#folder, calls), [...found.keys()]);
    const wanted = new Map([...found.keys()].map(({ name, newName }) => [baseOf(name), baseOf(newName)]));
    const isListed = text !== undefined && withNames(text, wanted) !== text;
    let list = isListed ? await writeList(this.#folder, withNames(text, wanted), calls) : undefined;
    const index = await DovecotIndex.lock(this.#parts.index, calls).catch(async (error: unknown) => {
      if (list !== undefined) await discard(list, calls);
      throw error;
    });
    try {
      await index?.begin();
      for (const [message, at] of found) this.fates.set(message, this.#placeAt(message, at));
      await this.#trying(async () => {
        if (isListed && this.#renamed.size < wanted.size)
          list = await writeList(this.#folder, withNames(text, this.#renamed), calls);
        if (list !== undefined) calls.renameOver(list, join(this.#folder, UIDLIST));
      });
      await this.#trying(async () => index?.end());
    } finally {
      await this.#trying(async () => index?.release());
    }
    if (list !== undefined) this.#touched.add(this.#folder);
  }

  /** Sizes that the list itself has of these messages are given up first: it is right without them. */
  async #withoutSizes(text: string | undefined, messages: readonly Staged[]): Promise<string | undefined> {
    if (text === undefined) return undefined;
    const { calls } = this.#parts;
    const bases = messages.map(({ name }) => baseOf(name));
    const bare = withNames(text, new Map(bases.map((base) => [base, base])));
    if (bare !== text)
      calls.renameOver(await writeList(this.#folder, bare, calls), join(this.#folder, UIDLIST));
    return bare;
  }

  /** After the first message is placed, nothing may keep the others from being told. */
  async #trying(work: () => Promise<void>): Promise<void> {
    await work().catch((error: Error) => this.troubles.push(error));
  }

  /** Says where each message is now: its flags may have changed, and it may have left new/. */
  async #find(messages: readonly Staged[]): Promise<Map<Staged, { part: string; name: string }>> {
    const { calls } = this.#parts;
    const found = new Map<Staged, { part: string; name: string }>();
    let listed: Map<string, { part: string; name: string }> | undefined;
    for (const message of messages) {
      const { part, name, seen } = message;
      if ((await calls.look(join(this.#folder, part, name)))?.id === seen.id)
        found.set(message, { part, name });
      else {
        listed ??= await this.#listed();
        const at = listed.get(baseOf(name));
        if (at === undefined) this.fates.set(message, 'changed');
        else found.set(message, at);
      }
    }
    return found;
  }

  async #listed(): Promise<Map<string, { part: string; name: string }>> {
    const listed = new Map<string, { part: string; name: string }>();
    for (const part of ['new', 'cur'])
      for (const name of await this.#parts.calls.list(join(this.#folder, part)))
        listed.set(baseOf(name), { part, name });
    return listed;
  }

  #placeAt(message: Staged, at: { part: string; name: string }): Fate {
    const { calls } = this.#parts;
    const directory = join(this.#folder, at.part);
    const path = join(directory, at.name);
    const name = baseOf(message.newName) + at.name.slice(baseOf(at.name).length);
    try {
      if (message.path !== undefined && calls.replace(message.path, path, message.seen) === 'changed')
        return 'changed';
      this.#touched.add(directory);
      if (name === at.name || calls.rename(path, join(directory, name)) === 'done')
        this.#renamed.set(baseOf(at.name), baseOf(name));
      return 'placed';
    } catch (error) {
      return { failed: error as Error };
    }
  }
}

function lockOf(folder: string, { calls, world, count }: PlacingParts): Promise<UidLock> {
  const staged = join(folder, 'tmp', uniqueName(world, count()));
  return takeUidLock(join(folder, `${UIDLIST}.lock`), { calls, world, staged });
}

async function uidlistOf(folder: string, calls: Calls): Promise<string | undefined> {
  const text = (await calls.content(join(folder, UIDLIST)))?.toString('latin1');
  if (text === undefined || isUidlist(text)) return text;
  throw new Error(`${UIDLIST} is of no known form`);
}

async function namesIn(folder: string, calls: Calls): Promise<string[]> {
  const lists = ['new', 'cur'].map((part) => calls.list(join(folder, part)));
  return (await Promise.all(lists)).flat();
}

/** Writes the next UID list beside the one that is there. Only whoever has the lock may do it. */
async function writeList(folder: string, text: string, calls: Calls): Promise<string> {
  const path = join(folder, UIDLIST);
  const staged = `${path}.tmp`; // as Dovecot names it
  if ((await calls.look(staged)) !== undefined) await calls.unlink(staged);
  const before = await calls.look(path);
  const file = await calls.create(staged);
  try {
    await file.write(Buffer.from(text, 'latin1'));
    if (before !== undefined) await file.giveTo(before);
    await file.sync();
  } finally {
    await file.close();
  }
  return staged;
}
