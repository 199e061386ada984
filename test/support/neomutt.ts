// NeoMutt on a terminal (tmux), which reads a mailbox over IMAP and decrypts with the keys of a GnuPG home. A
// test presses keys and reads the screen, as a user does.

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTerminal } from './terminal.ts';

/** HTML is shown by a program of the user's. */
const MAILCAP = `text/html; sed 's/<[^>]*>//g' %s; copiousoutput\n`;

export interface NeoMuttOptions {
  readonly address: string;
  readonly password: string;
  readonly hostname: string;
  readonly port: number;
  readonly gnupgHome: string;
  /** The file of an authority: TLS from the start. Without it there is none. */
  readonly authority?: string;
}

export interface NeoMutt {
  /** The list of messages, as it is on the screen. */
  index(): Promise<string>;
  /** Shows a message, and returns to the list. `last` is what its text ends with. */
  show(n: number, last: RegExp): Promise<string>;
  /** Saves the last attachment of a message. */
  save(n: number): Promise<Buffer>;
  /** Shows to whom an answer to all would go. */
  answerAll(n: number): Promise<string>;
  /** Answers a message. Returns what it shows before it is sent, and the message as it would be sent. */
  reply(n: number): Promise<{ readonly screen: string; readonly sent: Buffer }>;
  close(): Promise<void>;
}

export async function openNeoMutt(options: NeoMuttOptions): Promise<NeoMutt> {
  const { address, password, hostname, port, gnupgHome, authority } = options;
  const directory = await mkdtemp(join(tmpdir(), 'neomutt-'));
  const at = (name: string) => join(directory, name);
  await mkdir(at('home'));
  await writeFile(at('mailcap'), MAILCAP);
  await writeFile(at('send'), `#!/bin/sh\nexec cat >'${at('sent')}'\n`, { mode: 0o755 });
  const set = {
    folder: `imap${authority === undefined ? '' : 's'}://${hostname}:${port}/`,
    spoolfile: '+INBOX',
    ...{ imap_user: address, imap_pass: password, from: address, realname: 'Alice' },
    ...(authority === undefined
      ? { ssl_force_tls: 'no', ssl_starttls: 'no' }
      : { ssl_ca_certificates_file: authority, certificate_file: '' }),
    ...{
      mailcap_path: at('mailcap'),
      sendmail: at('send'),
      editor: 'true',
      abort_unmodified: 'no',
      postpone: 'no',
    },
    ...{ record: '', include: 'yes', fast_reply: 'yes', wait_key: 'no', sleep_time: '0', quit: 'yes' },
    ...{ crypt_use_gpgme: 'yes', crypt_protected_headers_read: 'yes', crypt_protected_headers_write: 'yes' },
    ...{ crypt_replyencrypt: 'yes', crypt_replysign: 'no', crypt_replysignencrypted: 'no' },
    ...{
      sort: 'threads',
      sort_aux: 'mailbox-order',
      uncollapse_new: 'no',
      hide_thread_subject: 'no',
      mark_old: 'no',
      confirmappend: 'no',
    },
    ...{ index_format: '%2C %Z %-15.15L %s', header_cache: '', message_cachedir: '', charset: 'utf-8' },
  };
  const lines = Object.entries(set).map(([name, value]) => `set ${name}="${value}"\n`);
  const more = 'auto_view text/html\nignore *\nunignore from to subject\nalternative_order text/plain\n';
  await writeFile(at('rc'), `${lines.join('')}${more}`);
  const terminal = await openTerminal({ cwd: directory, columns: 120 });
  const env = `HOME='${at('home')}' GNUPGHOME='${gnupgHome}' LC_ALL=C.UTF-8`;
  await terminal.type(`env ${env} neomutt -n -F '${at('rc')}'`);
  await terminal.press('Enter');
  /** Moves to a message of the list. */
  const goTo = async (n: number) => {
    await terminal.type(String(n));
    await terminal.shows(/Jump to message: \d+$/m);
    await terminal.press('Enter');
  };
  const list = () => terminal.shows(/^-.-NeoMutt: [^\n]*INBOX/m);
  return {
    index: list,
    async show(n, last) {
      await list();
      await goTo(n);
      await terminal.press('Enter');
      const screen = await terminal.shows(last);
      await terminal.type('q');
      await list();
      return screen;
    },
    async save(n) {
      await goTo(n);
      await terminal.type('v');
      await terminal.shows(/^Attachments$/m);
      await terminal.type('*s');
      await terminal.shows(/^Save to file: /m);
      await terminal.press('C-u');
      await terminal.type(at('saved'));
      await terminal.press('Enter');
      await terminal.shows(/Attachment saved/);
      await terminal.type('q');
      await list();
      return readFile(at('saved'));
    },
    async answerAll(n) {
      await goTo(n);
      await terminal.type('g');
      const screen = await terminal.shows(/-- NeoMutt: Compose/);
      await terminal.type('q');
      await list();
      return screen;
    },
    async reply(n) {
      await goTo(n);
      await terminal.type('r');
      const screen = await terminal.shows(/-- NeoMutt: Compose/);
      await terminal.type('y');
      await terminal.shows(/Mail sent/);
      return { screen, sent: await readFile(at('sent')) };
    },
    async close() {
      await terminal.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
