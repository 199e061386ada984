/** Who exists. A recipient may exist and have no key that can be used. */
import type { BadRule, FolderRule } from '../core/folderrule.ts';
import type { HeaderPolicy } from '../core/headerpolicy.ts';
import type { NextHop, NO_HOP } from '../core/nexthop.ts';
import type { Owner } from '../core/owner.ts';
import type { Unusable } from '../core/unusable.ts';

export interface Recipient {
  /**
   * The canonical address of the account, `@domain` for one that takes what nobody else in the domain does;
   * two recipients with the same one are the same account.
   */
  readonly address: string;
  /** The path of the Maildir as the source has it. Left out: where the store's template has it. */
  readonly maildir?: string | undefined;
  /** Their IMAP server keeps folders otherwise than in Maildir++: all their mail goes to the inbox. */
  readonly inboxOnly?: true | undefined;
  /** Whose files they are to be. Left out: those of the user that Sealdir runs as. */
  readonly owner?: Owner | undefined;
  /** Bytes; left out: no limit. */
  readonly quota?: number | undefined;
  /** Bytes of the quota that are used; left out: not known. */
  readonly used?: number | undefined;
  /** The source could not be asked just now: this is what it said before. */
  readonly isFormer?: boolean | undefined;
  /** OpenPGP certificates, each text or bytes. Left out: the key directory has them. */
  readonly keys?: readonly (string | Buffer)[] | undefined;
  /** What is done if no key is usable. Left out: what the site does. */
  readonly unusable?: Unusable | undefined;
  /** Which folder a message goes to; those that are none are told with each message. */
  readonly rules?: readonly (FolderRule | BadRule)[] | undefined;
  /** The store behind LMTP that has their mailbox; `off`: none has. Left out: what the site does. */
  readonly forward?: NextHop | typeof NO_HOP | undefined;
  /** Which header fields stay readable outside. Left out: what the site has for the address. */
  readonly headerPolicy?: HeaderPolicy | undefined;
}

/** A source that could not be asked, or whose answer makes no sense. */
export class SourceError extends Error {}

/** A source that was asked, and whose answer about one recipient makes no sense. */
export class AnswerError extends SourceError {}

export interface RecipientSource {
  /**
   * Returns the recipient with this canonical address, or undefined if there is none. `@example.com` asks
   * for one that takes what nobody else in the domain does. Throws if the source could not be asked: that
   * must never be taken for "there is none".
   */
  find(address: string): Promise<Recipient | undefined>;
  /** Lets go of what it holds open. */
  close?(): Promise<void>;
}
