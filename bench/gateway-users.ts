// Logins beside a bare derivation, and the memory of many users with three sessions each.

import { setTimeout as pause } from 'node:timers/promises';
import { COST, Derivations, SALT_BYTES } from '../src/custody/kdf.ts';
import type { Bed } from './bed.ts';
import { BenchClient, LISTS } from './gateway-client.ts';
import { type Cost, costOf, rowOf, verdict } from './gateway-measure.ts';
import type { BenchUser, GatewayBed } from './gateway-site.ts';
import type { Part } from './part.ts';
import { memoryOf } from './proc.ts';
import { median, short } from './rate.ts';

const LOGIN_MS = 600;
const SESSIONS = 3;
const USERS = 100;
const MOST_GB = 3;
const ENDED_MS = 500;
/** V8 gives memory back when a process has had nothing to do for a while. */
const SETTLED_MS = 30_000;

export async function logins(bed: Bed, site: GatewayBed, user: BenchUser): Promise<Part> {
  const derivations = new Derivations();
  const kdf = { name: 'scrypt', ...COST, salt: Buffer.alloc(SALT_BYTES, 1) } as const;
  const [first, second, bare]: Cost[][] = [[], [], []];
  for (let round = 0; round < bed.pick(5, 25); round++) {
    bed.progress(`gateway: logins, round ${round + 1}`);
    const clients = [await BenchClient.connect(site.port), await BenchClient.connect(site.port)];
    for (const [n, client] of clients.entries())
      (n === 0 ? first : second)?.push(await costOf(site, () => client.login(user.address, user.password)));
    for (const client of clients) await client.logout();
    await pause(ENDED_MS);
    bare?.push(await costOf(site, () => derivations.derive(Buffer.from(`${round}`), kdf)));
  }
  const of = (all: readonly Cost[] = []) => median(all.map(({ wallMs }) => wallMs));
  const ratio = median((first ?? []).map(({ wallMs }, n) => wallMs / (bare?.[n]?.wallMs ?? Number.NaN)));
  return {
    tables: [
      {
        title: 'logins',
        rows: [
          rowOf('the first session of a user', first ?? []),
          rowOf('a second one', second ?? []),
          rowOf('bare scrypt, N = 2^17', bare ?? []),
        ],
      },
    ],
    bars: [{ label: 'login', value: of(first) / LOGIN_MS, atMost: 1 }],
    notes: [
      verdict('c. login', of(first), LOGIN_MS, 'ms'),
      `c. A first login takes ${short(ratio)} times as long as bare scrypt.`,
    ],
    leftOut: [],
  };
}

/** Each of `users` has a small mailbox, lists it in each session, and stays. */
export async function manyUsers(bed: Bed, site: GatewayBed, users: readonly BenchUser[]): Promise<Part> {
  const before = memoryOf(site.gateway.pid);
  const clients: BenchClient[] = [];
  for (const [n, { address, password }] of users.entries()) {
    bed.progress(`gateway: user ${n + 1} of ${users.length} logs in`);
    for (let session = 0; session < SESSIONS; session++) {
      const client = await BenchClient.connect(site.port);
      clients.push(client);
      await client.login(address, password);
      await client.select();
      await client.command(LISTS['ENVELOPE BODYSTRUCTURE']);
    }
  }
  const memory = () => {
    const { processes, rss, pss, own } = memoryOf(site.gateway.pid);
    // further users share what these share already
    const each = (own - before.own) / users.length;
    return { processes, rss, pss, each, total: pss + each * (USERS - users.length) };
  };
  const busy = memory();
  await pause(SETTLED_MS);
  const settled = memory();
  for (const client of clients) await client.logout();
  const row = (when: string, { processes, pss, rss, each, total }: typeof busy) => ({
    ...{ when, processes, 'PSS MiB': short(pss / 2 ** 20), 'RSS MiB': short(rss / 2 ** 20) },
    "a user's own, MiB": short(each / 2 ** 20),
    [`PSS of ${USERS}, MiB`]: short(total / 2 ** 20),
  });
  return {
    tables: [
      {
        title: `${users.length} users with ${SESSIONS} sessions each`,
        rows: [row('after the last list', busy), row(`after ${SETTLED_MS / 1000} s`, settled)],
      },
    ],
    bars: [{ label: `memory of ${USERS} users`, value: settled.total / (MOST_GB * 1e9), atMost: 1 }],
    notes: [
      verdict(`e. PSS of ${USERS} users with ${SESSIONS} sessions each`, settled.total / 1e9, MOST_GB, 'GB'),
    ],
    leftOut: [],
  };
}
