/**
 * Settings -> what every command needs of a site: paths made absolute, the key directory, how addresses are
 * resolved. Opens nothing; what a server keeps open is in opensite.ts, which `seal` has no need to load.
 */
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type AddressSettings, addressRules } from './config/rules.ts';
import type { Settings } from './config/settings.ts';
import type { RedisAddress } from './core/redisaddress.ts';
import type { TlsFiles } from './core/tls.ts';
import type { World } from './core/world.ts';
import type { DeliveryParts } from './delivery/parts.ts';
import type { KeyRules } from './delivery/select.ts';
import { type DirectoryOptions, KeyDirectory } from './keys/directory.ts';
import { RecipientKeys } from './keys/recipientkeys.ts';
import { SiteKeys } from './keys/sitekeys.ts';
import type { JudgingRules } from './keys/usable.ts';
import { RemoteWkd, type RemoteWkdOptions } from './keys/wkdremote.ts';
import { WkdTree } from './keys/wkdtree.ts';
import { splitTemplate } from './maildir/template.ts';
import { KeyFiles } from './recipients/keyfiles.ts';
import { loadSource, openSource, type SourceSettings } from './recipients/open.ts';
import type { RecipientSource } from './recipients/source.ts';

/** What says where keys are looked for, and how they are judged. */
export type KeySettings = AddressSettings & Pick<Settings, 'store' | 'keys' | 'gateway'>;

/** The paths of the settings, made absolute. */
export interface SitePaths {
  /** Path of a Maildir, with `{local}` and `{domain}`. */
  readonly maildir: string;
  /** The directory that all Maildirs are under. */
  readonly storeRoot: string;
  readonly keys: string;
  readonly also: readonly string[];
  /** '' if there is none. */
  readonly hold: string;
  readonly state: string;
  /** What is remembered about keys. */
  readonly keyState: string;
  /** The secret keys of users who have wrapped them for the gateway. */
  readonly gateway: string;
  /** The local web key directory, if there is one. */
  readonly wkd: string | undefined;
}

export function pathsOf({ store, keys, gateway }: Pick<Settings, 'store' | 'keys' | 'gateway'>): SitePaths {
  const maildir = resolve(store.maildir);
  const { root: storeRoot } = splitTemplate(maildir);
  return {
    maildir,
    storeRoot,
    keys: resolve(keys.directory),
    also: keys.also.map((path) => resolve(path)),
    hold: keys.hold === '' ? '' : resolve(keys.hold),
    state: resolve(store.state.directory),
    keyState: resolve(keys.state),
    gateway: resolve(gateway.directory),
    wkd: keys.wkd_directory === '' ? undefined : resolve(keys.wkd_directory),
  };
}

/** What hosts remember together is there, and who may look. The paths are absolute, or '' for none. */
export interface SharedState {
  readonly address: RedisAddress;
  readonly secretFile: string;
  readonly passwordFile: string;
  readonly caFile: string;
}

/** Returns undefined where hosts remember nothing together. */
export function sharedStateOf({ store }: Pick<Settings, 'store'>): SharedState | undefined {
  const { state, state_secret: secret, state_password_file: password, state_ca_file: ca } = store;
  if (state.shared === undefined || store.duplicates === 0) return undefined;
  const [secretFile = '', passwordFile = '', caFile = ''] = [secret, password, ca].map((path) =>
    path === '' ? '' : resolve(path),
  );
  return { address: state.shared, secretFile, passwordFile, caFile };
}

/** Returns where what is shown to clients is. */
export function tlsFilesOf({ tls }: Settings): TlsFiles {
  return {
    certificates: tls.certificate.map((path) => resolve(path)),
    keys: tls.key.map((path) => resolve(path)),
    clientCa: tls.client_ca === '' ? '' : resolve(tls.client_ca),
    clientNames: tls.client_names,
  };
}

/** Returns the key directory with nothing read yet. */
export function keyDirectoryOf(
  settings: KeySettings,
  world: Pick<World, 'now'>,
  options: DirectoryOptions = {},
): KeyDirectory {
  return new KeyDirectory(pathsOf(settings).keys, addressRules(settings), world, options);
}

/** `onParsed`: is told of files in the key directory alone. */
export interface KeySourceOptions
  extends Pick<DirectoryOptions, 'run' | 'onParsed'>,
    Pick<RemoteWkdOptions, 'pinning'> {
  /** Is told the setting of a directory that hangs, while keys of before are used. */
  readonly onSilence?: (setting: 'keys.directory' | 'keys.wkd_directory', message: string) => void;
}

/** Where a site finds keys and recipients. */
export interface SiteSources {
  readonly settings: Settings;
  readonly keys: RecipientKeys;
  readonly addressing: DeliveryParts['addressing'];
}

