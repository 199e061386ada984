// Documentation of the settings, written by the table in settings.ts: the example file and the README table.
// In the example file "# text" explains, and "#name = value" is a setting at its default: take away the one
// character to change it. Section headers are live, so that a setting cannot slip into the wrong section.

import { type Context, defaultOf, entries, isFromMachine, type Setting, splitPath } from './settings.ts';

/** The machine of the example file. */
export const EXAMPLE_MACHINE: Context = { hostname: 'mx.example.com' };

const MAX_COLUMNS = 100;

const HEAD = `\
# Sealdir: every setting, each at its default. Remove the "#" before a name to change its value.
# "sealdir check" tells what is wrong with this file.
`;

/** The text of config/sealdir.toml.example. */
export function exampleToml(): string {
  let text = HEAD;
  let current = '';
  for (const [path, setting] of entries) {
    const [section, key] = splitPath(path);
    if (section !== current) text += `\n[${section}]\n`;
    current = section;
    text += `\n${comment(docOf(setting))}${comment(typeSentence(setting))}`;
    text += `#${key} = ${literal(setting)}\n`;
  }
  return text;
}

/** A Markdown table of all settings, for README.md. */
export function settingsMarkdown(): string {
  const rows = entries.map(([path, setting]) => {
    const value = isFromMachine(setting.default) ? "the machine's" : code(literal(setting));
    return `| ${code(path)} | ${cell(typeOf(setting))} | ${value} | ${cell(docOf(setting))} |\n`;
  });
  return `| setting | type | default | what it does |\n|---|---|---|---|\n${rows.join('')}`;
}

function docOf({ doc, restart }: Setting): string {
  return restart ? `${doc} A change needs a restart.` : doc;
}

function typeOf({ kind }: Setting): string {
  return kind.unit === undefined ? kind.name : `${kind.name} (${kind.unit})`;
}

function typeSentence(setting: Setting): string {
  const origin = isFromMachine(setting.default)
    ? ` Default: the ${setting.default.machine} of the machine.`
    : '';
  return `Type: ${typeOf(setting)}.${origin}`;
}

/** Strings and arrays of strings are the same in JSON and TOML as long as they are plain text. */
function literal(setting: Setting): string {
  return JSON.stringify(defaultOf(setting, EXAMPLE_MACHINE));
}

function comment(text: string): string {
  let lines = '';
  let line = '#';
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > MAX_COLUMNS) {
      lines += `${line}\n`;
      line = '#';
    }
    line += ` ${word}`;
  }
  return `${lines}${line}\n`;
}

function code(text: string): string {
  return `\`${cell(text)}\``;
}

// GitHub takes <address> for a tag and | for the end of the cell.
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
