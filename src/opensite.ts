/**
 * Settings -> the parts of a site that a server keeps open: the disk, the store, the memory of deliveries.
 * What lasts as long as the process (`openSite`) is apart from what each reload makes anew (`deliveryParts`).
 * Opens no socket and knows no command.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { folderRules, headerPolicyRule, relayRule } from './config/rules.ts';
import type { Settings } from './config/settings.ts';
import type { OnReceived } from './core/hop.ts';
import type { Meter } from './core/meter.ts';
import type { OutcomeLog } from './core/outcomelog.ts';
import type { Owner } from './core/owner.ts';
import { Slots } from './core/slots.ts';
import type { World } from './core/world.ts';
import type { FieldReader } from './delivery/folder.ts';
import type { DeliveryParts } from './delivery/parts.ts';
import type { Disk } from './disk/disk.ts';
import type { FileSystems } from './disk/filesystems.ts';
import { type DiskOptions, openDisk, openFileSystems } from './disk/open.ts';
import type { SharedDeliveries } from './duplicates/hosts.ts';
import type { RememberedDeliveries } from './duplicates/memory.ts';
import { Hops } from './forward/hops.ts';
import { MailboxPaths } from './maildir/mailboxpaths.ts';
import { MaildirPlaces } from './maildir/places.ts';
import { Store, type StoreParts } from './maildir/store.ts';
import { StoreMarks } from './maildir/storemark.ts';
import { Stores } from './maildir/stores.ts';
import { type SweepResult, sweep } from './maildir/sweep.ts';
import { APART, openHosts, openMemory } from './openmemory.ts';
import { openOwnedDisk } from './owners/owneddisk.ts';
import { type KeySourceOptions, keyRulesOf, pathsOf, type SiteSources, siteSourcesOf } from './site.ts';

/** What a site is given from outside. */
export interface Surroundings {
  readonly world: World;
  readonly meter: Meter;
  readonly outcomeLog: OutcomeLog;
  /** The state directory, if it is the server's own. */
  readonly state: string | undefined;
  /** Locks an open file until it is closed; false if another process has it. */
  lock(fd: number): boolean;
  /** Reads what rules about header fields test. Left out: whoever has such rules gets all mail in INBOX. */
  readonly readFields?: FieldReader;
  /** See KeySourceOptions. */
  readonly onParsed?: KeySourceOptions['onParsed'];
  /** See DeliveryParts. */
  readonly onReceived?: OnReceived | undefined;
  /** Is told when what hosts share can be reached again. */
  readonly onShared?: (() => void) | undefined;
  /** Left out: the real one. */
  readonly disk?: Disk | undefined;
}

/** What lasts as long as the process. */
export type Site = Omit<DeliveryParts, 'memory' | 'hosts' | keyof ReloadedParts> & {
  readonly memory: RememberedDeliveries | undefined;
  readonly hosts: SharedDeliveries | undefined;
  readonly hops: Hops;
  /** The key directory makes its calls under the same shares as the disk. */
  readonly fileSystems: FileSystems;
  readonly onParsed: KeySourceOptions['onParsed'];
  readonly readFields: FieldReader;
  /** Call it when no delivery is under way any more. */
  close(): void;
};

type ReloadedParts = Pick<
  DeliveryParts,
  'keys' | 'addressing' | 'keyRules' | 'headerPolicyOf' | 'folders' | 'encrypted' | 'isOwn' | 'limits'
>;

export function openSite(settings: Settings, surroundings: Surroundings): Site {
  const { world, meter, outcomeLog } = surroundings;
  const diskOptions = { hungMs: settings.lmtp.stall_timeout, world };
  const fileSystems = openFileSystems(diskOptions);
  const { disk = openDisk({ ...diskOptions, fileSystems, lock: surroundings.lock }) } = surroundings;
  const { storeRoot, maildir } = pathsOf(settings);
  const { roots, folder } = settings.recipients;
  const memory = openMemory(settings, surroundings);
  const noteSizes = settings.store.maildirsize
    ? { noteSizes: (error: unknown) => outcomeLog.fault('store.maildirsize', error) }
    : {};
  const hosts = openHosts(settings, surroundings);
  const marks =
    hosts && new StoreMarks({ fileSystems, world, fault: (error) => outcomeLog.fault(APART, error) });
  const parts = { world, meter, roots: [storeRoot, ...roots], marks, ...noteSizes };
  const maildirs = new MaildirPlaces(
    new Stores(new Store({ ...parts, disk }), ownedStores(settings, diskOptions, parts)),
    new MailboxPaths(maildir, roots, folder),
  );
  const hops = openHops(settings, surroundings);
  return {
    world,
    meter,
    outcomeLog,
    places: { of: async (recipient) => hops.placeOf(recipient) ?? maildirs.of(recipient) },
    hops,
    mailboxes: new Slots(),
    fileSystems,
    onParsed: surroundings.onParsed,
    readFields: surroundings.readFields ?? noFields,
    onReceived: surroundings.onReceived,
    memory,
    hosts,
    close() {
      hops.close();
      hosts?.close();
      memory?.close();
      disk.close();
    },
  };
}