/**
 * Returns where the keys of recipients are looked for, with nothing read and nobody asked yet. What `former`
 * was told by web key directories elsewhere stays, if its settings do.
 */
export function keySourceOf(
  settings: KeySettings,
  world: World,
  options: KeySourceOptions = {},
  former?: SiteSources,
): RecipientKeys {
  const { run, onParsed, onSilence = () => {} } = options;
  const told = (setting: 'keys.directory' | 'keys.wkd_directory'): DirectoryOptions => ({
    ...(run && { run }),
    onSilence: (message) => onSilence(setting, message),
  });
  const same = addressRules(settings);
  const { wkd } = pathsOf(settings);
  return new RecipientKeys({
    directory: keyDirectoryOf(settings, world, { ...told('keys.directory'), onParsed }),
    tree: wkd === undefined ? undefined : new WkdTree(wkd, same, world, told('keys.wkd_directory')),
    remote: keptRemote(settings, former) ?? remoteOf(settings, world, options),
  });
}

function keptRemote(settings: KeySettings, former: SiteSources | undefined): RemoteWkd | undefined {
  const isSame =
    former !== undefined &&
    isDeepStrictEqual(former.settings.keys, settings.keys) &&
    isDeepStrictEqual(addressRules(former.settings), addressRules(settings));
  return isSame ? former.keys.sources.remote : undefined;
}

function remoteOf(
  settings: KeySettings,
  world: World,
  { run, pinning }: KeySourceOptions,
): RemoteWkd | undefined {
  const { wkd, wkd_domains: domains, wkd_ca_file: caFile, wkd_timeout: waitMs } = settings.keys;
  if (wkd === 'off') return undefined;
  const { keyState: state } = pathsOf(settings);
  const lowered = domains.map((each) => each.toLowerCase());
  const same = addressRules(settings);
  return new RemoteWkd({ world, same, state, domains: lowered, caFile, waitMs, run, pinning });
}

/** Returns how certificates are judged. */
export function judgingRulesOf({ keys }: Pick<Settings, 'keys'>): JudgingRules {
  const strength = { minRsaBits: keys.min_rsa_bits, minCurveBits: keys.min_curve_bits };
  return { subkeys: keys.subkeys, unsupportedSubkeys: keys.unsupported_subkeys, strength };
}

/** Returns how the keys of a copy are chosen. */
export function keyRulesOf(
  settings: KeySettings,
  world: Pick<World, 'now'>,
  options: Pick<DirectoryOptions, 'run'> = {},
): KeyRules {
  const { also, hold } = pathsOf(settings);
  const site = also.length > 0 || hold !== '' ? siteKeysOf(settings, world, options) : undefined;
  return { ...judgingRulesOf(settings), unusable: settings.keys.unusable, site };
}

/** Returns the keys of the site itself with nothing read yet. */
export function siteKeysOf(
  settings: KeySettings,
  world: Pick<World, 'now'>,
  { run }: Pick<DirectoryOptions, 'run'> = {},
): SiteKeys {
  const { also, hold } = pathsOf(settings);
  return new SiteKeys({ also, hold, rules: judgingRulesOf(settings), world, run });
}

/** Returns how addresses are resolved to accounts. Nothing is opened before the first is asked for. */
export function addressingOf(
  settings: Settings,
  { sources: { directory, tree } }: RecipientKeys,
  world: World,
): DeliveryParts['addressing'] {
  const { recipients } = settings;
  const wanted = sourceSettingsOf(settings);
  const same = addressRules(settings);
  const source: RecipientSource =
    wanted === undefined ? new KeyFiles(directory, tree) : openSource(wanted, same, world);
  return { recipients: source, same, delimiters: recipients.delimiter };
}

/**
 * Returns where keys and recipients are found. What `former` was told by others stays, if their settings do:
 * who was found is then still found while they are down.
 */
export function siteSourcesOf(
  settings: Settings,
  world: World,
  options: KeySourceOptions,
  former?: SiteSources,
): SiteSources {
  const keys = keySourceOf(settings, world, options, former);
  return {
    settings,
    keys,
    addressing: keptAddressing(settings, former) ?? addressingOf(settings, keys, world),
  };
}

function keptAddressing(
  settings: Settings,
  former: SiteSources | undefined,
): DeliveryParts['addressing'] | undefined {
  if (former === undefined || settings.recipients.source === 'keys') return undefined;
  const isSame =
    former.settings.hostname === settings.hostname &&
    isDeepStrictEqual(former.settings.recipients, settings.recipients);
  return isSame ? former.addressing : undefined;
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
