/**
 * Reads the configuration again while the server runs. Settings that can change are used from then on, the
 * log names those that need a restart, and a bad configuration changes nothing: the log names its mistakes
 * with file and line, and /metrics shows it until a good one has been read.
 */
import { changeOf } from '../config/change.ts';
import { combinationProblems } from '../config/combinations.ts';
import { formatError, type Loaded } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import type { Log } from '../edge/log.ts';
import { pathsOf, trySource } from '../site.ts';
import type { Running } from './serve.ts';
import { blamingSetting, mustBeDirectory } from './starterror.ts';

export interface ReloadParts {
  readonly log: Log;
  readonly running: Pick<Running, 'reload' | 'noteReload' | 'certificates'>;
  /** Reads the configuration. */
  load(): Promise<Loaded>;
}

/**
 * Returns what to call for each SIGHUP; reloads run one after the other. `settings`: those the server was
 * started with.
 */
export function createReload({ log, running, load }: ReloadParts, settings: Settings): () => Promise<void> {
  let current = settings;
  const refuse = (errors: readonly string[]) => {
    running.noteReload('refused');
    log.error('configuration refused, the running one stays', { errors });
  };
  const reload = async () => {
    const loaded = await load();
    if (!loaded.ok) return refuse(loaded.errors.map(formatError));
    const { settings: next, taken, waiting } = changeOf(current, loaded.settings);
    const problems = combinationProblems(next); // with settings that need a restart as they were
    if (problems.length > 0) return refuse(problems.map(({ message }) => message));
    const { keys, wkd } = pathsOf(next);
    mustBeDirectory('keys.directory', keys);
    if (wkd !== undefined) mustBeDirectory('keys.wkd_directory', wkd);
    await blamingSetting('recipients.source', trySource(next));
    await running.certificates.follow(next);
    running.reload(next);
    current = next;
    running.noteReload('taken');
    if (waiting.length > 0) log.warn('changed settings need a restart', { settings: waiting });
    log.info('configuration and keys reloaded', { changed: taken });
    log.setLevel(next.log.level);
  };
  let last = Promise.resolve();
  return () => {
    last = last.then(reload).catch((error: unknown) => refuse([(error as Error).message]));
    return last;
  };
}
