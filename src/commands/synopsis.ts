/**
 * What usage.ts says, taken apart: each command with its options and operands. The manual page and the
 * completions of the shells are made from it, so that they cannot name anything else. Not used at run time.
 */
import { USAGE } from './usage.ts';

export interface Synopsis {
  /** As typed: "serve", "key list". */
  readonly name: string;
  /** What stands after the name, on one line. */
  readonly line: string;
  readonly doc: string;
  /** As typed: "-c", "--json". */
  readonly options: readonly string[];
  /** Names of the operands, such as "ADDRESS" and "FILE". */
  readonly operands: readonly string[];
}

interface Option {
  readonly long: string;
  /** Name of its value; without one it has none. */
  readonly value?: string;
  readonly doc: string;
}

/** Every option, under the spelling that usage.ts has for it. */
export const OPTIONS: Readonly<Record<string, Option>> = {
  '-c': { long: '--config', value: 'FILE', doc: 'The configuration.' },
  '-r': { long: '--recipient', value: 'RECIPIENT', doc: 'Seals to the keys of this recipient.' },
  '-k': {
    long: '--key',
    value: 'KEYFILE',
    doc: 'A file with keys: public ones for "seal" and with "--agent", secret ones for "open", "reseal" and "enroll".',
  },
  '-f': { long: '--sender', value: 'SENDER', doc: 'The address that the message is from.' },
  '-a': { long: '--detail', value: 'DETAIL', doc: 'What stands between "+" and "@" in the address.' },
  '--verbose': { long: '--verbose', doc: 'Says on stderr what went wrong, with the names of files.' },
  '--dovecot': {
    long: '--dovecot',
    doc: 'Writes lines of a passwd-file for Dovecot: the hash of the password by which the gateway logs in there for each user.',
  },
  '--json': { long: '--json', doc: 'Writes JSON.' },
  '--as': { long: '--as', value: 'ADDRESS', doc: 'The recipient whose keys these are.' },
  '--yes': { long: '--yes', doc: 'Agrees to a change that is asked about otherwise.' },
  '--name': { long: '--name', value: 'NAME', doc: 'The name of the owner of a new key.' },
  '--output': { long: '--output', value: 'DIR', doc: 'Where the files of a new key are made.' },
  '--expires': { long: '--expires', value: 'TIME', doc: 'When a new key expires: "2y", or "never".' },
  '--passphrase-file': {
    long: '--passphrase-file',
    value: 'FILE',
    doc: 'A file with the passphrase of the secret key in its first line.',
  },
  '--passphrase-fd': {
    long: '--passphrase-fd',
    value: 'N',
    doc: 'A descriptor that the passphrase is read from.',
  },
  '--to': { long: '--to', value: 'NEWKEY', doc: 'The public key that messages are sealed to from now on.' },
  '--agent': {
    long: '--agent',
    doc: 'Lets gpg-agent decrypt, which has the secret key or knows its card; without -k, gpg tells its keys.',
  },
  '--original': {
    long: '--original',
    doc: 'Leaves out what a header policy has put into the message: the bytes that were received.',
  },
  '--listen': {
    long: '--listen',
    value: 'ADDRESS',
    doc: 'Where "bridge" takes IMAP: "host:port" of the loopback, or the path of a Unix socket; 127.0.0.1:1143 if left out.',
  },
  '--ca': {
    long: '--ca',
    value: 'FILE',
    doc: 'Authorities that the IMAP server is trusted by, in place of those that Node knows.',
  },
  '--log': { long: '--log', value: 'MAILLOG', doc: "Reads from Postfix's log which mail it has sent how." },
  '--into': {
    long: '--into',
    value: 'DIR',
    doc: 'Where messages are written in clear, with the folders of a Maildir, or the files of "enroll" and "recover": nothing there is overwritten.',
  },
  '--mailbox': { long: '--mailbox', value: 'ADDRESS', doc: 'The mailbox of this address; may be repeated.' },
  '--all': { long: '--all', doc: 'Every mailbox of the store.' },
  '--folder': { long: '--folder', value: 'NAME', doc: 'This folder alone, such as INBOX; may be repeated.' },
  '--index': {
    long: '--index',
    value: 'PATH',
    doc: "Where Dovecot's indexes are if not beside the messages, with {local} and {domain} as in store.maildir.",
  },
  '--limit': {
    long: '--limit',
    value: 'SIZE',
    doc: 'How many bytes a second are sealed at most; 0 for no limit. "migrate" has 2MiB if it is left out.',
  },
  '--dry-run': { long: '--dry-run', doc: 'Tells what would be done, and changes nothing.' },
  '--no-passphrase': { long: '--no-passphrase', doc: 'Leaves a new secret key without a passphrase.' },
  '--file': { long: '--file', value: 'FILE', doc: 'A wrapped key that is in no directory of a gateway.' },
  '--device': { long: '--device', value: 'NAME', doc: 'Makes a code for the device of this name.' },
  '--recovery': { long: '--recovery', doc: 'Makes another recovery code.' },
  '--password': { long: '--password', doc: 'Asks for a new password that opens the key, too.' },
  '--label': { long: '--label', value: 'NAME', doc: 'What a slot is called that is for no device.' },
  '--slot': { long: '--slot', value: 'NAME', doc: 'The slot to change, if not the one that is opened.' },
  '--force': { long: '--force', doc: 'Takes the last slot away, too.' },
  '--print-codes': { long: '--print-codes', doc: 'Prints codes even if stdout is no terminal.' },
  '--password-file': {
    long: '--password-file',
    value: 'FILE',
    doc: 'A file with a password or code that opens the wrapped key.',
  },
  '--password-fd': { long: '--password-fd', value: 'N', doc: 'A descriptor that it is read from.' },
  '--new-password-file': {
    long: '--new-password-file',
    value: 'FILE',
    doc: 'A file with a new password for the wrapped key.',
  },
  '--new-password-fd': { long: '--new-password-fd', value: 'N', doc: 'A descriptor that it is read from.' },
  '--verify': { long: '--verify', doc: 'Checks that the log is whole and was never edited.' },
  '--head': { long: '--head', value: 'HASH', doc: 'A hash that the log had at some time, kept elsewhere.' },
  '--wkd': { long: '--wkd', value: 'DIR', doc: 'Where the Web Key Directory is written.' },
  '--host': { long: '--host', value: 'NAME', doc: 'The mail server, if it is not the configured hostname.' },
  '--ip': { long: '--ip', value: 'IP', doc: 'An IP address of the mail server.' },
  '--certificate': {
    long: '--certificate',
    value: 'FILE',
    doc: 'A certificate that the mail server shows; without it, Postfix is asked, then the configuration.',
  },
  '--next': { long: '--next', value: 'FILE', doc: 'A key or certificate that it will show later.' },
  '--dkim': {
    long: '--dkim',
    value: 'FILE',
    doc: 'A DKIM key, or its record, named SELECTOR.private or DOMAIN.SELECTOR.key, or as SELECTOR=FILE.',
  },
  '--rua': { long: '--rua', value: 'URI', doc: 'Where reports go, a mailto URI.' },
  '--policy': {
    long: '--policy',
    doc: 'Prints the MTA-STS policy alone; with --check, reads it over HTTPS too.',
  },
  '--check': {
    long: '--check',
    doc: 'Compares the records with what a resolver has, and prints what is wrong.',
  },
  '--resolver': {
    long: '--resolver',
    value: 'SERVER',
    doc: 'The resolver to ask, such as 127.0.0.1; without it, one of this machine.',
  },
  '--direct': { long: '--direct', doc: 'Writes it as the web site of the domain itself has it.' },
};

