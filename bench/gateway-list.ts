// 10,000 messages are listed: for the first time, and at the next login.

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openCorpus } from '../test/support/corpus.ts';
import { messageOfSize } from '../test/support/fixtures.ts';
import type { Bed } from './bed.ts';
import { BenchClient, LISTS, opened } from './gateway-client.ts';
import { type Cost, costOf, rowOf, verdict } from './gateway-measure.ts';
import { type BenchUser, CLEAR_PASSWORD, CLEAR_USER, type GatewayBed, type Mail } from './gateway-site.ts';
import type { Part } from './part.ts';
import { median } from './rate.ts';

const MESSAGES = 10_000;
const MOST_BYTES = 64_000;
const BYTES = 9000;
const FIRST_MS = 10_000;
const NEXT_MS = 500;
/** Until the process of a user has ended, after its last session. */
const ENDED_MS = 500;

/** Messages of the corpus, as often as it takes; without a corpus one message. */
export function listedMail(): Mail[] {
  const corpus = openCorpus()
    .messages.map((message) => message.wire())
    .filter(({ length }) => length <= MOST_BYTES);
  const messages = corpus.length > 0 ? corpus : [messageOfSize(BYTES)];
  const least = Math.floor(MESSAGES / messages.length);
  const more = MESSAGES - least * messages.length;
  return messages.map((message, n) => ({ message, copies: least + (n < more ? 1 : 0) }));
}

export async function listing(bed: Bed, site: GatewayBed, user: BenchUser): Promise<Part> {
  const rows = [];
  const notes: string[] = [];
  const bars = [];
  for (const [form, command] of Object.entries(LISTS)) {
    const costs = { first: [] as Cost[], login: [] as Cost[], next: [] as Cost[] };
    const dovecot = { first: [] as Cost[], next: [] as Cost[] };
    for (let round = 0; round < bed.pick(1, 5); round++) {
      bed.progress(`gateway: ${form}, round ${round + 1}`);
      await rm(site.cacheOf(user), { force: true });
      for (const address of [user.address, CLEAR_USER]) await withoutIndex(site.mailboxOf(address));
      for (const time of ['first', 'next'] as const) {
        const ours = await BenchClient.connect(site.port);
        const login = await costOf(site, () => ours.login(user.address, user.password));
        if (time === 'next') costs.login.push(login);
        await ours.select();
        costs[time].push(await costOf(site, () => ours.command(command)));
        await ours.logout();
        await pause(ENDED_MS); // the CPU time of a process that ends is not counted any more
        const theirs = await opened(site.behind, CLEAR_USER, CLEAR_PASSWORD);
        dovecot[time].push(await costOf(site, () => theirs.command(command)));
        await theirs.logout();
      }
    }
    rows.push(
      rowOf(`${form}: first time`, costs.first, dovecot.first),
      rowOf(`${form}: next login, that login`, costs.login),
      rowOf(`${form}: next login, the list`, costs.next, dovecot.next),
      rowOf(`${form}: first time, Dovecot in clear`, dovecot.first),
      rowOf(`${form}: next login, Dovecot in clear`, dovecot.next),
    );
    const of = (all: readonly Cost[]) => median(all.map(({ wallMs }) => wallMs));
    notes.push(
      verdict(`a. ${form}, first time`, of(costs.first), FIRST_MS, 'ms'),
      verdict(`a. ${form}, next login`, of(costs.next), NEXT_MS, 'ms'),
    );
    bars.push(
      { label: `${form}, first time`, value: of(costs.first) / FIRST_MS, atMost: 1 },
      { label: `${form}, next login`, value: of(costs.next) / NEXT_MS, atMost: 1 },
    );
  }
  return { tables: [{ title: `${MESSAGES} messages are listed`, rows }], bars, notes, leftOut: [] };
}

/** As if Dovecot had never seen the messages. */
async function withoutIndex(mailbox: string): Promise<void> {
  for (const name of await readdir(mailbox))
    if (name.startsWith('dovecot.index')) await rm(join(mailbox, name));
}
