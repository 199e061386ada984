/**
 * The process that seals what clients put into folders: one for the whole server, which no delivery waits
 * for. It ends with its server.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Settings } from '../config/settings.ts';
import type { Say } from '../core/events.ts';
import { giveWay } from '../edge/giveway.ts';
import { realWorld } from '../edge/world.ts';
import { Lookup } from '../lookup.ts';
import { pathsOf } from '../site.ts';
import { whyNotKept } from '../stored/dovecot.ts';
import { Guard } from './guard.ts';
import { Mark } from './mark.ts';
import type { FromFolders, ToFolders } from './messages.ts';

/** What hangs must not outlive its server. */
const END_WITHIN_MS = 2000;

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
const ending = new AbortController();
process.once('disconnect', () => ending.abort());
ending.signal.addEventListener('abort', () => {
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), END_WITHIN_MS).unref();
});
process.on('message', (message: ToFolders) => {
  if (message === 'stop') ending.abort();
  else void seal(message).finally(() => process.connected && process.disconnect());
});

function tell(message: FromFolders): void {
  if (process.connected) process.send?.(message);
}

const say: Say = (level, event, detail) => tell({ say: { level, event, detail } });

async function seal(settings: Settings): Promise<void> {
  giveWay();
  const { seal_index: index } = settings.store;
  const why = await whyNotKept(index);
  if (why !== undefined) {
    say('error', 'store.seal_folders', { error: `nothing is sealed in folders: ${why}` });
    return untilEnded();
  }
  const world = realWorld(settings.hostname);
  const lookup = new Lookup(settings, world);
  const { keyState } = pathsOf(settings);
  const mark = new Mark(keyState, settings.store.seal_folders);
  const note = (figures: { sealed: number; failed: number; left: number }) => tell({ figures });
  try {
    await new Guard({ settings, world, lookup, mark, say, note, ended: ending.signal }).run();
  } catch (error) {
    say('error', 'store.seal_folders', { error: (error as Error).message });
    process.exitCode = 1; // it is started again
  } finally {
    await lookup.close().catch(() => {});
  }
}

async function untilEnded(): Promise<void> {
  await pause(2 ** 31 - 1, undefined, { signal: ending.signal }).catch(() => {});
}
