// Measures what one guess of a password costs, and what fifty a second do to deliveries. See `about`.

import { join } from 'node:path';
import { COST, Derivations, SALT_BYTES } from '../src/custody/kdf.ts';
import { start } from '../test/support/process.ts';
import { repositoryRoot } from '../test/support/shared.ts';
import type { Bench, Row } from './bench.ts';
import { deliveriesBeside } from './beside.ts';
import { BASE_KEY, makeCertificate } from './keys.ts';
import { peakRss } from './proc.ts';
import { median, short } from './rate.ts';
import { startSealdir } from './sealdir.ts';

const RATES = [100, 20];
const AT_MOST = 2;

export const custody: Bench = {
  name: 'custody',
  about: `Measures the derivation that checks a password or code of a wrapped key (scrypt, N = 2^17, r = 8, p = 1), one after
the other. Then the time from MAIL to the last reply of deliveries of 10 kB that are due at regular times, alone and
beside a process that is asked for fifty derivations a second, of which it refuses most; both take turns.`,

  async run(bed) {
    const guess = await costOfGuess(bed.pick(5, 30));
    const server = await startSealdir(bed);
    const site = { bed, server, certificate: await makeCertificate(BASE_KEY) };
    const rows: Row[] = [];
    let peak = 0;
    const asked = { tried: 0, refused: 0, ms: 0 };
    for (const rate of RATES)
      rows.push(
        await deliveriesBeside(site, rate, {
          name: 'custody',
          prepare: async () => undefined,
          async start() {
            const script = join(repositoryRoot(), 'dist/bench/guesses.js');
            const running = await start(process.execPath, [script], {
              ready: (output) => output.includes('begun'),
            });
            const { stop } = running;
            return {
              ...running,
              stop: async () => {
                peak = Math.max(peak, peakRss(running.pid));
                const code = await stop();
                const [, tried, refused, ms] =
                  /tried (\d+), refused (\d+) in (\d+) ms/.exec(running.output()) ?? [];
                asked.tried += Number(tried);
                asked.refused += Number(refused);
                asked.ms += Number(ms);
                return code;
              },
            };
          },
          hasEnded: (output) => output.includes('tried'),
        }),
      );
    await server.stop();
    return {
      tables: [
        { title: 'one guess', rows: [guess] },
        { title: 'deliveries beside fifty guesses a second', rows },
      ],
      chart: {
        title: 'time of deliveries beside fifty guesses a second, as multiple of theirs alone',
        unit: 'x',
        bars: rows.map((row) => ({
          label: `p50 beside / alone, ${row['messages/s']}/s`,
          value: Number(row['p50 ratio']),
          atMost: AT_MOST,
        })),
      },
      notes: [
        `Highest RSS of the process that was asked: ${short(peak / 2 ** 20)} MiB.`,
        `It was asked for ${short((1000 * (asked.tried + asked.refused)) / asked.ms)} derivations a second, of which it made ${short((1000 * asked.tried) / asked.ms)}.`,
        'Load generator: own.',
      ],
      leftOut: [],
    };
  },
};

async function costOfGuess(count: number): Promise<Row> {
  const derivations = new Derivations();
  const kdf = { name: 'scrypt', ...COST, salt: Buffer.alloc(SALT_BYTES, 1) } as const;
  const [wall, cpu]: [number[], number[]] = [[], []];
  for (let n = 0; n <= count; n++) {
    const [began, used] = [performance.now(), process.cpuUsage()];
    await derivations.derive(Buffer.from(`guess ${n}`), kdf);
    const { user, system } = process.cpuUsage(used);
    if (n === 0) continue; // warms up
    wall.push(performance.now() - began);
    cpu.push((user + system) / 1000);
  }
  return {
    guesses: count,
    'wall ms': short(median(wall)),
    'CPU ms': short(median(cpu)),
    lowest: short(Math.min(...cpu)),
    MiB: 128,
  };
}
