/** What the subcommands that look at the key directory of a site have in common. */
import { hostname } from 'node:os';
import { addressRules } from '../../config/rules.ts';
import type { Settings } from '../../config/settings.ts';
import { canonicalAddress, catchAllOf, parseAddress, type SameAddress } from '../../core/address.ts';
import type { World } from '../../core/world.ts';
import { realWorld } from '../../edge/world.ts';
import type { KeyDirectory } from '../../keys/directory.ts';
import type { JudgingRules } from '../../keys/usable.ts';
import { judgingRulesOf, keyDirectoryOf, pathsOf } from '../../site.ts';
import { CommandError } from '../errors.ts';
import { settingsOf } from '../settings.ts';

export interface KeySite {
  readonly settings: Settings;
  readonly world: World;
  readonly same: SameAddress;
  readonly directory: KeyDirectory;
  /** The path of the key directory. */
  readonly path: string;
  /** Where keys are kept that were replaced or removed. */
  readonly former: string;
  readonly rules: JudgingRules;
}

export async function keySite(config: string | undefined): Promise<KeySite> {
  const { settings } = await settingsOf(config, hostname());
  const world = realWorld(settings.hostname);
  const { keys: path, keyState } = pathsOf(settings);
  return {
    settings,
    world,
    same: addressRules(settings),
    directory: keyDirectoryOf(settings, world),
    path,
    former: `${keyState}/former`,
    rules: judgingRulesOf(settings),
  };
}

/** Returns the canonical address; `@example.com` stands for a whole domain. Throws CommandError. */
export function canonicalOf(written: string, same: SameAddress): string {
  const address = written.startsWith('@') ? undefined : parseAddress(written);
  const canonical = written.startsWith('@')
    ? catchAllOf(written.slice(1), same)
    : address && canonicalAddress(address, same);
  if (canonical === undefined) throw new CommandError('usage', `"${written}" is not an address`);
  return canonical;
}

/** Turns what the file system or a recipient source says into "try again". */
export function couldNotLook(error: unknown): never {
  if (error instanceof CommandError) throw error;
  throw new CommandError('tempFail', error instanceof Error ? error.message : String(error));
}
