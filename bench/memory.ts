// Measures how much more memory the server takes under load than when it is idle. See `about`.

import type { Bed } from './bed.ts';
import type { Bar, Bench, Row } from './bench.ts';
import { drive, generate, hold, type Target } from './generate.ts';
import { BASE_KEY, makeCertificate } from './keys.ts';
import { peakRss } from './proc.ts';
import { short } from './rate.ts';
import { addresses, freshBase } from './recipients.ts';
import { startSealdir } from './sealdir.ts';

const MIB = 2 ** 20;
const TOML = { lmtp: 'max_message_size = "200MiB"\nmax_connections = 2000\nmax_peer_connections = 2000' };

interface Case {
  readonly what: string;
  readonly atMostMiB?: number;
  readonly load: Omit<Target, 'port' | 'base'>;
  /** Puts the load on a fresh server. */
  act(target: Target, bed: Bed): Promise<unknown>;
}

const CASES: readonly Case[] = [
  {
    what: '100 MiB to 10 recipients',
    atMostMiB: 64,
    load: { bytes: 100 * MIB, recipients: 10, connections: 1, mailboxes: 10 },
    act: (target) => generate({ ...target, mode: 'closed', count: 1, seconds: 60 }),
  },
  {
    what: '1,000 idle connections',
    load: { bytes: 0, recipients: 1, connections: 1000, mailboxes: 10 },
    act: async (target) => (await hold(target)).stop(),
  },
  {
    what: '200 busy connections, 10 kB',
    load: { bytes: 10_000, recipients: 1, connections: 200, mailboxes: 10 },
    act: (target, bed) => drive(target, bed.pick(1_500, 20_000)),
  },
];

export const memory: Bench = {
  name: 'memory',
  about: `Measures the highest resident set (VmHWM, all processes of the server) after a load, less that of the same server
just after its start. Each load has a server of its own: one message of 100 MiB to 10 recipients, encrypted for each
of them; 1,000 connections that have said LHLO and wait; 200 connections that deliver messages of 10 kB without a
pause.`,

  async run(bed) {
    const rows: Row[] = [];
    const bars: Bar[] = [];
    for (const { what, atMostMiB, load, act } of CASES) {
      bed.progress(`memory: ${what}`);
      const server = await startSealdir(bed, { toml: TOML });
      const base = freshBase();
      await server.addRecipients(addresses(base, load.mailboxes), await makeCertificate(BASE_KEY));
      const idle = peakRss(server.pid) / MIB;
      await act({ ...load, port: server.port, base }, bed);
      const peak = peakRss(server.pid) / MIB;
      await server.stop();
      rows.push({
        load: what,
        'idle MiB': short(idle),
        'peak MiB': short(peak),
        'above idle MiB': short(peak - idle),
      });
      bars.push({
        label: what,
        value: peak - idle,
        ...(atMostMiB === undefined ? {} : { atMost: atMostMiB }),
      });
    }
    return {
      tables: [{ title: 'memory', rows }],
      chart: { title: 'Peak memory above idle', unit: 'MiB', bars },
      notes: [
        'Load generator of the first two: own; of the busy connections: smtp-source where it is installed.',
      ],
      leftOut: [],
    };
  },
};
