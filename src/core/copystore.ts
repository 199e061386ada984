/**
 * Where copies go, and what a delivery asks of such a place: a Maildir (maildir/), or the store of others
 * behind LMTP (forward/).
 */

/** What a store behind LMTP is told of a copy. A Maildir has no use for it. */
export interface Envelope {
  /** The reverse-path as sent, without brackets. */
  readonly sender: Buffer;
  /** The path by which such a store knows the recipient, without brackets. */
  readonly path: string;
  /** What the client has declared in MAIL: SMTPUTF8 (RFC 6531), BODY=8BITMIME (RFC 6152). */
  readonly smtpUtf8: boolean;
  readonly eightBit: boolean;
}

/** One copy on its way. Its errors are CopyFailures, or those of disk calls. */
export interface StagedCopy {
  /** Lets it go to a folder of its mailbox (`.Junk`). To be called before the first bytes come. */
  enter(folder: string): void;
  /** Another copy of the message is on its way to the same place, and is to be before this one. */
  stayBehind?(): void;
  /** Takes bytes with LF line ends, and keeps them as long as needed. A promise: wait for it before more. */
  write(pieces: readonly Buffer[]): Promise<void> | undefined;
  /** Does so with pieces that nobody else has: their memory may be released. */
  writeOwned(pieces: readonly Buffer[]): Promise<void> | undefined;
  /** Ends the bytes: from now on only `commit` is lacking. */
  finish(): Promise<void>;
  /** Bytes taken so far, as many as can be accounted for. */
  readonly bytes: number;
  /** The name of its file; undefined if it becomes none. */
  finalName(size: number, wireSize: number): string | undefined;
  /** Makes it durable. The sizes are those with LF, and with CRLF line ends. */
  commit(size: number, wireSize: number): Promise<void>;
  /** Gives it up. Resolves when nothing of it is left, or it is durable all the same. Never throws. */
  abort(): Promise<void>;
}

/** The methods that take a mailbox take what `Places` has for a recipient. */
export interface CopyStore {
  /** Where it is, if it is elsewhere: for the log. It makes the final delivery, and writes Return-Path. */
  readonly nextHop?: string | undefined;
  /** Why no rule can name a folder there. */
  readonly noFolders?: string | undefined;
  readonly space: { shortage(mailbox: string, wantedBytes: number): Promise<string | undefined> };
  readonly sizes?: { stored(mailbox: string, bytes: number): void } | undefined;
  stage(mailbox: string, envelope: Envelope): StagedCopy;
  /** Tells which store it is; undefined if that is not known: then nothing in it is a duplicate. */
  identity(mailbox: string): Promise<string | undefined>;
  /** The same on all hosts that have this store; undefined if that is not known, or nobody wants to know. */
  sharedIdentity(mailbox: string): Promise<string | undefined>;
  has(mailbox: string): Promise<boolean>;
  holds(mailbox: string, isIt: (name: string) => boolean): Promise<boolean>;
  hasFolder(mailbox: string, folder: string): Promise<boolean>;
}
