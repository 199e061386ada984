/** The key directory and its files: whether Sealdir can read them, and who may replace a key. */
import { constants, readdirSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { pathsOf } from '../site.ts';
import { error, type Finding, quoted } from './finding.ts';
import { lookAtLink, troubleWithDirectory, troubleWithUse } from './look.ts';
import { type Gap, Trail } from './trail.ts';
import { trustedUsers } from './trusted.ts';

const SHOWN = 3;
/** A command with more names is none to paste. */
const MOST_NAMES = 50;

/** Returns why no key can be looked up at all, as a finding. */
export function checkKeyDirectory(settings: Settings): Finding[] {
  return checkReadable('keys.directory', pathsOf(settings).keys);
}

export function checkReadable(setting: string, path: string): Finding[] {
  const trouble = troubleWithDirectory(path);
  if (trouble !== undefined) {
    const { isMissing, closed } = trouble;
    const opening =
      closed === undefined ? 'set it to a directory' : { command: `chmod a+x ${quoted(closed)}` };
    const fix = isMissing ? { command: `mkdir -p -m 755 ${quoted(path)}` } : opening;
    return [error('keys-missing', `${setting}: ${path} ${trouble.why}`, fix)];
  }
  const closed = troubleWithUse(path, constants.R_OK | constants.X_OK);
  if (closed === undefined) return [];
  return [
    error('keys-closed', `${setting}: ${path} ${closed.why}`, { command: `chmod a+rx ${quoted(path)}` }),
  ];
}

/**
 * Finds who may put a key of their own in the place of another: mail for its owner is then theirs to read.
 */
export function checkKeyReplacement(settings: Settings, mostFiles: number): Finding[] {
  const directory = pathsOf(settings).keys;
  const trusted = new Set(trustedUsers(settings));
  const trail = new Trail(trusted);
  const gaps = trail.gaps(directory);
  const names = namesIn(directory).slice(0, mostFiles);
  const inFiles = names.flatMap((name) => {
    const path = join(directory, name);
    const stats = lookAtLink(path);
    return 'why' in stats || isSafe(stats, trusted) ? [] : trail.gaps(path);
  });
  return [...gaps.map((gap) => replacementFinding('keys.directory', gap)), ...fileFindings(inFiles)];
}

/** Spares the usual file its way from the root. */
function isSafe(stats: Stats, trusted: ReadonlySet<number>): boolean {
  return !stats.isSymbolicLink() && (stats.mode & 0o022) === 0 && trusted.has(stats.uid);
}

/** Says that the people of a gap may put keys of their own into a directory of the setting. */
export function replacementFinding(setting: string, { path, who, command }: Gap): Finding {
  const what = `${setting}: ${who} may put another key below ${path}`;
  return error('keys-open', what, { command: `${command} ${quoted(path)}` });
}

/** One finding for all files that the same people may exchange. */
function fileFindings(gaps: readonly Gap[]): Finding[] {
  const alike = new Map<string, Gap[]>();
  for (const gap of gaps) {
    const key = gap.who + gap.command;
    alike.set(key, [...(alike.get(key) ?? []), gap]);
  }
  return [...alike.values()].map((all) => {
    const paths = all.map(({ path }) => path);
    const shown = paths.slice(0, SHOWN);
    const more = all.length > SHOWN ? ` and ${all.length - SHOWN} more` : '';
    const what = `keys.directory: ${all[0]?.who} may exchange ${shown.join(', ')}${more}`;
    const command = `${all[0]?.command} ${paths.map(quoted).join(' ')}`;
    return error(
      'keys-open',
      what,
      paths.length <= MOST_NAMES ? { command } : `${all[0]?.command}, each of them`,
    );
  });
}

/** Returns the names of all files, or none if the directory cannot be listed. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => !name.startsWith('.'));
  } catch {
    return []; // checkKeyDirectory says so
  }
}
