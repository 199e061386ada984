/**
 * Opens what a server delivers with: the store, the memory of deliveries, the sweep. What it keeps for its
 * whole life (`openSite`) is apart from what each reload makes anew (`deliveryParts`). Opens no socket.
 */
import type { Settings } from './config/settings.ts';
import type { Meter } from './core/meter.ts';
import type { OutcomeLog } from './core/outcomelog.ts';
import { Slots } from './core/slots.ts';
import type { World } from './core/world.ts';
import type { DeliveryParts } from './delivery/parts.ts';
import type { Disk } from './disk/disk.ts';
import { openDisk, openFileSystems } from './disk/open.ts';
import { RememberedDeliveries } from './duplicates/memory.ts';
import { MailboxPaths } from './maildir/mailboxpaths.ts';
import { Space } from './maildir/space.ts';
import { Store } from './maildir/store.ts';
import { type SweepResult, sweep } from './maildir/sweep.ts';
import { keyDirectoryOf, keyRulesOf, pathsOf, resolveParts } from './site.ts';

/** What a site is given from outside. */
export interface Surroundings {
  readonly world: World;
  readonly meter: Meter;
  readonly outcomeLog: OutcomeLog;
  /** Left out: the real one. */
  readonly disk?: Disk | undefined;
}

/** What lasts as long as the process. */
export type Site = Omit<DeliveryParts, 'memory' | keyof ReloadedParts> & {
  readonly memory: RememberedDeliveries | undefined;
  /** Call it when no delivery is under way any more. */
  close(): void;
};

type ReloadedParts = Pick<DeliveryParts, 'keys' | 'resolve' | 'keyRules' | 'headerPolicy' | 'limits'>;

export function openSite(settings: Settings, surroundings: Surroundings): Site {
  const { world, meter, outcomeLog } = surroundings;
  const { disk = openDisk({ hungMs: settings.lmtp.stall_timeout, world }) } = surroundings;
  const { storeRoot: root, maildir } = pathsOf(settings);
  const memory = memoryOf(settings, outcomeLog, world);
  return {
    world,
    meter,
    outcomeLog,
    store: new Store({ disk, world, meter, root }),
    mailboxes: new Slots(),
    mailboxPaths: new MailboxPaths(disk, maildir),
    space: new Space(disk),
    memory,
    close() {
      memory?.close();
      disk.close();
    },
  };
}

function memoryOf(
  settings: Settings,
  outcomeLog: OutcomeLog,
  world: World,
): RememberedDeliveries | undefined {
  const windowMs = settings.store.duplicates;
  if (windowMs === 0) return undefined;
  const fault = (error: unknown) =>
    outcomeLog.fault('store.state: this process remembers its deliveries alone', error);
  return new RememberedDeliveries({ directory: pathsOf(settings).state, windowMs, world, fault });
}

/** Returns everything a delivery needs; what was known of keys is forgotten. */
export function deliveryParts(settings: Settings, site: Site): DeliveryParts {
  const keyDirectory = keyDirectoryOf(settings, site.world);
  const { lmtp, store, headers } = settings;
  return {
    ...site,
    keys: keyDirectory,
    resolve: resolveParts(settings, keyDirectory),
    keyRules: keyRulesOf(settings),
    headerPolicy: headers.policy,
    limits: {
      maxMessageBytes: lmtp.max_message_size,
      maxHeaderBytes: lmtp.max_header_size,
      maxRecipients: lmtp.max_recipients,
      maxMailboxDeliveries: lmtp.max_mailbox_deliveries,
      minFreeBytes: store.min_free_space,
      stallMs: lmtp.stall_timeout,
      answerMs: lmtp.transaction_timeout,
    },
  };
}

/** Returns a function that sweeps the tmp/ of all mailboxes. */
export function openSweep(settings: Settings, world: World): () => Promise<SweepResult> {
  const fileSystems = openFileSystems({ hungMs: settings.lmtp.stall_timeout, world });
  return () => sweep({ template: pathsOf(settings).maildir, now: world.now(), fileSystems });
}
