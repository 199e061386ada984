/** What the spine is given: its parts, its limits, and who is at the other end. Types only. */
import type { SameAddress } from '../core/address.ts';
import type { Meter } from '../core/meter.ts';
import type { Journal } from '../core/outcomelog.ts';
import type { Places } from '../core/slots.ts';
import type { World } from '../core/world.ts';
import type { Space } from '../maildir/space.ts';
import type { Store } from '../maildir/store.ts';
import type { HeaderPolicy } from '../mime/policy.ts';
import type { Known } from './duplicate.ts';
import type { ResolveParts } from './resolve.ts';
import type { SelectPolicy } from './select.ts';

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
  readonly journal: Journal;
  readonly store: Store;
  /** Mailboxes by path: a place for each copy on its way. */
  readonly mailboxes: Places;
  readonly space: Space;
  /** What was delivered lately; undefined: duplicates are stored like everything else. */
  readonly known: Known | undefined;
  readonly resolve: ResolveParts & { readonly same: SameAddress };
  readonly select: SelectPolicy;
  readonly policy: HeaderPolicy;
  readonly limits: DeliveryLimits;
}

export interface Client {
  /** Name given in LHLO. */
  readonly name: string;
  /** IP address, or undefined on a Unix socket. */
  readonly address: string | undefined;
}
