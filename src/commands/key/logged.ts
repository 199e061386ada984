/**
 * A change of key files by a command, and its entry in the key-change log: the keeper of a running server
 * then knows who made it, and tells the owner.
 */
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { lockDescriptor } from '../../edge/lock.ts';
import { type CommandedChange, changeKeys } from '../../keylog/change.ts';
import type { Copies } from '../../keylog/copies.ts';
import type { KeyLog } from '../../keylog/keylog.ts';
import { openKeyLog } from '../../keylog/statedirectory.ts';
import { parseCertificates } from '../../keys/certificates.ts';
import { bytesAt } from '../../keys/exchange.ts';
import { usedFiles } from '../../keys/survey.ts';
import { pathsOf } from '../../site.ts';
import { CommandError } from '../errors.ts';
import type { Plan } from './planned.ts';
import type { KeySite } from './site.ts';

export type How = 'key add' | 'key remove';

/** The folder of KeySite.former. */
const FORMER = 'former';
const FULL = ['ENOSPC', 'EDQUOT'];

type Files = CommandedChange['before'];

/** Makes and logs changes of key files, one recipient after the other. */
export interface Logged {
  change(plan: Plan, site: KeySite, change: () => Promise<void>): Promise<void>;
  /** Ends it, and lets another command begin. */
  close(): void;
}

/** Throws CommandError if nothing can be logged, or another command is changing keys. */
export function openLogged(site: KeySite, how: How): Logged {
  const { log, copies, files, lock } = opened(site);
  if (!lockDescriptor(lock)) {
    files.close(lock);
    throw new CommandError('tempFail', 'another sealdir key is changing the keys');
  }
  return { change: loggedChange(log, copies, how), close: () => files.close(lock) };
}

/** What it makes belongs to the owner of the directory. */
function opened({ settings, world }: KeySite) {
  const trouble = () => {}; // the keeper tells it
  try {
    const all = openKeyLog(pathsOf(settings).keyState, { lock: lockDescriptor, world, trouble });
    all.files.makeDirectory(FORMER);
    return { ...all, lock: all.files.openLock(`${FORMER}/.lock`) };
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const kind = FULL.includes(code) ? 'tempFail' : 'config';
    throw new CommandError(kind, `keys.state: ${message}; nothing was changed`);
  }
}

function loggedChange(log: KeyLog, copies: Copies, how: How): Logged['change'] {
  return async (plan, site, change) => {
    const { world } = site;
    const { address } = plan;
    let end = 'nothing was changed';
    const by = { how, ...caller() };
    const before = await filesOf(address, site);
    const after = await afterwards(before, plan);
    const now = new Date(world.now());
    await changeKeys(log, copies, {
      address,
      by,
      before: [...before.values()],
      after,
      now,
      async change() {
        await change();
        end = 'the key is changed, and will be logged as one that somebody else has changed';
      },
    }).catch((error: NodeJS.ErrnoException) => {
      if (error instanceof CommandError || error.code === undefined) throw error;
      throw new CommandError('tempFail', `${address}: keys.state: ${error.message}; ${end}`);
    });
  };
}

/** A user need not have a name. */
function caller(): { uid?: number; user?: string } {
  try {
    const { uid, username: user } = userInfo();
    return { uid, user };
  } catch {
    const uid = process.getuid?.();
    return uid === undefined ? {} : { uid };
  }
}

async function filesOf(address: string, { directory, path }: KeySite): Promise<Map<string, Files[number]>> {
  const files = new Map<string, Files[number]>();
  for await (const group of (await directory.walk(new Set([address]))).groups())
    for (const { file, entry } of usedFiles(group)) {
      const bytes = await bytesAt(join(path, file));
      if (bytes !== undefined) files.set(file, { bytes, certificates: entry.certificates });
    }
  return files;
}

async function afterwards(before: ReadonlyMap<string, Files[number]>, { changes }: Plan): Promise<Files> {
  const after = new Map(before);
  for (const { file, content } of changes) {
    after.delete(file);
    if (content !== undefined)
      after.set(file, { bytes: content, certificates: await parseCertificates(content) });
  }
  return [...after.values()];
}
