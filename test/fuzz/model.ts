// What a session must answer, as RFC 5321, RFC 2033 and the limits of the test server have it: a small machine that is
// told each command and says the codes of the replies to it, as many as there have to be.

export const LIMITS = { messageBytes: 2048, headerBytes: 1024, recipients: 4, errors: 10 } as const;
export const MAILBOXES = ['alice@example.com', 'bob@example.com'] as const;
export type Mailbox = (typeof MAILBOXES)[number];

type DeliveryMemory =
  | 'lhlo'
  | 'helo'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'data with an argument'
  | 'rset'
  | 'noop'
  | 'vrfy'
  | 'quit'
  | 'unknown'
  | 'http';

/** A line the client sends, and what of it counts for the answer. */
export interface Command {
  readonly line: string;
  readonly is: DeliveryMemory;
  /** What is wrong with it, or with whom it names: the code for that, where the state has no objection. */
  readonly fault?: number;
  /** Whom an acceptable RCPT names. */
  readonly mailbox?: Mailbox;
}

/** What the client sends behind a 354, before it is dot-stuffed. */
export interface Message {
  readonly bytes: string;
  /** Nobody gets it, for this reason. */
  readonly fault?: 552;
}

export interface Answer {
  readonly codes: readonly number[];
  /** Mailboxes that have one message more. */
  readonly stored: readonly Mailbox[];
}

export class SessionModel {
  #greeted = false;
  #recipients: Mailbox[] | undefined; // of the open transaction
  #errors = 0;
  isClosed = false;

  /** DATA is answered with its 354 only; `receive` says what follows. */
  command({ is, fault, mailbox }: Command): number {
    const isMail = is === 'mail' || is === 'rcpt' || is.startsWith('data');
    if (isMail && !this.#greeted) return 503;
    switch (is) {
      case 'lhlo':
        if (fault !== undefined) return fault;
        this.#greeted = true;
        this.#recipients = undefined; // RFC 5321 §4.1.4: as if RSET
        return 250;
      case 'helo':
        return 500; // RFC 2033 §4.1
      case 'mail':
        if (this.#recipients !== undefined) return 503;
        if (fault !== undefined) return fault;
        this.#recipients = [];
        return 250;
      case 'rcpt':
        return this.#rcpt(fault, mailbox);
      case 'data with an argument':
        return 501;
      case 'data':
        return (this.#recipients?.length ?? 0) === 0 ? 503 : 354;
      case 'rset':
        this.#recipients = undefined;
        return 250;
      case 'noop':
        return 250;
      case 'vrfy':
        return 252;
      case 'quit':
        this.isClosed = true;
        return 221;
      case 'http':
      case 'unknown':
        return this.#mistake(is);
    }
  }

  /** The message behind a 354. */
  receive({ fault }: Message): Answer {
    const recipients = this.#recipients ?? [];
    this.#recipients = undefined;
    this.#errors = 0;
    return {
      codes: recipients.map(() => fault ?? 250), // RFC 2033 §4.2: one for each RCPT, duplicates too
      stored: fault === undefined ? [...new Set(recipients)] : [],
    };
  }

  #rcpt(fault: number | undefined, mailbox: Mailbox | undefined): number {
    if (this.#recipients === undefined) return 503;
    if (fault === 501) return 501;
    if (this.#recipients.length >= LIMITS.recipients) return 452;
    if (fault !== undefined || mailbox === undefined) return fault ?? 550;
    this.#recipients.push(mailbox);
    return 250;
  }

  #mistake(is: 'http' | 'unknown'): number {
    this.#errors = is === 'http' ? LIMITS.errors : this.#errors + 1;
    if (this.#errors < LIMITS.errors) return 500;
    this.isClosed = true;
    return 421;
  }
}
