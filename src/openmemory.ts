/**
 * Settings -> what remembers deliveries: the state directory of this host, and what hosts share. Opens no
 * store; that is for opensite.ts.
 */
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { countsDomains } from './config/rules.ts';
import type { Settings } from './config/settings.ts';
import type { OutcomeLog } from './core/outcomelog.ts';
import type { World } from './core/world.ts';
import { SharedDeliveries } from './duplicates/hosts.ts';
import { RememberedDeliveries } from './duplicates/memory.ts';
import { expectRedis, loadRedis, openRedis } from './duplicates/redis.ts';
import { readSecretText, readSharedSecret } from './duplicates/secretfile.ts';
import { type OwnedDirectory, ownStateDirectory, type StateOptions } from './duplicates/statedirectory.ts';
import { pathsOf, sharedStateOf } from './site.ts';

/** For the log, when the state directory cannot be used. */
export const FORGETFUL = 'store.state: duplicates are recognised within each process only';

/** And when what hosts share cannot be reached. */
export const APART = 'store.state: this host remembers by itself';

interface MemorySurroundings {
  readonly world: World;
  readonly outcomeLog: Pick<OutcomeLog, 'fault'>;
  readonly state: string | undefined;
  readonly onShared?: (() => void) | undefined;
}

/** `state` is the state directory, if it is the server's own. */
export function openMemory(
  { store }: Settings,
  { outcomeLog, world, state }: MemorySurroundings,
): RememberedDeliveries | undefined {
  if (store.duplicates === 0) return undefined;
  const fault = (error: unknown) => outcomeLog.fault(FORGETFUL, error);
  return new RememberedDeliveries({ directory: state, windowMs: store.duplicates, world, fault });
}

/** Throws, with a sentence, if the secret cannot be used. */
export function openHosts(
  settings: Settings,
  { outcomeLog, onShared = () => {} }: MemorySurroundings,
): SharedDeliveries | undefined {
  const shared = sharedStateOf(settings);
  if (shared === undefined) return undefined;
  return new SharedDeliveries({
    secret: readSharedSecret(shared.secretFile),
    windowMs: settings.store.duplicates,
    load: loadRedis,
    open: (waitMs) => openRedis(shared, waitMs),
    lost: (error) => outcomeLog.fault(APART, error),
    back: onShared,
  });
}

/** Throws, with a sentence, if what hosts share could never be used: Redis itself is not asked. */
export async function tryShared(settings: Settings): Promise<void> {
  const shared = sharedStateOf(settings);
  if (shared === undefined) return;
  const { secretFile, passwordFile, caFile } = shared;
  readSharedSecret(secretFile);
  if (passwordFile !== '') readSecretText(passwordFile);
  if (caFile !== '') createSecureContext({ ca: await readFile(caFile) });
  await expectRedis();
}

/**
 * Makes the state directory ours until `release`. Throws, with a sentence, if it is another server's or
 * unfit.
 */
export async function ownState(settings: Settings, options: StateOptions): Promise<OwnedState | undefined> {
  if (settings.store.duplicates === 0 && !countsDomains(settings)) return undefined;
  const directory = pathsOf(settings).state;
  const { release } = await ownStateDirectory(directory, options);
  return { directory, release };
}

export interface OwnedState extends OwnedDirectory {
  readonly directory: string;
}
