/** The store of others (`store.forward`): whether it is there, speaks LMTP, and takes what we take. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { isExposed } from '../core/nexthop.ts';
import type { HopConnection } from '../forward/connection.ts';
import { openConnection } from '../forward/opening.ts';
import { error, type Finding, warning } from './finding.ts';

/** Bytes of a sealed copy for each byte of a message: base64, and CRLF after every 64 characters. */
const SEALED_GROWTH = (4 / 3) * (66 / 64);

/** Connects as a delivery does, and leaves. */
export async function checkForward(settings: Settings): Promise<Finding[]> {
  const { forward: hop } = settings.store;
  if (hop === undefined) return [];
  try {
    const connection = await connectionOf(settings, hop);
    connection.close();
    return checkSize(connection, settings);
  } catch (fault) {
    const what = `store.forward: ${hop.text}: ${(fault as Error).message}`;
    return [error('forward-unreachable', what, 'start it, or mend the settings store.forward*')];
  }
}

/** Says whether all mail goes there, so that there is no store to be looked at. */
export function isForwarding({ store }: Settings): boolean {
  return store.forward !== undefined;
}

async function connectionOf(
  { hostname: host, store }: Settings,
  hop: NonNullable<Settings['store']['forward']>,
): Promise<HopConnection> {
  const { forward_ca_file: file, forward_plain_beyond_loopback: isPlain } = store;
  const ca = file === '' ? undefined : readFileSync(resolve(file), 'utf8');
  return openConnection({ hop, host, ca, needsTls: isExposed(hop) && !isPlain });
}

function checkSize({ offers }: HopConnection, { lmtp }: Settings): Finding[] {
  const { size = 0 } = offers;
  if (size === 0 || size >= lmtp.max_message_size * SEALED_GROWTH) return [];
  const fits = Math.floor(size / SEALED_GROWTH / 1024 ** 2);
  const what = `store.forward: the next hop takes ${size} bytes, and a sealed message is a third larger`;
  return [
    warning(
      'forward-size',
      what,
      `raise its limit, or set lmtp.max_message_size = "${Math.max(fits, 1)}MiB"`,
    ),
  ];
}
