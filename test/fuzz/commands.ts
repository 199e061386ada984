// Commands that a client may send: proper ones, improper ones, and nonsense.

import { type Command, LIMITS, type Message } from './model.ts';

const LONG = 'x'.repeat(5000);

export const COMMANDS: readonly Command[] = [
  { line: 'LHLO client.example', is: 'lhlo' },
  { line: 'lhlo [127.0.0.1] ', is: 'lhlo' },
  { line: 'LHLO', is: 'lhlo', fault: 501 },
  { line: 'LHLO a b', is: 'lhlo', fault: 501 },
  { line: 'HELO client.example', is: 'helo' },
  { line: 'EHLO', is: 'helo' },
  { line: 'MAIL FROM:<a@example.org>', is: 'mail' },
  { line: 'mail from: <> body=8bitmime SIZE=100', is: 'mail' },
  { line: 'MAIL FROM:<\xff@example.org>', is: 'mail' },
  { line: 'MAIL FROM:a@example.org', is: 'mail', fault: 501 },
  { line: 'MAIL FROM <>', is: 'mail', fault: 501 },
  { line: 'MAIL', is: 'mail', fault: 501 },
  { line: 'MAIL FROM:<> SIZE=2049', is: 'mail', fault: 552 },
  { line: 'MAIL FROM:<> SIZE=-1', is: 'mail', fault: 501 },
  { line: 'MAIL FROM:<> BODY=BINARYMIME', is: 'mail', fault: 501 },
  { line: 'MAIL FROM:<> X=1', is: 'mail', fault: 555 },
  { line: 'RCPT TO:<alice@example.com>', is: 'rcpt', mailbox: 'alice@example.com' },
  { line: 'rcpt to:<ALICE+x@Example.com>', is: 'rcpt', mailbox: 'alice@example.com' },
  { line: 'RCPT TO:<"bob"@example.com> NOTIFY=NEVER', is: 'rcpt', mailbox: 'bob@example.com' },
  { line: 'RCPT TO:<nobody@example.com>', is: 'rcpt', fault: 550 },
  { line: 'RCPT TO:<expired@example.com>', is: 'rcpt', fault: 451 },
  { line: 'RCPT TO:<broken@example.com>', is: 'rcpt', fault: 451 },
  { line: 'RCPT TO:<>', is: 'rcpt', fault: 501 },
  { line: 'RCPT TO:alice@example.com', is: 'rcpt', fault: 501 },
  { line: 'RCPT TO:<alice\0@example.com>', is: 'rcpt', fault: 501 },
  { line: 'RCPT', is: 'rcpt', fault: 501 },
  { line: 'DATA', is: 'data' },
  { line: 'data  ', is: 'data' },
  { line: 'DATA 1', is: 'data with an argument' },
  { line: 'RSET', is: 'rset' },
  { line: 'NOOP what ever', is: 'noop' },
  { line: 'VRFY alice', is: 'vrfy' },
  { line: 'QUIT', is: 'quit' },
  { line: '', is: 'unknown' },
  { line: '.', is: 'unknown' },
  { line: 'DATA\r.', is: 'unknown' },
  { line: ' QUIT', is: 'unknown' },
  { line: 'BDAT 5 LAST', is: 'unknown' },
  { line: 'STARTTLS', is: 'unknown' },
  { line: 'AUTH PLAIN AGEAYg==', is: 'unknown' },
  { line: 'MAILFROM:<>', is: 'unknown' },
  { line: '\x16\x03\x01\x02\0\x01', is: 'unknown' },
  { line: LONG, is: 'unknown' },
  { line: `NOOP ${LONG}`, is: 'unknown' },
  { line: 'GET / HTTP/1.1', is: 'http' },
];

/** Returns the first command of a kind. */
export function say(line: string): Command {
  const found = COMMANDS.find((command) => command.line.startsWith(line));
  if (found === undefined) throw new Error(`no command ${line}`);
  return found;
}

const HEADER = 'Subject: hi\r\n\r\n';
const line = (bytes: number) => `${'x'.repeat(bytes - 2)}\r\n`;

export const MESSAGES: readonly Message[] = [
  { bytes: '' },
  { bytes: `${HEADER}hello\r\n` },
  { bytes: `${HEADER}.\r\n..\r\n.QUIT\r\n` },
  { bytes: `${HEADER}\n.\nQUIT\r.\r\n.\nMAIL FROM:<>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n` },
  { bytes: 'no header\r\n' },
  { bytes: HEADER + line(LIMITS.messageBytes - HEADER.length) },
  { bytes: HEADER + line(LIMITS.messageBytes - HEADER.length + 1), fault: 552 },
  { bytes: HEADER + line(100_000), fault: 552 },
  { bytes: `A: ${line(LIMITS.headerBytes - 3 - 2)}\r\n` },
  { bytes: `A: ${line(LIMITS.headerBytes - 3 - 1)}\r\n`, fault: 552 },
  { bytes: `A: ${'x'.repeat(LIMITS.headerBytes)}\r\n\r\n`, fault: 552 },
];