const OPTION = /(?<![\w-])(--?[a-z][a-z-]*)(?: (?:[A-Z]+|\d\w*\|\w+))?/g;
const DOC_COLUMN = 40;

/** Lists the commands of a usage text, in its order. */
export function synopses(usage: string = USAGE): Synopsis[] {
  const entries = usage.match(/^ {2}sealdir [a-z].*(?:\n {8,}\S.*)*/gm) ?? [];
  return entries.map(synopsisOf);
}

function synopsisOf(entry: string): Synopsis {
  const [first = '', ...rest] = entry.split('\n');
  const [, head = first, doc] = /^(.*?[\])A-Z.]) {2,}([^\s[(].*)$/.exec(first) ?? [];
  const isDoc = (line: string) => line.search(/\S/) >= DOC_COLUMN;
  const words = [head, ...rest.filter((line) => !isDoc(line))].join(' ').replace(/ +/g, ' ').trim();
  const [, name = '', line = ''] = /^sealdir ((?:[a-z-]+ )*[a-z-]+)\b ?(.*)$/.exec(words) ?? [];
  const options = [...line.matchAll(OPTION)].map(([, option = '']) => option);
  const operands = line.replaceAll(OPTION, '').match(/[A-Z]+/g) ?? [];
  const about = [doc, ...rest.filter(isDoc).map((each) => each.trim())].filter(Boolean).join(' ');
  return { name, line, doc: about, options, operands: [...new Set(operands)] };
}
