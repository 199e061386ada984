/**
 * What the completions of bash, zsh and fish have in common. Like the manual page they are made from the
 * table of synopsis.ts. Not used at run time.
 */
import { synopses } from './synopsis.ts';

export const KEYS = '/etc/sealdir/keys';

export type Kind = 'file' | 'directory' | 'address' | 'word';

/** What may stand where usage.ts says FILE, DIR, and so on. */
export function kindOf(name: string): Kind {
  if (/^(KEYFILE|SECRETKEY|MAILLOG|FILE|F)$/.test(name)) return 'file';
  if (name === 'DIR') return 'directory';
  return /^(ADDRESS|RECIPIENT)$/.test(name) ? 'address' : 'word';
}

/** First words, and second ones of those that have any. */
export function words(): {
  readonly first: readonly string[];
  readonly second: ReadonlyMap<string, string[]>;
} {
  const second = new Map<string, string[]>();
  for (const { name } of synopses()) {
    const [group = '', word] = name.split(' ');
    if (word !== undefined) second.set(group, [...(second.get(group) ?? []), word]);
  }
  const first = [...new Set(synopses().map(({ name }) => name.split(' ')[0] ?? ''))];
  return { first: [...first, '--version', '--help'], second };
}

export const HEAD = '# Generated from the commands of the program: npm run documents\n';
