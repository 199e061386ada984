/**
 * The maps that a mail server asks (`recipients.map_listen`): `recipients` has every address that exists,
 * `enrolled` those of them who have a key, be it usable or not: mail for them must come here and wait, and
 * go nowhere else in clear. Without the cache of a mail server, they know of a change as soon as a delivery
 * does.
 */
import type { Settings } from '../config/settings.ts';
import { within } from '../core/deadline.ts';
import type { InheritedSocket } from '../core/listener.ts';
import type { Log } from '../edge/log.ts';
import { createMapServer } from '../edge/mapserver.ts';
import { realWorld } from '../edge/world.ts';
import { Lookup } from '../lookup.ts';
import { openCalls } from '../opensite.ts';
import { listenAs } from './inherited.ts';
import { blamingSetting } from './starterror.ts';

/** The longest path (RFC 5321 §4.5.3.1.3). */
const MOST_KEY_BYTES = 254;

export interface Maps {
  reload(settings: Settings): void;
  close(): void;
}

/** Undefined where no map is wanted. The path of a Unix socket is ours already. Throws StartError. */
export async function openMaps(
  settings: Settings,
  log: Log,
  inherited: readonly InheritedSocket[],
): Promise<Maps | undefined> {
  const { map_listen: listen } = settings.recipients;
  if (listen.type === 'off') return undefined;
  const world = realWorld(settings.hostname);
  const run = openCalls(settings, world);
  let lookup = new Lookup(settings, world, { run });
  const { server, close } = createMapServer((map, key) =>
    answer(lookup, map, key, settings.lmtp.stall_timeout).catch((error: unknown) => {
      log.fault('recipients.map_listen', error);
      return 'TEMP the look-up failed';
    }),
  );
  await blamingSetting('recipients.map_listen', listenAs(listen, server, inherited, settings));
  server.on('error', (error) => log.fault('recipients.map_listen', error));
  const retire = (old: Lookup) => void old.close().catch((error: unknown) => log.fault('recipients', error));
  return {
    reload(fresh) {
      const old = lookup;
      lookup = new Lookup(fresh, world, { run }, old);
      if (lookup.sharesSourceWith(old)) return;
      // a look-up asks up to three times
      setTimeout(retire, 10 * fresh.recipients.timeout, old).unref();
    },
    close() {
      close();
      retire(lookup);
    },
  };
}

async function answer(lookup: Lookup, map: string, key: string, waitMs: number): Promise<string> {
  if (map !== 'recipients' && map !== 'enrolled') return 'PERM the maps are recipients and enrolled';
  // a mail server asks for domains and local parts too
  if (!key.includes('@') || Buffer.byteLength(key) > MOST_KEY_BYTES) return 'NOTFOUND ';
  const found = await within(find(lookup, map, key), waitMs);
  return found === 'late' ? 'TEMP the look-up took too long' : found;
}

async function find(lookup: Lookup, map: string, key: string): Promise<string> {
  const recipient = await lookup.recipient(key);
  if ('why' in recipient) return 'NOTFOUND ';
  if (map === 'recipients') return `OK ${recipient.address}`;
  return (await lookup.hasKey(recipient)) ? `OK ${recipient.address}` : 'NOTFOUND ';
}
