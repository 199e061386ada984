/**
 * Writes the manual pages sealdir(1) and sealdir.toml(5), from the tables of commands, options, exit codes
 * and settings. Not used at run time.
 */
import { describedSettings } from '../config/example.ts';
import { CHECK_EXIT, EXIT } from './errors.ts';
import { OPTIONS, synopses } from './synopsis.ts';

const EXIT_WORDS: Readonly<Record<keyof typeof EXIT, string>> = {
  usage: 'The command line makes no sense.',
  data: 'The message or the key makes no sense.',
  noInput: 'A file cannot be read.',
  noUser: 'There is no such recipient.',
  software: 'An internal error.',
  ioError: 'Standard output cannot be written.',
  tempFail: 'Try again later.',
  config: 'The configuration cannot be read or makes no sense.',
  interrupted: 'Ended by Ctrl-C.',
};

const CHECK_WORDS: Readonly<Record<keyof typeof CHECK_EXIT, string>> = {
  clean: 'nothing',
  warnings: 'warnings only',
  errors: 'errors',
};

export function commandManual(version: string): string {
  const commands = synopses();
  return page('SEALDIR', 1, version, [
    section('NAME', 'sealdir \\- LMTP delivery agent with an encrypted Maildir store\n'),
    section(
      'SYNOPSIS',
      ...commands.map(({ name, line }) => `${bold(`sealdir ${name}`)}\n${text(line)}\n.br\n`),
      `${bold('sealdir --version')}\n`,
    ),
    section(
      'DESCRIPTION',
      prose(
        "Sealdir takes mail from a mail server over LMTP, encrypts each recipient's copy with that recipient's " +
          'OpenPGP key while it arrives, and stores it in a Maildir as an ordinary PGP/MIME message. The server ' +
          'holds public keys only.',
      ),
      paragraph('SIGHUP makes a server read its configuration and keys again; SIGTERM ends it.'),
    ),
    section('COMMANDS', ...commands.map(({ name, doc }) => item(`sealdir ${name}`, sentence(doc)))),
    section(
      'OPTIONS',
      ...Object.entries(OPTIONS).map(([option, { long, value, doc }]) => {
        const names = option === long ? long : `${option}, ${long}`;
        const users = commands.filter(({ options }) => options.includes(option)).map(({ name }) => name);
        return item(value === undefined ? names : `${names} ${value}`, `${doc} (${users.join(', ')})`);
      }),
    ),
    section(
      'EXIT STATUS',
      item('0', 'Done.'),
      ...Object.entries(EXIT).map(([why, code]) => item(String(code), EXIT_WORDS[why as keyof typeof EXIT])),
      paragraph(`What "sealdir check" found has codes of its own: ${checkCodes()}.`),
    ),
    section(
      'FILES',
      item('/etc/sealdir/sealdir.toml', 'The configuration, where -c names no other.'),
      item('/etc/sealdir/keys', 'The public keys, one file for each recipient.'),
      item('/var/lib/sealdir', 'What is remembered about keys.'),
      item('/run/sealdir', 'The socket, and the memory of recent deliveries.'),
      item('/var/mail/sealdir', 'The mailboxes.'),
    ),
    section('SEE ALSO', '.BR sealdir.toml (5),\n.BR gpg (1)\n'),
  ]);
}

export function settingsManual(version: string): string {
  let current = '';
  const settings = describedSettings().map(({ section: name, key, type, written, doc }) => {
    const heading = name === current ? '' : `.SS ${quoted(`[${name}]`)}\n`;
    current = name;
    return `${heading}${item(key, doc)}.IP\n${text(`Type: ${type}. Default: ${written}.`)}\n`;
  });
  return page('SEALDIR.TOML', 5, version, [
    section('NAME', 'sealdir.toml \\- configuration of Sealdir\n'),
    section(
      'DESCRIPTION',
      prose(
        'The configuration is TOML. Every setting has a default, and an unknown one is an error. "sealdir check" ' +
          'says what is wrong with the file. A running server reads it again on SIGHUP; if it is bad then, the ' +
          'settings stay as they were.',
      ),
    ),
    section('SETTINGS', ...settings),
    section('FILES', item('/etc/sealdir/sealdir.toml', 'The configuration, where no other is named.')),
    section('SEE ALSO', '.BR sealdir (1)\n'),
  ]);
}

function checkCodes(): string {
  return Object.entries(CHECK_EXIT)
    .map(([what, code]) => `${code} ${CHECK_WORDS[what as keyof typeof CHECK_EXIT]}`)
    .join(', ');
}

// Lines of any length are broken where there are blanks, and no word is stretched or cut.
function page(title: string, number: number, version: string, sections: readonly string[]): string {
  const head = `.TH ${title} ${number} "" "sealdir ${version}" "Sealdir"\n.ad l\n.nh\n`;
  return `.\\" Generated from the tables of the program: npm run documents\n${head}${sections.join('')}`;
}

function section(name: string, ...parts: readonly string[]): string {
  return `.SH ${name}\n${parts.join('')}`;
}

/** The first paragraph of a section has no `.PP`. */
function prose(words: string): string {
  return `${text(words)}\n`;
}

function paragraph(words: string): string {
  return `.PP\n${prose(words)}`;
}

function item(term: string, words: string): string {
  return `.TP\n${bold(term)}\n${text(words)}\n`;
}

function bold(words: string): string {
  return `.B ${quoted(words)}`;
}

function quoted(words: string): string {
  return `"${text(words).replaceAll('"', '\\(dq')}"`;
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

/** Writes text so that no character of it is a request, a macro or a typographic sign. */
function text(words: string): string {
  return words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll(/\S{50,}/g, (word) => word.replaceAll(/[/?]+/g, '$&\\:')) // may be broken there
    .replace(/^\./, '\\&.');
}
