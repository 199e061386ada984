/**
 * The table of all replies: from the reason for an answer to what the client is told.
 *
 * The texts are fixed, so that no path, key ID, errno or library text reaches a client. Our own
 * failures get 4yz; 5yz only for facts about recipient or message; if in doubt 4yz. The
 * class digit of the enhanced code is that of the reply code (RFC 2034 §4), so a row gives only subject and
 * detail (RFC 3463 §3).
 */

const REPLIES = {
  // positive
  senderOk: [250, '1.0', 'Sender OK'],
  recipientOk: [250, '1.5', 'Recipient OK'],
  stored: [250, '0.0', 'Sealed'],
  storedAsCame: [250, '0.0', 'Encrypted to the recipient already, stored as it came'],
  storedLastValid: [250, '0.0', 'Sealed to an expired key of the recipient'],
  storedHeld: [250, '0.0', 'Sealed to the key of the site, held for its operator'],
  duplicate: [250, '0.0', 'Sealed before'], // a copy of the same message is durable already
  ok: [250, '0.0', 'OK'],
  readyForTls: [220, '0.0', 'Ready to start TLS'],
  bye: [221, '0.0', 'Bye'],
  notVerified: [252, '1.5', 'Cannot say, but will take mail for it'],
  // the recipient
  unknownRecipient: [550, '1.1', 'No such recipient here'],
  badRecipient: [501, '1.3', 'Bad recipient address syntax'],
  recipientNeedsUtf8: [553, '6.7', 'Non-ASCII recipient needs SMTPUTF8'],
  nameTooLong: [553, '1.3', 'Mailbox name is too long to be stored'],
  keyUnusableNow: [451, '7.5', 'Recipient has no usable encryption key at the moment'],
  keyUnusable: [550, '7.5', 'Recipient has no usable encryption key'],
  siteKeyUnusable: [451, '7.5', 'A key of this site cannot be used at the moment'],
  recipientsUnavailable: [451, '3.0', 'Recipient lookup failed, try again later'],
  sourceUnavailable: [451, '4.3', 'Recipients cannot be looked up at the moment'],
  tooManyRecipients: [452, '5.3', 'Too many recipients'],
  mailboxBusy: [450, '2.1', 'Mailbox is busy with other deliveries, try again later'],
  // the message
  badSender: [501, '1.7', 'Bad sender address syntax'],
  tooBig: [552, '3.4', 'Message too big'],
  headerTooBig: [552, '3.4', 'Message header too big'],
  // the store behind us
  nextHopUnknown: [550, '1.1', 'The mailbox server has no such mailbox'],
  nextHopSender: [553, '1.7', 'The mailbox server takes no such sender'],
  nextHopNeedsAscii: [553, '6.7', 'The mailbox server takes no such address'],
  nextHopDefers: [451, '0.0', 'The mailbox server asks to try again later'],
  nextHopRefuses: [554, '0.0', 'The mailbox server refuses the message'],
  nextHopUnreachable: [451, '4.1', 'The mailbox server cannot be reached at the moment'],
  nextHopLost: [451, '4.2', 'The mailbox server has not answered, try again later'],
  nextHopBusy: [451, '4.5', 'The mailbox server is busy, try again later'],
  // ourselves
  diskFull: [452, '3.1', 'Insufficient system storage'],
  overQuota: [452, '2.2', 'Mailbox is over quota'],
  overQuotaForGood: [552, '2.2', 'Mailbox is full'],
  storeFailed: [451, '3.0', 'Cannot store the message at the moment'],
  cryptoFailed: [451, '7.5', 'Cannot encrypt the message at the moment'],
  tooSlow: [451, '3.0', 'Delivery took too long, try again later'],
  aborted: [451, '3.0', 'Transaction aborted'],
  internal: [451, '3.0', 'Internal error, try again later'],
  shuttingDown: [421, '3.2', 'Service shutting down'],
  tooManyConnections: [421, '3.2', 'Too many connections'],
  tooManyFromPeer: [421, '7.0', 'Too many connections from your address'],
  idle: [421, '4.2', 'Idle for too long, closing'],
  sessionTooLong: [421, '3.2', 'Session lasted too long, closing'],
  dataTooSlow: [421, '4.2', 'Message took too long to arrive, closing'],
  tooManyErrors: [421, '7.0', 'Too many errors, closing'],
  tlsUnavailable: [454, '7.0', 'TLS is not available at the moment'],
  // the client: a mail server that is set up wrongly must lose no mail
  clientNotTrusted: [454, '7.0', 'Client certificate is not accepted'],
  // the dialogue
  needTls: [530, '7.0', 'Must issue a STARTTLS command first'],
  tlsActive: [503, '5.1', 'TLS is active already'],
  needMail: [503, '5.1', 'Need MAIL first'],
  needRecipient: [503, '5.1', 'No valid recipients'],
  nestedMail: [503, '5.1', 'Transaction already open'],
  useLhlo: [500, '5.1', 'This is LMTP: say LHLO'],
  needLhlo: [503, '5.1', 'Say LHLO first'],
  badParameters: [501, '5.4', 'Bad parameter'],
  unknownParameter: [555, '5.4', 'Parameter not recognized'],
  badSyntax: [501, '5.4', 'Syntax error in arguments'],
  unknownCommand: [500, '5.2', 'Command not recognized'],
  lineTooLong: [500, '5.2', 'Line too long'],
} as const satisfies Record<string, readonly [number, string, string]>;

