// A model of a session, by RFC 5321, RFC 2033 and the limits of the test server. It is given each command and
// returns the codes of all replies that the command must get.

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

/** A line that the client sends, and what the answer depends on. */
export interface Command {
  readonly line: string;
  readonly is: DeliveryMemory;
  /**
   * The code for a fault of the line or of the recipient, which is the answer if the state allows the
   * command.
   */
  readonly fault?: number;
  /** The mailbox that an acceptable RCPT names. */
  readonly mailbox?: Mailbox;
}

/** What the client sends after a 354, before it is dot-stuffed. */
export interface Message {
  readonly bytes: string;
  /** The code with which the message is refused for everybody. */
  readonly fault?: 552;
}

export interface Answer {
  readonly codes: readonly number[];
  /** Mailboxes that get this message. */
  readonly stored: readonly Mailbox[];
}

export class SessionModel {
  #greeted = false;
  #recipients: Mailbox[] | undefined; // of the open transaction
  #errors = 0;
  isClosed = false;

  /** Returns the code of the reply. For DATA that is 354 only; `receive` returns the codes that follow. */
  command({ is, fault, mailbox }: Command): number {
    const isMail = is === 'mail' || is === 'rcpt' || is.startsWith('data');
    if (isMail && !this.#greeted) return 503;
    switch (is) {
      case 'lhlo':
        if (fault !== undefined) return fault;
        this.#greeted = true;
        this.#recipients = undefined; // RFC 5321 §4.1.4: it acts as RSET
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

  /** Takes the message after a 354. Returns the final replies and where it is stored. */
  receive({ fault }: Message): Answer {
    const recipients = this.#recipients ?? [];
    this.#recipients = undefined;
    this.#errors = 0;
    return {
      codes: recipients.map(() => fault ?? 250), // RFC 2033 §4.2: one for each RCPT
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
