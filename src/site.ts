/**
 * Settings -> what every command needs of a site: paths made absolute, the key directory, how addresses are
 * resolved. Opens nothing; what a server keeps open is in opensite.ts, which `seal` has no need to load.
 */
import { resolve } from 'node:path';
import { addressRules } from './config/rules.ts';
import type { Settings } from './config/settings.ts';
import type { World } from './core/world.ts';
import type { DeliveryParts } from './delivery/parts.ts';
import { type DirectoryOptions, KeyDirectory } from './keys/directory.ts';
import { splitTemplate } from './maildir/template.ts';
import { KeyFiles } from './recipients/keyfiles.ts';

/** The paths of the settings, made absolute. */
export interface SitePaths {
  /** Path of a Maildir, with `{local}` and `{domain}`. */
  readonly maildir: string;
  /** The directory that all Maildirs are under. */
  readonly storeRoot: string;
  readonly keys: string;
  readonly state: string;
}

export function pathsOf({ store, keys }: Settings): SitePaths {
  const maildir = resolve(store.maildir);
  const { root: storeRoot } = splitTemplate(maildir);
  return { maildir, storeRoot, keys: resolve(keys.directory), state: resolve(store.state) };
}

/** Returns the key directory with nothing read yet. */
export function keyDirectoryOf(
  settings: Settings,
  world: Pick<World, 'now'>,
  options: DirectoryOptions = {},
): KeyDirectory {
  return new KeyDirectory(pathsOf(settings).keys, addressRules(settings), world, options);
}

export function keyRulesOf({ keys }: Settings): DeliveryParts['keyRules'] {
  return { unusable: keys.unusable, subkeys: keys.subkeys, unsupportedSubkeys: keys.unsupported_subkeys };
}

/** Returns how addresses are resolved to accounts. */
export function addressingOf(settings: Settings, keyDirectory: KeyDirectory): DeliveryParts['addressing'] {
  return {
    recipients: new KeyFiles(keyDirectory),
    same: addressRules(settings),
    delimiter: settings.recipients.delimiter,
  };
}
