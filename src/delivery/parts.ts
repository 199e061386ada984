/** What the spine is given: its parts and its limits. Types only. */
import type { SameAddress } from '../core/address.ts';
import type { CopyStore } from '../core/copystore.ts';
import type { HeaderPolicy } from '../core/headerpolicy.ts';
import type { OnReceived } from '../core/hop.ts';
import type { Meter } from '../core/meter.ts';
import type { OutcomeLog } from '../core/outcomelog.ts';
import type { Slots } from '../core/slots.ts';
import type { World } from '../core/world.ts';
import type { KeySource } from '../keys/source.ts';
import type { IsOwn } from '../mime/hop.ts';
import type { Recipient } from '../recipients/source.ts';
import type { DeliveryMemory, HostsMemory } from './duplicate.ts';
import type { FolderParts } from './folder.ts';
import type { Addressing } from './resolve.ts';
import type { KeyRules } from './select.ts';

export interface DeliveryLimits {
  readonly maxMessageBytes: number;
  readonly maxHeaderBytes: number;
  readonly maxRecipients: number;
  /** Most copies under way to one mailbox at one time, over all transactions. */
  readonly maxMailboxDeliveries: number;
  /** Bytes that must stay free on the disk of a mailbox; 0 turns this off. */
  readonly minFreeBytes: number;
  /**
   * How long one copy may hold up the others while the message arrives. Limits as well how long to wait for
   * an earlier copy of a duplicate, for the clean-up of a failed copy, and for an abort.
   */
  readonly stallMs: number;
  /** What is answered if a message does not fit into a quota. */
  readonly overQuota?: 'defer' | 'reject';
  /** Longest time from the end of DATA to the last reply; also for the look-up of one recipient. */
  readonly answerMs: number;
}

export interface Place {
  readonly store: CopyStore;
  /** The path of a Maildir; elsewhere a name for it. */
  readonly mailbox: string;
}

export interface Places {
  /** Returns where the mail of a recipient goes; undefined if there can be no such place. */
  of(recipient: Recipient): Promise<Place | undefined>;
}

export interface DeliveryParts {
  readonly world: World;
  readonly meter: Meter;
  readonly outcomeLog: OutcomeLog;
  /** Where copies go. */
  readonly places: Places;
  /** One slot, under the name of its mailbox, for each copy under way. */
  readonly mailboxes: Slots;
  /** Recent deliveries; undefined: a message that is sent again is stored again. */
  readonly memory: DeliveryMemory | undefined;
  /** What hosts remember together; left out: nothing. */
  readonly hosts?: HostsMemory | undefined;
  readonly keys: KeySource;
  readonly addressing: Addressing & { readonly same: SameAddress };
  readonly keyRules: KeyRules;
  /** Left out: everything goes to INBOX. */
  readonly folders?: FolderParts | undefined;
  /** Which header fields stay readable outside, on the copy of a recipient. */
  headerPolicyOf(recipient: Recipient): HeaderPolicy;
  /** What becomes of a message that its sender has encrypted to the recipient. Left out: it is sealed. */
  readonly encrypted?: 'keep' | 'seal';
  /** Which machines pass mail on to the mail server in front; left out: none. */
  readonly isOwn?: IsOwn | undefined;
  /** Is told how each message came that is stored now for anybody. */
  readonly onReceived?: OnReceived | undefined;
  readonly limits: DeliveryLimits;
}