/** Why a command or a recipient got its answer; a key of the table. */
export type Why = keyof typeof REPLIES;

/** What a copy that is durable is answered with, by how it is encrypted. */
export type StoredAs = Extract<Why, 'stored' | 'storedAsCame' | 'storedLastValid' | 'storedHeld'>;

/** Why something is not done. `why` decides what the client is told; `reasons` go to the log only. */
export interface Refusal {
  readonly why: Why;
  readonly reasons: readonly string[];
}

export function refusal(why: Why, ...reasons: readonly string[]): Refusal {
  return { why, reasons };
}

/** One reply line: `code SP enhanced SP text`. */
export interface Reply {
  readonly why: Why;
  readonly code: number;
  /** The status code of RFC 3463, such as `5.1.1`. */
  readonly enhanced: string;
  readonly text: string;
}

/** Returns the reply for `why`. `detail` is added to its text: our own ID, never text from outside. */
export function replyOf(why: Why, detail?: string): Reply {
  const [code, status, text] = REPLIES[why];
  const enhanced = `${Math.trunc(code / 100)}.${status}`;
  return { why, code, enhanced, text: detail === undefined ? text : `${text} ${detail}` };
}

/** Returns all rows of the table, for the documents and for the tests that compare the two. */
export function allReplies(): Reply[] {
  return (Object.keys(REPLIES) as Why[]).map((why) => replyOf(why));
}

/** What a reply means for the mail: `stored` is 2yz, `deferred` is 4yz, `refused` is 5yz. */
export type Verdict = 'stored' | 'deferred' | 'refused';

/** Returns what a reply means for the mail. */
export function verdictOf(reply: Reply): Verdict {
  if (reply.code < 400) return 'stored';
  return reply.code < 500 ? 'deferred' : 'refused';
}

// errno numbers of Linux, since libuv has no name for some of them, such as EDQUOT
const ENOSPC = 28;
const EDQUOT = 122;

/**
 * Turns the error of a disk call into an answer, here and nowhere else. All of them are our own failures, so
 * they defer.
 */
export function whyOfDiskError(error: unknown): Why {
  const errno = Math.abs((error as { errno?: number } | undefined)?.errno ?? 0);
  if (errno === ENOSPC) return 'diskFull';
  if (errno === EDQUOT) return 'overQuota';
  return 'storeFailed';
}
