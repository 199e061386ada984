/**
 * The text of the two messages that Sealdir itself sends: that the key of an address has changed, and that it
 * is about to end. What is outside of the encryption says no more than that there is a note about a key.
 */
import { randomBytes } from 'node:crypto';
import { visible } from '../core/visible.ts';
import type { Entry } from '../keylog/entry.ts';
import { mailDate } from '../mime/trace.ts';

export interface Letter {
  readonly from: string;
  readonly to: string;
  readonly host: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly text: string;
}

export const SUBJECT = 'A note about your encryption key';

/** Returns a message in RFC 5322's form, with LF line ends. */
export function letterOf({ from, to, host, now, text }: Letter): Buffer {
  const header = [
    `From: Sealdir <${from}>`,
    `To: <${to}>`,
    `Subject: ${SUBJECT}`,
    `Date: ${mailDate(now)}`,
    `Message-ID: <${randomBytes(16).toString('hex')}@${host}>`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
  ];
  return Buffer.from(`${header.join('\n')}\n\n${text}`);
}

interface Surroundings {
  readonly host: string;
  /** The hash of the last line of the key log. */
  readonly head: string;
}

/**
 * Returns the text for the owner of the keys that an address had before. `earlier`: changes of the same keys
 * that this note tells of as well, oldest first.
 */
export function changeText(entry: Entry, earlier: readonly Entry[], { host, head }: Surroundings): string {
  const { address, event, before, after, lost, by, time, n } = entry;
  return `${beginning(entry, host)}

  address  ${visible(address)}
  seen     ${inUtc(time)}
  before   ${listed(before.fingerprints)}
  now      ${event === 'went' ? 'no key' : listed(after.fingerprints)}
  how      ${howText(by)}${earlierText(earlier)}

${
  lost
    ? 'Your key is the same, but the file on the server says less about it than before. A subkey is missing\nthere, or one that had ended or was revoked would be used again.'
    : 'This note is encrypted with the key of before, and with no other.'
}

If you have changed your key yourself, or asked for it, there is nothing to do.

If not, somebody else has. Whoever has the other key can read the mail that comes from now on; what was
stored before opens with your key of before only. Ask the administrator of the server, not by a mail that
may be read on the way, and tell your correspondents not to write to you there until you know more.

Keep this note. It holds the hash of the last entry of the server's log of key changes, which has this
change as entry ${n}:

  ${head}

If that log is edited or cut later, this command on the server shows it:

  sealdir key log --verify --head ${head}
`;
}

function inUtc(time: string): string {
  return time.replace('T', ' ').replace(/\.\d+Z$/, ' UTC');
}

function earlierText(earlier: readonly Entry[]): string {
  const [first] = earlier;
  if (first === undefined) return '';
  return `\n  earlier  ${earlier.length} more changes of it, since entry ${first.n} (${inUtc(first.time)})`;
}

function beginning({ event, address: exact }: Entry, host: string): string {
  const address = visible(exact);
  if (event === 'went') return `The server ${host} has no key for ${address} any more.`;
  if (event === 'came') return `The server ${host}, which had no key for ${address} any more, has one again.`;
  return `The key that the server ${host} encrypts the mail for ${address} with has changed.`;
}

function howText({ how, uid, user }: Entry['by']): string {
  if (how === 'directory') return 'the key file was changed without a command of Sealdir';
  const who =
    user !== undefined ? visible(user) : uid === undefined ? undefined : `the user with the number ${uid}`;
  return `"sealdir ${how}"${who === undefined ? '' : ` by ${who}`}`;
}

export interface Ending extends Surroundings {
  readonly address: string;
  readonly fingerprint: string;
  readonly ends: Date;
  /** Whole days that are left. */
  readonly days: number;
}

/** Returns the text for the owner of a key that ends soon. */
export function endingText({ address: exact, fingerprint, ends, days, host, head }: Ending): string {
  const address = visible(exact);
  const left = days < 1 ? 'in less than a day' : days === 1 ? 'in one day' : `in ${days} days`;
  return `The key that the server ${host} encrypts the mail for ${address} with ends ${left}.

  address  ${address}
  key      ${spaced(fingerprint)}
  ends     ${inUtc(ends.toISOString())}

From then on no mail can be encrypted for you. It waits, or goes back to its senders, until the server has a
key of yours that is valid.

Extend the key, with GnuPG for instance:

  gpg --quick-set-expire ${fingerprint} 2y
  gpg --quick-set-expire ${fingerprint} 2y '*'
  gpg --armor --export ${fingerprint} > key.asc

Then give key.asc to the administrator of the server, or hand it in as you did with the first one. Old mail
opens with the same key as before.

The server's log of key changes has now this hash as its last one: ${head}
`;
}

function listed(fingerprints: readonly string[]): string {
  return fingerprints.map(spaced).join('\n           ');
}

/** In groups of four, as other programs show fingerprints. */
function spaced(fingerprint: string): string {
  return fingerprint.replace(/(.{4})(?=.)/g, '$1 ');
}
