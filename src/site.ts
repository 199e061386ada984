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
import { RecipientKeys } from './keys/recipientkeys.ts';
import type { KeySource } from './keys/source.ts';
import { splitTemplate } from './maildir/template.ts';
import { KeyFiles } from './recipients/keyfiles.ts';
import { loadSource, openSource, type SourceSettings } from './recipients/open.ts';
import type { RecipientSource } from './recipients/source.ts';

/** The paths of the settings, made absolute. */
export interface SitePaths {
  /** Path of a Maildir, with `{local}` and `{domain}`. */
  readonly maildir: string;
  /** The directory that all Maildirs are under. */
  readonly storeRoot: string;
  readonly keys: string;
  readonly state: string;
  /** What is remembered about keys. */
  readonly keyState: string;
}

export function pathsOf({ store, keys }: Settings): SitePaths {
  const maildir = resolve(store.maildir);
  const { root: storeRoot } = splitTemplate(maildir);
  return {
    maildir,
    storeRoot,
    keys: resolve(keys.directory),
    state: resolve(store.state),
    keyState: resolve(keys.state),
  };
}

/** Returns the key directory with nothing read yet. */
export function keyDirectoryOf(
  settings: Settings,
  world: Pick<World, 'now'>,
  options: DirectoryOptions = {},
): KeyDirectory {
  return new KeyDirectory(pathsOf(settings).keys, addressRules(settings), world, options);
}

/** Returns where the keys of a recipient are looked for, the key directory among others. */
export function keySourceOf(directory: KeyDirectory): KeySource {
  return new RecipientKeys(directory);
}

export function keyRulesOf({ keys }: Settings): DeliveryParts['keyRules'] {
  return { unusable: keys.unusable, subkeys: keys.subkeys, unsupportedSubkeys: keys.unsupported_subkeys };
}

/** Returns how addresses are resolved to accounts. Nothing is opened before the first is asked for. */
export function addressingOf(
  settings: Settings,
  keyDirectory: KeyDirectory,
  world: World,
): DeliveryParts['addressing'] {
  const { recipients } = settings;
  const wanted = sourceSettingsOf(settings);
  const same = addressRules(settings);
  const source: RecipientSource =
    wanted === undefined ? new KeyFiles(keyDirectory) : openSource(wanted, same, world);
  return { recipients: source, same, delimiters: recipients.delimiter };
}

/** Throws, with a sentence, if the recipient source cannot be used, as far as is known without asking it. */
export async function trySource(settings: Settings): Promise<void> {
  const wanted = sourceSettingsOf(settings);
  if (wanted === undefined) return;
  const source = await loadSource(wanted, addressRules(settings));
  await source.close?.();
}

/** Returns undefined if the key directory is the source. */
function sourceSettingsOf({ recipients }: Settings): SourceSettings | undefined {
  const { source } = recipients;
  return source === 'keys' ? undefined : { ...recipients, source };
}
