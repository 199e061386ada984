/**
 * Settings -> the parts of a site that a server keeps open: the disk, the store, the memory of deliveries.
 * What lasts as long as the process (`openSite`) is apart from what each reload makes anew (`deliveryParts`).
 * Opens no socket and knows no command.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Settings } from './config/settings.ts';
import type { Meter } from './core/meter.ts';
import type { OutcomeLog } from './core/outcomelog.ts';
import { Slots } from './core/slots.ts';
import type { World } from './core/world.ts';
import type { DeliveryParts } from './delivery/parts.ts';
import type { Disk } from './disk/disk.ts';
import type { FileSystems } from './disk/filesystems.ts';
import { openDisk, openFileSystems } from './disk/open.ts';
import { RememberedDeliveries } from './duplicates/memory.ts';
import { type OwnedDirectory, ownStateDirectory, type StateOptions } from './duplicates/statedirectory.ts';
import { MailboxPaths } from './maildir/mailboxpaths.ts';
import { MaildirSizes } from './maildir/maildirsize.ts';
import { Space } from './maildir/space.ts';
import { Store } from './maildir/store.ts';
import { type SweepResult, sweep } from './maildir/sweep.ts';
import { addressingOf, keyDirectoryOf, keyRulesOf, keySourceOf, pathsOf } from './site.ts';

/** For the log, when the state directory cannot be used. */
export const FORGETFUL = 'store.state: duplicates are recognised within each process only';

/** What a site is given from outside. */
export interface Surroundings {
  readonly world: World;
  readonly meter: Meter;
  readonly outcomeLog: OutcomeLog;
  /** The state directory, if it is the server's own. */
  readonly state: string | undefined;
  /** Locks an open file until it is closed; false if another process has it. */
  lock(fd: number): boolean;
  /** Left out: the real one. */
  readonly disk?: Disk | undefined;
}

/** What lasts as long as the process. */
export type Site = Omit<DeliveryParts, 'memory' | keyof ReloadedParts> & {
  readonly memory: RememberedDeliveries | undefined;
  /** The key directory makes its calls under the same shares as the disk. */
  readonly fileSystems: FileSystems;
  /** Call it when no delivery is under way any more. */
  close(): void;
};

type ReloadedParts = Pick<DeliveryParts, 'keys' | 'addressing' | 'keyRules' | 'headerPolicy' | 'limits'>;

export function openSite(settings: Settings, surroundings: Surroundings): Site {
  const { world, meter, outcomeLog } = surroundings;
  const diskOptions = { hungMs: settings.lmtp.stall_timeout, world };
  const fileSystems = openFileSystems(diskOptions);
  const { disk = openDisk({ ...diskOptions, fileSystems }) } = surroundings;
  const { storeRoot, maildir } = pathsOf(settings);
  const { roots, folder } = settings.recipients;
  const memory = memoryOf(settings, surroundings);
  return {
    world,
    meter,
    outcomeLog,
    store: new Store({ disk, world, meter, roots: [storeRoot, ...roots] }),
    mailboxes: new Slots(),
    mailboxPaths: new MailboxPaths(disk, maildir, roots, folder),
    space: new Space(disk),
    sizes: settings.store.maildirsize ? sizesOf(fileSystems, surroundings) : undefined,
    fileSystems,
    memory,
    close() {
      memory?.close();
      disk.close();
    },
  };
}

function sizesOf(fileSystems: FileSystems, { lock, outcomeLog }: Surroundings): MaildirSizes {
  const fault = (error: unknown) => outcomeLog.fault('store.maildirsize', error);
  return new MaildirSizes({ fileSystems, lock, fault });
}

function memoryOf(
  { store }: Settings,
  { outcomeLog, world, state }: Surroundings,
): RememberedDeliveries | undefined {
  if (store.duplicates === 0) return undefined;
  const fault = (error: unknown) => outcomeLog.fault(FORGETFUL, error);
  return new RememberedDeliveries({ directory: state, windowMs: store.duplicates, world, fault });
}

/** What a reload replaces. */
export interface FormerParts {
  readonly settings: Settings;
  readonly parts: DeliveryParts;
}

function keptAddressing(
  settings: Settings,
  former: FormerParts | undefined,
): DeliveryParts['addressing'] | undefined {
  if (former === undefined || settings.recipients.source === 'keys') return undefined;
  const isSame =
    former.settings.hostname === settings.hostname &&
    isDeepStrictEqual(former.settings.recipients, settings.recipients);
  return isSame ? former.parts.addressing : undefined;
}

/** Returns what makes calls to key files for somebody who has no site: they are under the same limits. */
export function openCalls(settings: Settings, world: World): FileSystems['run'] {
  const fileSystems = openFileSystems({ hungMs: settings.lmtp.stall_timeout, world });
  return (directory, call) => fileSystems.run(directory, call);
}

/**
 * Returns everything a delivery needs; the key cache starts empty. The recipient source of `former` stays, if
 * its settings do: who was found is then still found while it is down.
 */
export function deliveryParts(settings: Settings, site: Site, former?: FormerParts): DeliveryParts {
  const run: FileSystems['run'] = (directory, call) => site.fileSystems.run(directory, call);
  const keyDirectory = keyDirectoryOf(settings, site.world, {
    run,
    onSilence: (message) => site.outcomeLog.fault('keys.directory', new Error(message)),
  });
  const { lmtp, store, headers, recipients } = settings;
  return {
    ...site,
    keys: keySourceOf(keyDirectory),
    addressing: keptAddressing(settings, former) ?? addressingOf(settings, keyDirectory, site.world),
    keyRules: keyRulesOf(settings, site.world, { run }),
    headerPolicy: headers.policy,
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

/**
 * Makes the state directory ours until `release`. Throws, with a sentence, if it is another server's or
 * unfit.
 */
export async function ownState(settings: Settings, options: StateOptions): Promise<OwnedState | undefined> {
  if (settings.store.duplicates === 0) return undefined;
  const directory = pathsOf(settings).state;
  const { release } = await ownStateDirectory(directory, options);
  return { directory, release };
}

export interface OwnedState extends OwnedDirectory {
  readonly directory: string;
}

/** Returns a function that sweeps the tmp/ of all mailboxes. */
export function openSweep(settings: Settings, world: World): () => Promise<SweepResult> {
  const fileSystems = openFileSystems({ hungMs: settings.lmtp.stall_timeout, world });
  const { maildir: template } = pathsOf(settings);
  const { roots } = settings.recipients;
  return () => sweep({ template, roots, now: world.now(), fileSystems });
}
