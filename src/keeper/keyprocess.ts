/**
 * The process of the keeper: one for the whole server, which no delivery waits for. It looks at all keys at
 * its start and every hour, and at some when inotify tells of them. It ends with its server.
 */
import { type FSWatcher, statSync, watch } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { addressRules } from '../config/rules.ts';
import type { Settings } from '../config/settings.ts';
import type { EventOf, Say } from '../core/events.ts';
import { UNMETERED } from '../core/meter.ts';
import { giveWay } from '../edge/giveway.ts';
import { lockDescriptor } from '../edge/lock.ts';
import { realWorld } from '../edge/world.ts';
import { deliveryParts, openSite } from '../opensite.ts';
import { judgingRulesOf, pathsOf } from '../site.ts';
import { Courier } from './courier.ts';
import { Inbox } from './inbox.ts';
import { Keeper } from './keeper.ts';
import type { FromKeeper, ToKeeper } from './messages.ts';
import { Rounds } from './rounds.ts';

const HOUR_MS = 60 * 60 * 1000;
/** How soon it is noticed that the path of the key directory leads to another one. */
const REPLACED_MS = 5000;
const LIFE_SIGN_MS = 60_000;
/** How long a state directory that cannot be used is left alone; it is told of once a day. */
const RETRY_MS = 60_000;
const END_WITHIN_MS = 4000;

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
giveWay();
const ending = new AbortController();
process.once('disconnect', () => ending.abort());
const inbox = new Inbox();
process.on('message', (message: ToKeeper) => {
  if (message === 'stop') ending.abort();
  else if (message === 'read all' || 'used' in message) inbox.put(message);
  else void keep(message).finally(() => process.connected && process.disconnect());
});

function tell(message: FromKeeper): void {
  if (process.connected) process.send?.(message);
}

const say: Say = (level, event, detail) => tell({ say: { level, event, detail } });

async function keep(settings: Settings): Promise<void> {
  const lifeSigns = setInterval(() => tell('alive'), LIFE_SIGN_MS);
  const keeper = await openKeeper(settings);
  if (keeper !== undefined) await watchOver(keeper, pathsOf(settings).keys);
  clearInterval(lifeSigns);
  // what hangs must not outlive its server
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), END_WITHIN_MS).unref();
}

/** Waits until it can be opened. Undefined if it is to end first. */
async function openKeeper(settings: Settings): Promise<Keeper | undefined> {
  const world = realWorld(settings.hostname);
  const fault = (event: EventOf<'error'>, error: unknown) =>
    say('error', event, { error: (error as Error).message });
  // a message that is sent again is not recognised here: nobody sends one
  const own = { ...settings, store: { ...settings.store, duplicates: 0 } };
  const outcomeLog = { outcome() {}, fault };
  const site = openSite(own, { world, meter: UNMETERED, outcomeLog, state: undefined, lock: lockDescriptor });
  const parts = deliveryParts(own, site);
  ending.signal.addEventListener('abort', () => {
    void parts.addressing.recipients.close?.().catch(() => {});
    site.close();
  });
  const { keys, keyState } = pathsOf(settings);
  const open = () =>
    Keeper.open({
      directory: keys,
      state: keyState,
      same: addressRules(settings),
      rules: judgingRulesOf(settings),
      host: settings.hostname,
      tellsEndings: settings.notices.expiry,
      courier: new Courier(settings, parts),
      world,
      lock: lockDescriptor,
      say,
    });
  for (let tries = 0; !ending.signal.aborted; tries++) {
    try {
      return open();
    } catch (error) {
      if ((tries * RETRY_MS) % (24 * HOUR_MS) === 0)
        fault('keys.state: changes of keys are not noticed, and nobody is told of them', error);
      await pause(RETRY_MS, undefined, { signal: ending.signal }).catch(() => {});
    }
  }
  return undefined;
}

async function watchOver(keeper: Keeper, directory: string): Promise<void> {
  const rounds = new Rounds(keeper, realWorld(''), {
    say,
    told: (figures) => tell({ figures }),
    taken: (n) => tell({ taken: n }),
    looked: () => rewatch(),
  });
  inbox.open(rounds);
  let watcher: FSWatcher | undefined;
  let watched: string | undefined;
  // made anew at each look, since the path may lead to another directory by then
  const rewatch = () => {
    watcher?.close();
    watched = placeOf(directory);
    try {
      watcher = watch(directory, (_, name) => (name === null ? rounds.askForAll() : rounds.askFor(name)));
      watcher.on('error', () => watcher?.close());
    } catch {
      watcher = undefined; // there are no more watches: the look of every hour has to do
    }
  };
  const hourly = setInterval(() => rounds.askForAll(), HOUR_MS);
  const often = setInterval(() => {
    if (placeOf(directory) !== watched) rounds.askForAll();
  }, REPLACED_MS);
  ending.signal.addEventListener('abort', () => rounds.stop());
  if (!ending.signal.aborted) await rounds.run();
  for (const timer of [hourly, often]) clearInterval(timer);
  watcher?.close();
  await rounds.finish().catch((error: Error) => say('error', 'keeper', { error: error.message }));
  keeper.close();
}

/** Tells which directory a path leads to: another may be mounted there, or moved to its place. */
function placeOf(directory: string): string | undefined {
  try {
    const { dev, ino } = statSync(directory);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
