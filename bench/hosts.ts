// Two hosts with one store beside one of them: two servers, each on a core of its own.

import { dirname } from 'node:path';
import { run } from '../test/support/process.ts';
import type { Bench, Row } from './bench.ts';
import { BASE_KEY, makeCertificate } from './keys.ts';
import { measure, median, type Rate, settle, short } from './rate.ts';
import { addresses, freshBase } from './recipients.ts';
import { type Sealdir, startSealdir } from './sealdir.ts';

/** With many recipients the load generator has little to do beside the servers. */
const LOAD = { bytes: 10_000, recipients: 20, connections: 10, mailboxes: 20 };
const AT_LEAST = 1.7;

export const hosts: Bench = {
  name: 'hosts',
  about: `Two servers of one process each, bound to a core each (taskset), deliver into one store: messages of 10 kB to 20
recipients, from 10 connections to each. The same load on one of them alone, in turns, round after round. The load
generator of each is bound to the same core as the server: a host is a core with all that it does.`,

  async run(bed) {
    const certificate = await makeCertificate(BASE_KEY);
    const one = await startSealdir(bed);
    const two = await startSealdir(bed, { toml: { storeIn: dirname(one.config) } });
    for (const [core, { pid }] of [one, two].entries()) await bind(pid, core);
    const target = async (server: Sealdir) => {
      const base = freshBase();
      await server.addRecipients(addresses(base, LOAD.mailboxes), certificate);
      return { ...LOAD, port: server.port, base, core: server === one ? 0 : 1 };
    };
    const expected: number[] = [];
    for (const server of [one, two]) {
      bed.progress('hosts: warm-up');
      expected.push(await settle(server, await target(server), bed.pick(4, 20)));
    }
    const rows: Row[] = [];
    const ratios: number[] = [];
    for (let round = 1; round <= bed.pick(3, 7); round++) {
      bed.progress(`hosts: round ${round}`);
      const rates = async (servers: readonly Sealdir[]): Promise<Rate[]> => {
        const targets = await Promise.all(servers.map(target));
        return Promise.all(
          servers.map((server, n) =>
            measure(server, targets[n] ?? never(), expected[n] ?? 1, bed.pick(3, 10)),
          ),
        );
      };
      const [alone] = await rates([one]);
      const together = await rates([one, two]);
      const copies = (all: readonly (Rate | undefined)[]) =>
        LOAD.recipients * all.reduce((sum, rate) => sum + (rate?.perSecond ?? 0), 0);
      const ratio = copies(together) / copies([alone]);
      ratios.push(ratio);
      rows.push({
        round,
        'one, copies/s': short(copies([alone])),
        'cores of it': short(alone?.cores ?? 0),
        'two, copies/s': short(copies(together)),
        'cores of both': short(together.reduce((sum, { cores }) => sum + cores, 0)),
        x: short(ratio),
      });
    }
    for (const { stop } of [one, two]) await stop();
    return {
      tables: [{ title: 'two hosts with one store', rows }],
      chart: {
        title: 'Copies a second of two hosts, as multiple of one',
        unit: 'x',
        bars: [{ label: 'two hosts', value: median(ratios), atLeast: AT_LEAST }],
      },
      notes: [],
      leftOut: [],
    };
  },
};

function never(): never {
  throw new Error('there are as many targets as servers');
}

/** Binds a process, its threads and its children to a core. */
async function bind(pid: number, core: number): Promise<void> {
  const { stdout } = await run('pgrep', ['-P', `${pid}`]);
  for (const each of [`${pid}`, ...stdout.toString().split('\n').filter(Boolean)]) {
    const { code, stderr } = await run('taskset', ['-a', '-c', '-p', `${core}`, each]);
    if (code !== 0) throw new Error(`taskset: ${stderr}`);
  }
}
