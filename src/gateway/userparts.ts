/** Settings -> what the sessions of one user work with. Opens nothing. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { headerPolicyRule } from '../config/rules.ts';
import type { Settings } from '../config/settings.ts';
import { pathSegment } from '../core/address.ts';
import { within } from '../core/deadline.ts';
import type { World } from '../core/world.ts';
import { Derivations } from '../custody/kdf.ts';
import { placeOf } from '../custody/place.ts';
import { buildOf } from '../edge/build.ts';
import { keyRulesOf, keySourceOf, pathsOf } from '../site.ts';
import { type Account, sealingAccount } from './account.ts';
import { KEEPALIVE_MS } from './connection.ts';
import type { Counts } from './counts.ts';
import { CACHE_LIMITS, type Caches, newCaches } from './mailbox.ts';
import { Remembered, type RememberedParts } from './remembered.ts';
import type { UnlockedParts, UpstreamLogin } from './unlocked.ts';
import { Unlocking } from './unlocking.ts';
import type { UserSettings } from './usersettings.ts';

export interface UserParts {
  readonly unlocking: Unlocking;
  readonly session: Omit<UnlockedParts, 'account' | 'prefix' | 'login'>;
  login(account: Account, password: Buffer): Promise<UpstreamLogin>;
}

const SETTLE_MS = 1000;
/** What is written to clients has so many times the bytes of the largest message, as what they store has. */
const MOST_HELD = 2;
/** Of one user at a time; the front has the limit for all. */
const DERIVATIONS = { atOnce: 1, waiting: 8, patienceMs: 20_000 };

export function userParts(
  address: string,
  settings: UserSettings,
  world: World,
  complain: UnlockedParts['complain'],
  counts: Counts,
): UserParts {
  const { gateway, lmtp, store } = settings;
  const rules = { rules: keyRulesOf(settings, world), world };
  const keys = keySourceOf(settings, world);
  const { metadataBytes } = CACHE_LIMITS;
  const [openedBytes, heldBytes] = [gateway.cache_size, MOST_HELD * gateway.max_message_size];
  const caches: Caches = newCaches({ openedBytes, metadataBytes, heldBytes }, counts, buildOf().version);
  const unlocking = new Unlocking({
    ...rules,
    place: placeOf(pathsOf(settings).gateway, address),
    derivations: new Derivations(DERIVATIONS),
    ...(gateway.without_key === 'seal' && {
      withoutKey: () => sealingAccount(() => keys.keysOf({ address }), rules),
    }),
  });
  return {
    unlocking,
    session: {
      caches,
      appending: {
        headerPolicy: headerPolicyRule(settings)({ address }),
        maxHeaderBytes: lmtp.max_header_size,
        keepsEncrypted: store.encrypted === 'keep',
        world,
      },
      mostMessageBytes: gateway.max_message_size,
      connect: () => connectTo(gateway.upstream),
      complain,
    },
    async login({ opener, upstream, cacheKey }, password) {
      if (cacheKey !== undefined && gateway.cache_directory !== '') {
        const path = rememberedPath(settings, address);
        caches.ready ??= remember(caches, { path, key: cacheKey, complain });
      }
      if (opener === undefined) return { user: address, password: Buffer.from(password), isTheirs: true };
      if (gateway.upstream_password_file === '')
        return { user: address, password: Buffer.from(upstream ?? '') };
      return { user: address, as: gateway.upstream_user, password: await masterPassword(settings) };
    },
  };
}

/** Without the directory, or with anything else in the way, nothing is remembered. */
async function remember(
  caches: Caches,
  { complain, ...parts }: Pick<RememberedParts, 'path' | 'key'> & Pick<UnlockedParts, 'complain'>,
): Promise<void> {
  const cannot = (error: unknown) => complain('cache', error);
  const { metadataBytes: most } = CACHE_LIMITS;
  try {
    const remembered = await Remembered.open({ ...parts, most, complain: cannot }, (key, metadata) =>
      caches.metadata.set(key, metadata),
    );
    caches.remember = (key, metadata) => remembered.add(key, metadata);
    caches.settle = () => within(remembered.flush(), SETTLE_MS);
  } catch (error) {
    cannot(error);
  }
}

function rememberedPath({ gateway }: UserSettings, address: string): string {
  return join(resolve(gateway.cache_directory), pathSegment(address));
}

/** Connects to the server behind. Rejects as the network does. */
export async function connectTo(upstream: Settings['gateway']['upstream']): Promise<Socket> {
  if (upstream === undefined) throw new Error('gateway.upstream is not set');
  const socket =
    upstream.type === 'unix' ? connect(upstream.path) : connect(upstream.port, upstream.host).setNoDelay();
  await once(socket, 'connect');
  return socket.setKeepAlive(true, KEEPALIVE_MS);
}

/** Read with each login, so that it can be changed. */
async function masterPassword({ gateway }: UserSettings): Promise<Buffer> {
  const bytes = await readFile(resolve(gateway.upstream_password_file));
  const end = bytes.indexOf('\n');
  const line = Buffer.from(end === -1 ? bytes : bytes.subarray(0, end));
  bytes.fill(0);
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
}
