/** What the spine is given: its parts and its limits. Types only. */
import type { SameAddress } from '../core/address.ts';
import type { Meter } from '../core/meter.ts';
import type { OutcomeLog } from '../core/outcomelog.ts';
import type { Slots } from '../core/slots.ts';
import type { World } from '../core/world.ts';
import type { KeySource } from '../keys/source.ts';
import type { Space } from '../maildir/space.ts';
import type { Store } from '../maildir/store.ts';
import type { HeaderPolicy } from '../mime/policy.ts';
import type { DeliveryMemory } from './duplicate.ts';
import type { ResolveParts } from './resolve.ts';
import type { KeyRules } from './select.ts';

export interface DeliveryLimits {
  readonly maxMessageBytes: number;
  readonly maxHeaderBytes: number;
  readonly maxRecipients: number;
  /** Copies on their way to one mailbox, of all transactions. */
  readonly maxMailboxDeliveries: number;
  /** Stays free on the disk of a mailbox; 0: not looked at. */
  readonly minFreeBytes: number;
  /** How long one copy may hold up the others while the message streams. */
  readonly stallMs: number;
  /** From the end of DATA to the last reply; also the longest look-up of one recipient. */
  readonly answerMs: number;
}

export interface DeliveryParts {
  readonly world: World;
  readonly meter: Meter;
  readonly outcomeLog: OutcomeLog;
  readonly store: Store;
  /** Mailboxes by path: a place for each copy on its way. */
  readonly mailboxes: Slots;
  readonly space: Space;
  /** What was delivered lately; undefined: duplicates are stored like everything else. */
  readonly memory: DeliveryMemory | undefined;
  readonly keys: KeySource;
  readonly resolve: ResolveParts & { readonly same: SameAddress };
  readonly keyRules: KeyRules;
  readonly headerPolicy: HeaderPolicy;
  readonly limits: DeliveryLimits;
}
