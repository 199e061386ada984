// Writes the documentation of the settings from the table in settings.ts: the example file and the README
// table. In the example file "# text" explains, and "#name = value" is a setting at its default: remove the
// "#" to change it. Section headers are not commented out, so that no setting ends up in the wrong section.

import { defaultOf, entries, isFromMachine, splitPath } from './paths.ts';
import type { Context, Setting } from './setting.ts';

/** The machine that the example file is written for. */
export const EXAMPLE_MACHINE: Context = { hostname: 'mx.example.com' };

const MAX_COLUMNS = 100;

const HEAD = `\
# Sealdir: every setting, each at its default. Remove the "#" before a name to change its value.
# "sealdir check" says what is wrong with this file.
`;

/** Returns the text of config/sealdir.toml.example. */
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

/** Returns a Markdown table of all settings, for README.md. */
export function settingsMarkdown(): string {
  const rows = entries.map(([path, setting]) => {
    const value = isFromMachine(setting.default) ? "the machine's" : code(literal(setting));
    return `| ${code(path)} | ${cell(typeOf(setting))} | ${value} | ${cell(docOf(setting))} |\n`;
  });
  return `| setting | type | default | what it does |\n|---|---|---|---|\n${rows.join('')}`;
}

export interface DescribedSetting {
  readonly section: string;
  readonly key: string;
  readonly type: string;
  /** The default as in a file, or where it comes from. */
  readonly written: string;
  readonly doc: string;
}

/** Lists all settings, for the manual page. */
export function describedSettings(): DescribedSetting[] {
  return entries.map(([path, setting]) => {
    const [section, key] = splitPath(path);
    const written = isFromMachine(setting.default) ? "the machine's" : literal(setting);
    return { section, key, type: typeOf(setting), written, doc: docOf(setting) };
  });
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

/** Writes a default as TOML. Plain strings, numbers and arrays of them look the same in JSON. */
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

// GitHub reads <address> as a tag and | as the end of the cell.
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
