/**
 * A change of key files by a command, and its entry in the key-change log: the keeper of a running server
 * then knows who made it, and tells the owner.
 */
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { lockDescriptor } from '../../edge/lock.ts';
import { type CommandedChange, changeKeys } from '../../keylog/change.ts';
import { openKeyLog } from '../../keylog/statedirectory.ts';
import { parseCertificates } from '../../keys/certificates.ts';
import { bytesAt } from '../../keys/exchange.ts';
import { usedFiles } from '../../keys/survey.ts';
import { pathsOf } from '../../site.ts';
import { CommandError } from '../errors.ts';
import type { Plan } from './planned.ts';
import type { KeySite } from './site.ts';

export type How = 'key add' | 'key remove';

type Files = CommandedChange['before'];

/** Returns what makes and logs the change of one recipient. Throws CommandError if nothing can be logged. */
export function openLogged({ settings, world }: KeySite, how: How) {
  const { keyState } = pathsOf(settings);
  const trouble = () => {}; // the keeper tells it
  const opened = () => {
    try {
      return openKeyLog(keyState, { lock: lockDescriptor, world, trouble });
    } catch (error) {
      throw new CommandError('config', `keys.state: ${(error as Error).message}; nothing was changed`);
    }
  };
  const { log, copies } = opened();
  return async (plan: Plan, site: KeySite, change: () => Promise<void>): Promise<void> => {
    const { address } = plan;
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
      change,
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
