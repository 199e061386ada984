// An IMAP client of a test, by imapflow, which is logged in.

import { ImapFlow } from 'imapflow';

export interface FetchedMessage {
  /** RFC822.SIZE. Dovecot takes it from `,W=` in the file name if it is there. */
  readonly size: number;
  readonly bytes: Buffer;
}

/** For STARTTLS: who has signed the certificate of the server, and its name. Without them there is no TLS. */
export interface ImapTls {
  readonly ca: string | Buffer;
  readonly servername: string;
}

export async function connectImap(
  port: number,
  user: string,
  password = 'pass',
  tls?: ImapTls,
): Promise<ImapFlow> {
  const imap = new ImapFlow({
    ...{ host: '127.0.0.1', port, auth: { user, pass: password }, secure: false },
    ...(tls === undefined ? { doSTARTTLS: false } : { doSTARTTLS: true, tls, servername: tls.servername }),
    ...{ logger: false, socketTimeout: 30_000, disableAutoIdle: true },
    // each message as it is, without what only this client and Dovecot might agree on
    ...{ disableCompression: true, disableBinary: true },
  });
  imap.on('error', () => undefined); // whatever waits is rejected too
  await imap.connect();
  return imap;
}

/** Selects a mailbox and resolves to the number of messages in it. */
export async function select(imap: ImapFlow, mailbox: string): Promise<number> {
  // imapflow asks again only if another one is selected
  if (imap.mailbox !== false) await imap.mailboxClose();
  return (await imap.mailboxOpen(mailbox)).exists;
}

/** Fetches a message and leaves it unseen. */
export async function fetchMessage(imap: ImapFlow, sequenceNumber: number): Promise<FetchedMessage> {
  const message = await imap.fetchOne(sequenceNumber, { size: true, source: true });
  if (message === false || message.source === undefined || message.size === undefined)
    throw new Error(`no message ${sequenceNumber}`);
  return { size: message.size, bytes: message.source };
}
