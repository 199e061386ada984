// The soak: mixed load with faults against the real server. At the end everything must add up. `npm run
// test:soak` takes ten minutes, or as many seconds as its argument says.
//
// What clients were told, what the log says and what the metrics say must be the same. Each file that was
// acknowledged was in new/ once, and no other file was. tmp/ is empty, no descriptor is left open, and memory
// does not grow.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SUBJECT } from '../../src/keeper/notice.ts';
import { childrenOf } from '../support/child.ts';
import { filesBelow } from '../support/delivery.ts';
import { until } from '../support/until.ts';
import { type Crowd, diceOf, runClient } from './clients.ts';
import { fillAndEmpty, turnKeys } from './faults.ts';
import { Ledger } from './ledger.ts';
import { Reader } from './reader.ts';
import { openSoakSite, type SoakSite } from './site.ts';
import { descriptors, sampleMemory, settledDescriptors, thirds } from './watch.ts';

const CLIENTS = 8;
const MIB = 1024 * 1024;
/** Until then the server is still warming up. */
const FLAT_AFTER_SECONDS = 120;

/** Runs the soak. Resolves to a summary, rejects if something does not add up. */
export async function soak(seconds: number, seed: number): Promise<string> {
  const site = await openSoakSite();
  try {
    const ledger = new Ledger();
    const reader = new Reader(site, ledger);
    const idle = await settledDescriptors(site.server.pid);
    const { samples, fills, changes } = await load(site, ledger, reader, seconds, diceOf(seed));
    await settle(site, ledger, reader);
    // From its first message on each worker has a descriptor more, since it watches the keys.
    const most = idle + childrenOf(site.server.pid).length;
    await until('every descriptor is closed', () => descriptors(site.server.pid) <= most);
    await compareMetrics(site, ledger);
    assert.equal(await site.stop(), 0);
    const left = await filesBelow(join(site.directory, 'mail'));
    const isNotice = ({ bytes }: (typeof left)[number]) => bytes.includes(`\nSubject: ${SUBJECT}\n`);
    const others = left.filter((file) => !isNotice(file)).map(({ path }) => path);
    // the owner of the key that changes is told of that, by messages that nobody has sent
    assert.ok(left.every((file) => !isNotice(file) || file.path.startsWith('example.com/turning/new/')));
    assert.deepEqual(others, [], 'nothing that was not acknowledged is in new/, and tmp/ is empty');
    const memory = thirds(samples);
    if (seconds >= FLAT_AFTER_SECONDS)
      assert.ok(memory.last <= memory.first * 1.1 + 16 * MIB, `memory grows: ${JSON.stringify(memory)}`);
    const mib = (bytes: number) => Math.round(bytes / MIB);
    return [
      `soak of ${seconds} s, SEALDIR_SOAK_SEED=${seed}: ${ledger.transactions} transactions, ${ledger.messages} messages`,
      `recipients: ${[...ledger.counts].map(([key, count]) => `${count} ${key}`).join(', ')}`,
      `${reader.files} files acknowledged and found, ${reader.opened} opened, none left over`,
      `disk ${site.small === undefined ? 'not filled (needs root)' : `filled ${fills} times`}, key file changed ${changes} times`,
      `memory ${mib(memory.first)} -> ${mib(memory.last)} MiB, descriptors ${idle}, tmp/ empty`,
    ].join('; ');
  } finally {
    await site.stop();
    await site.remove();
  }
}

async function load(site: SoakSite, ledger: Ledger, reader: Reader, seconds: number, dice: Crowd['dice']) {
  const end = Date.now() + seconds * 1000;
  let isStopped = false;
  const clock = { isOver: () => isStopped || Date.now() > end };
  let number = 0;
  const crowd = { site, ledger, clock, dice, next: () => ++number };
  // The first failure ends all of them, and is thrown when all have ended.
  const watched = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      isStopped = true;
      throw error;
    });
  const samples = watched(sampleMemory(site.server.pid, clock.isOver));
  const fills = watched(fillAndEmpty(site, clock));
  const changes = watched(turnKeys(site, clock));
  const clients = Array.from({ length: CLIENTS }, () => watched(runClient(crowd)));
  const all = await Promise.allSettled([
    ...clients,
    watched(reader.run(clock.isOver)),
    samples,
    fills,
    changes,
  ]);
  for (const each of all) if (each.status === 'rejected') throw each.reason;
  return { samples: await samples, fills: await fills, changes: await changes };
}

/** Waits until the server has undone and logged the messages whose clients have left. */
async function settle(site: SoakSite, ledger: Ledger, reader: Reader): Promise<void> {
  await until('every transaction has its lines', async () => {
    await reader.catchUp();
    return ledger.open === 0;
  });
  await until('tmp/ is empty', async () => {
    const mailboxes = [...site.good.keys(), site.changing.address].map(site.mailbox);
    const left = await Promise.all(mailboxes.map((path) => readdir(join(path, 'tmp')).catch(() => [])));
    return left.flat().length === 0;
  });
}

async function compareMetrics({ metrics }: SoakSite, ledger: Ledger): Promise<void> {
  const text = await (await fetch(`${metrics}/metrics`)).text();
  const counted = text.matchAll(/^sealdir_recipients_total\{verdict="(\w+)",why="(\w+)"\} (\d+)$/gm);
  const recipients = new Map<string, number>();
  for (const [, verdict, why, count] of counted) {
    // the log has the answer alone, and not whether DATA followed
    const told = `${verdict === 'probed' ? 'refused' : verdict} ${why}`;
    recipients.set(told, (recipients.get(told) ?? 0) + Number(count));
  }
  assert.deepEqual(new Map([...recipients].sort()), new Map([...ledger.counts].sort()));
  const messages = [...text.matchAll(/^sealdir_messages_total\{verdict="\w+"\} (\d+)$/gm)];
  assert.equal(
    messages.reduce((sum, [, count]) => sum + Number(count), 0),
    ledger.messages,
  );
}

if (process.argv[1] === import.meta.filename) {
  const seed = Number(process.env.SEALDIR_SOAK_SEED ?? Math.trunc(Math.random() * 0x7fffffff));
  console.log(await soak(Number(process.argv[2] ?? 600), seed));
}
