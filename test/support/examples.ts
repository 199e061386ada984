// The examples of configuration in README.md.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSettings } from '../../src/config/load.ts';
import type { Settings } from '../../src/config/settings.ts';
import { repositoryRoot } from './shared.ts';

/** Returns the blocks of TOML. */
export function examples(): string[] {
  const readme = readFileSync(join(repositoryRoot(), 'README.md'), 'utf8');
  return [...readme.matchAll(/^```toml\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);
}

/** Returns the settings of the only example with these words. */
export function exampleWith(words: string): Settings {
  const found = examples().filter((text) => text.includes(words));
  if (found.length !== 1) throw new Error(`${found.length} examples with ${words}`);
  const loaded = parseSettings(found[0] ?? '', 'README.md', { hostname: 'mx.example.com' });
  if (!loaded.ok) throw new Error(loaded.errors.map(({ message }) => message).join('\n'));
  return loaded.settings;
}
