/**
 * What the settings say about a site: its paths, its rules, and its sources of recipients and keys. For
 * commands, checks and the server alike; what a server opens is in opensite.ts, which takes long to load.
 */
import { resolve } from 'node:path';
import { addressRules } from './config/rules.ts';
import type { Settings } from './config/settings.ts';
import type { World } from './core/world.ts';
import type { DeliveryParts } from './delivery/parts.ts';
import { KeyDirectory } from './keys/directory.ts';
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
export function keyDirectoryOf(settings: Settings, world: Pick<World, 'now'>): KeyDirectory {
  return new KeyDirectory(pathsOf(settings).keys, addressRules(settings), world);
}

export function keyRulesOf({ keys }: Settings): DeliveryParts['keyRules'] {
  return { unusable: keys.unusable, subkeys: keys.subkeys, unsupportedSubkeys: keys.unsupported_subkeys };
}

/** Returns who exists and where their mail goes. */
export function resolveParts(settings: Settings, keyDirectory: KeyDirectory): DeliveryParts['resolve'] {
  return {
    recipients: new KeyFiles(keyDirectory),
    same: addressRules(settings),
    delimiter: settings.recipients.delimiter,
  };
}
