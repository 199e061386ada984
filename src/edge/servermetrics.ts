/**
 * The series of what one process knows for the whole server: what was built, keys, certificates and reloads.
 * With several processes it is the primary.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import { buildOf } from './build.ts';

/** Adds the series that says which program this is. */
export function watchBuild(registry: Registry): void {
  const build = buildOf();
  new Gauge({
    name: 'sealdir_build_info',
    help: 'Always 1; the labels have the versions of Sealdir, Node, openpgp.js and OpenSSL',
    labelNames: Object.keys(build),
    registers: [registry],
  }).set({ ...build }, 1);
}

/**
 * Adds the series of the process that reads the certificates; call the function returned with what is shown
 * from now on: when each certificate expires, in seconds since the epoch, by the kind of its key.
 */
export function watchCertificates(registry: Registry): (expiries: ReadonlyMap<string, number>) => void {
  const expiry = new Gauge({
    name: 'sealdir_tls_certificate_expiry_timestamp_seconds',
    help: 'When the certificate that is shown to clients expires, by the kind of its key (RSA, ECDSA); none without TLS',
    labelNames: ['key'],
    registers: [registry],
  });
  return (expiries) => {
    expiry.reset();
    for (const [key, seconds] of expiries) expiry.set({ key }, seconds);
  };
}

export type ReloadResult = 'taken' | 'refused';

/**
 * Adds the series of the process that reads the configuration; the function returned is called after each
 * reload.
 */
export function watchReloads(registry: Registry): (result: ReloadResult) => void {
  const isRefused = new Gauge({
    name: 'sealdir_reload_refused',
    help: '1 when the last reload met a bad configuration and the old one stayed, else 0',
    registers: [registry],
  });
  return (result) => isRefused.set(result === 'refused' ? 1 : 0);
}

/** What is known of all keys, by whoever looks after them. */
export interface KeyNumbers {
  /** How many keys are in which state. */
  readonly states: Readonly<Record<string, number>>;
  /** Milliseconds since the epoch. */
  readonly earliest: { readonly at: number } | undefined;
  readonly entries: number;
  readonly changes: number;
}

/** Adds the series about keys; they have no values until the function returned is called. */
export function watchKeys(registry: Registry): (keys: KeyNumbers) => void {
  const registers = [registry];
  const keysNow = new Gauge({
    name: 'sealdir_keys',
    help: 'Keys in the key directory, by state (valid, expiring within 30 days, expired, revoked, unusable)',
    labelNames: ['state'],
    registers,
  });
  const expiry = new Gauge({
    name: 'sealdir_key_expiry_timestamp_seconds',
    help: 'When the first of the keys that can be used now ends; no value if none of them does',
    registers,
  });
  const changes = new Counter({
    name: 'sealdir_key_changes_total',
    help: 'Keys that came, changed or went, since the key log began',
    registers,
  });
  const entries = new Gauge({
    name: 'sealdir_key_log_entries',
    help: 'Entries of the key log; it never falls, unless the log was cut',
    registers,
  });
  // no value until there is one: a count that began at 0 would rise at every start
  for (const series of [expiry, changes, entries]) series.remove();
  let counted = 0;
  return (keys) => {
    for (const [state, count] of Object.entries(keys.states)) keysNow.set({ state }, count);
    if (keys.earliest === undefined) expiry.remove();
    else expiry.set(keys.earliest.at / 1000);
    changes.inc(Math.max(0, keys.changes - counted));
    counted = keys.changes;
    entries.set(keys.entries);
  };
}

/** What became of messages in folders since the last time, and how many folders are left in clear now. */
export interface FolderNumbers {
  readonly sealed: number;
  readonly failed: number;
  readonly left: number;
}

/** Adds the series about `store.seal_folders`; the function returned is called with each change. */
export function watchFolders(registry: Registry): (numbers: FolderNumbers) => void {
  const messages = new Counter({
    name: 'sealdir_folder_messages_total',
    help: 'Messages in the folders of store.seal_folders, by result (sealed; failed, and tried again)',
    labelNames: ['result'],
    registers: [registry],
  });
  for (const result of ['sealed', 'failed']) messages.inc({ result }, 0);
  const left = new Gauge({
    name: 'sealdir_folders_left_in_clear',
    help: 'Folders of store.seal_folders that hold mail in clear, mostly since their owners have no usable key',
    registers: [registry],
  });
  return ({ sealed, failed, left: count }) => {
    messages.inc({ result: 'sealed' }, sealed);
    messages.inc({ result: 'failed' }, failed);
    left.set(count);
  };
}