/** Throws, with a sentence, if the authorities cannot be read. */
export function openHops(
  { hostname, store }: Settings,
  { meter, outcomeLog }: Pick<Surroundings, 'meter' | 'outcomeLog'>,
): Hops {
  const { forward_ca_file: file, forward_connections: connections } = store;
  return new Hops({
    hop: store.forward,
    host: hostname,
    ca: file === '' ? undefined : readFileSync(resolve(file), 'utf8'),
    plainBeyondLoopback: store.forward_plain_beyond_loopback,
    connections,
    meter,
    fault: (event, error) => outcomeLog.fault(event, error),
  });
}

function noFields(): Promise<never> {
  return Promise.reject(new Error('header fields cannot be read here'));
}

/** Returns undefined if all files belong to the user that Sealdir runs as. */
function ownedStores(
  { owners }: Settings,
  options: Pick<DiskOptions, 'hungMs' | 'world'>,
  parts: Omit<StoreParts, 'disk'>,
): ((owner: Owner) => Store) | undefined {
  if (owners.socket === '') return undefined;
  const path = resolve(owners.socket);
  return (owner) => new Store({ ...parts, disk: openOwnedDisk({ ...options, path, owner }), isOwned: true });
}

/** What a delivery needs, and what the next reload takes over from it. */
export type SiteParts = DeliveryParts & SiteSources;

/** Returns what makes calls to key files for somebody who has no site: they are under the same limits. */
export function openCalls(settings: Settings, world: World): FileSystems['run'] {
  const fileSystems = openFileSystems({ hungMs: settings.lmtp.stall_timeout, world });
  return (directory, call) => fileSystems.run(directory, call);
}

/** Returns everything a delivery needs; the cache of key files starts empty. */
export function deliveryParts(settings: Settings, site: Site, former?: SiteSources): SiteParts {
  const run: FileSystems['run'] = (directory, call) => site.fileSystems.run(directory, call);
  const keyOptions: KeySourceOptions = {
    run,
    onParsed: site.onParsed,
    onSilence: (setting, message) => site.outcomeLog.fault(setting, new Error(message)),
  };
  const { lmtp, store, folders, recipients } = settings;
  return {
    ...site,
    ...siteSourcesOf(settings, site.world, keyOptions, former),
    keyRules: keyRulesOf(settings, site.world, { run }),
    folders: {
      rulesFor: folderRules(settings),
      encoding: folders.encoding,
      readFields: site.readFields,
    },
    headerPolicyOf: headerPolicyRule(settings),
    encrypted: store.encrypted,
    isOwn: relayRule(settings),
    limits: {
      maxMessageBytes: lmtp.max_message_size,
      maxHeaderBytes: lmtp.max_header_size,
      maxRecipients: lmtp.max_recipients,
      maxMailboxDeliveries: lmtp.max_mailbox_deliveries,
      minFreeBytes: store.min_free_space,
      stallMs: lmtp.stall_timeout,
      answerMs: lmtp.transaction_timeout,
      overQuota: recipients.over_quota,
    },
  };
}

/** Returns a function that sweeps the tmp/ of all mailboxes. */
export function openSweep(settings: Settings, world: World): () => Promise<SweepResult> {
  const fileSystems = openFileSystems({ hungMs: settings.lmtp.stall_timeout, world });
  const { maildir: template } = pathsOf(settings);
  const { roots } = settings.recipients;
  return () => sweep({ template, roots, now: world.now(), fileSystems });
}
