// Shows where the CPU time of a message goes. See `about`.

import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasProgram } from '../test/support/peers.ts';
import type { Bed } from './bed.ts';
import type { Bench, Result } from './bench.ts';
import { generate, type Target } from './generate.ts';
import { BASE_KEY, makeCertificate } from './keys.ts';
import { mountJournaled } from './loopmount.ts';
import { countCalls, PERF_OPTIONS, record } from './perf.ts';
import { cpuMs } from './proc.ts';
import { type Profile, profileOf } from './profile-samples.ts';
import { callRows, resultOf } from './profile-tables.ts';
import { addresses, freshBase } from './recipients.ts';
import { type Sealdir, startSealdir } from './sealdir.ts';

const LOAD = { bytes: 10_000, recipients: 1, connections: 20, mailboxes: 10 };
const FIXED = { mode: 'closed', seconds: 600 } as const;

export const profile: Bench = {
  name: 'profile',
  about: `Shows where the CPU time of a message goes: 10 kB, one process, 20 connections, 10 mailboxes, a journaled ext4 on a
loop device. There are two servers. The CPU time of a message of the first is read from /proc. The second writes down
where its compiled functions are, and perf looks 997 times in a second of CPU time at what its threads do. A sample
belongs to one part (profile-parts.ts): the kernel's to the call that was made, those of ciphers and of V8 itself to
parts of their own, all others to the innermost function of src/ or of a package. The table gives the parts as shares
of the time of the first server. The kernel's tracepoints count its system calls.`,

  async run(bed) {
    if (!hasProgram('perf')) return nothing('perf (linux-perf is not installed)');
    const loop = await mountJournaled(bed);
    const store = loop ?? (await bed.directory('store'));
    const plain = await startOn(bed, store, 'plain', {});
    const watched = await startOn(bed, store, 'watched', { NODE_OPTIONS: PERF_OPTIONS });
    const messages = bed.pick(1_500, 5_000);
    const rounds = Array.from({ length: bed.pick(1, 5) }, (_, round) => round);
    const costs: number[] = [];
    await warmUp(bed, plain);
    for (const _ of rounds) costs.push(await costOf(plain, messages));
    bed.progress('profile: system calls');
    const { counts } = await countCalls(plain.server.pid, () => costOf(plain, messages));
    // without a pause, in which disk threads would end and begin anew: no file is read before all are written
    const directory = await bed.directory('perf');
    const files = rounds.map((round) => join(directory, `${round}.data`));
    await warmUp(bed, watched);
    for (const file of files) await record(watched.server.pid, file, () => costOf(watched, messages));
    bed.progress('profile: reading');
    const profiles: Profile[] = [];
    for (const file of files) profiles.push(await profileOf(file));
    await Promise.all([plain.server.stop(), watched.server.stop()]);
    return resultOf(costs, profiles, callRows(counts, messages), loop === undefined);
  },
};

interface Watched {
  readonly server: Sealdir;
  readonly load: Target;
}

async function startOn(
  bed: Bed,
  store: string,
  name: string,
  env: Readonly<Record<string, string>>,
): Promise<Watched> {
  const server = await startSealdir(bed, { directory: await subdirectory(store, name), env });
  bed.atEnd(() => rm(`/tmp/perf-${server.pid}.map`, { force: true })); // written by Node
  const base = freshBase();
  await server.addRecipients(addresses(base, LOAD.mailboxes), await makeCertificate(BASE_KEY));
  return { server, load: { ...LOAD, port: server.port, base } };
}

function warmUp(bed: Bed, { server, load }: Watched): Promise<unknown> {
  bed.progress(`profile: process ${server.pid}, warm-up`);
  return generate({ ...load, ...FIXED, count: bed.pick(4_000, 30_000) });
}

async function subdirectory(parent: string, name: string): Promise<string> {
  const directory = join(parent, name);
  await mkdir(directory);
  return directory;
}

/** Returns CPU milliseconds a message. Goes by messages and not by seconds, since the machine may be busy. */
async function costOf({ server, load }: Watched, count: number): Promise<number> {
  const before = cpuMs(server.pid);
  const { messages } = await generate({ ...load, ...FIXED, count });
  return (cpuMs(server.pid) - before) / messages;
}

function nothing(leftOut: string): Result {
  return { tables: [], chart: { title: 'nothing', unit: '', bars: [] }, notes: [], leftOut: [leftOut] };
}
