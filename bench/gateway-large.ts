// A message of 20 MB is read in parts; and other sessions are asked while one of 50 MB opens.

import { setTimeout as pause } from 'node:timers/promises';
import { messageOfSize } from '../test/support/fixtures.ts';
import type { Bed } from './bed.ts';
import { type BenchClient, opened } from './gateway-client.ts';
import { type Cost, costOf, rowOf, verdict } from './gateway-measure.ts';
import { type BenchUser, CLEAR_PASSWORD, CLEAR_USER, type GatewayBed, type Mail } from './gateway-site.ts';
import type { Part } from './part.ts';
import { median, short } from './rate.ts';

const READ_BYTES = 20_500_000;
const OPENED_BYTES = 50_000_000;
const PART_BYTES = 256 * 1024;
const PARTS = Math.ceil(READ_BYTES / PART_BYTES);
const READ_MS = 150;
const BESIDE_MS = 20;
/** Between two commands of a session that is asked meanwhile. */
const REST_MS = 2;
/** Of all answers, how many may be late on a machine that does other things too. */
const LATE = 0.01;

export function largeMail(): Mail[] {
  return [
    { message: messageOfSize(READ_BYTES), copies: 1 },
    { message: messageOfSize(OPENED_BYTES), copies: 1 },
  ];
}

/** Both users have the same mail: `largeMail`. */
export async function large(
  bed: Bed,
  site: GatewayBed,
  users: readonly [BenchUser, BenchUser],
): Promise<Part> {
  const [user, other] = users;
  const [first, again, theirs, opening]: Cost[][] = [[], [], [], []];
  const beside = { 'the same user': [] as number[], 'another user': [] as number[] };
  const still = { 'the same user': [] as number[], 'another user': [] as number[] };
  for (let round = 0; round < bed.pick(3, 9); round++) {
    bed.progress(`gateway: large messages, round ${round + 1}`);
    const reader = await opened(site.port, user.address, user.password);
    first?.push(await costOf(site, () => readParts(reader)));
    again?.push(await costOf(site, () => readParts(reader)));
    const dovecot = await opened(site.behind, CLEAR_USER, CLEAR_PASSWORD);
    theirs?.push(await costOf(site, () => readParts(dovecot)));
    await dovecot.logout();
    const asked = {
      'the same user': await opened(site.port, user.address, user.password),
      'another user': await opened(site.port, other.address, other.password),
    };
    for (const who of ['the same user', 'another user'] as const) {
      const quiet = asking(asked[who]);
      await pause(500);
      still[who].push(...(await quiet()));
      const busy = asking(asked[who]);
      await pause(50);
      // opened anew: the message that is read next is larger than what is kept
      opening?.push(await costOf(site, () => reader.command('FETCH 2 (BODY.PEEK[]<0.1000>)')));
      beside[who].push(...(await busy()));
      await reader.command('FETCH 1 (BODY.PEEK[]<0.1000>)');
    }
    for (const client of [reader, ...Object.values(asked)]) await client.logout();
  }
  const total = median((first ?? []).map(({ wallMs }) => wallMs));
  const worst = Math.max(...Object.values(beside).map((all) => late(all)));
  return {
    tables: [
      {
        title: `${READ_BYTES / 1e6} MB in ${PARTS} parts; ${OPENED_BYTES / 1e6} MB opened`,
        rows: [
          rowOf('parts, the first opens it', first ?? [], theirs),
          rowOf('parts once more', again ?? [], theirs),
          rowOf('parts, Dovecot in clear', theirs ?? []),
          rowOf('50 MB opened', opening ?? []),
        ],
      },
      {
        title: 'NOOP of another session while 50 MB opens, ms',
        rows: Object.entries(beside).map(([who, all]) => ({
          who,
          commands: all.length,
          median: short(median(all)),
          'median, nothing opens': short(median(still[who as keyof typeof still])),
          p99: short(late(all)),
          highest: short(Math.max(...all)),
          'highest, nothing opens': short(Math.max(...still[who as keyof typeof still])),
        })),
      },
    ],
    bars: [
      { label: '20 MB in parts', value: total / READ_MS, atMost: 1 },
      { label: 'others while 50 MB opens, p99', value: worst / BESIDE_MS, atMost: 1 },
    ],
    notes: [
      verdict(`b. ${PARTS} parts of 256 KiB`, total, READ_MS, 'ms'),
      verdict('d. other sessions while 50 MB opens, 99 of 100 answers', worst, BESIDE_MS, 'ms'),
      verdict('d. the same, the slowest answer', Math.max(...Object.values(beside).flat()), BESIDE_MS, 'ms'),
    ],
    leftOut: [],
  };
}

async function readParts(client: BenchClient): Promise<void> {
  for (let part = 0; part < PARTS; part++)
    await client.command(`FETCH 1 (BODY.PEEK[]<${part * PART_BYTES}.${PART_BYTES}>)`);
}

/** Asks a session again and again, until what is returned is called, which resolves to the times. */
function asking(client: BenchClient): () => Promise<number[]> {
  let isOver = false;
  const times: number[] = [];
  const asked = (async () => {
    while (!isOver) {
      const began = performance.now();
      await client.command('NOOP');
      times.push(performance.now() - began);
      await pause(REST_MS);
    }
  })();
  return async () => {
    isOver = true;
    await asked;
    return times;
  };
}

function late(times: readonly number[]): number {
  return [...times].sort((a, b) => b - a)[Math.floor(times.length * LATE)] ?? Number.NaN;
}
