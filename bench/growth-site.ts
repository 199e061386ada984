// Measures deliveries at sites of 10 to 100,000 recipients, to few and to many of them.

import type { Bed } from './bed.ts';
import { growthRows, type Size } from './growth-rows.ts';
import { BASE_KEY, makeCertificate } from './keys.ts';
import type { Part } from './part.ts';
import { measure, type Rate, settle } from './rate.ts';
import { addresses, freshBase } from './recipients.ts';
import { type Sealdir, startSealdir } from './sealdir.ts';

const LOAD = { bytes: 10_000, recipients: 1, connections: 20 };
const FEW = 10;

/** `source`: where the recipients are. */
export async function growthOfSite(bed: Bed, source: 'key files' | 'SQLite'): Promise<Part> {
  const certificate = await makeCertificate(BASE_KEY);
  const servers: Sealdir[] = [];
  const toFew: Size[] = [];
  const toMany: Size[] = [];
  for (const count of bed.pick([10, 10_000, 100_000], [10, 1_000, 10_000, 100_000])) {
    bed.progress(`growth: a site of ${count}, ${source}`);
    const server = await startSealdir(bed, { inSqlite: source === 'SQLite' });
    servers.push(server);
    const base = freshBase();
    await server.addRecipients(addresses(base, count), certificate);
    const few = { ...LOAD, port: server.port, base, mailboxes: FEW, first: 0 };
    const seconds = bed.pick(0.7, 4);
    const expected = await settle(server, few, seconds);
    const label = count.toLocaleString('en');
    let first = 0;
    const measureMany = async (): Promise<Rate> => {
      const rate = await measure(server, { ...few, mailboxes: count, first }, expected, seconds);
      first += rate.messages;
      return rate;
    };
    toFew.push({ label, measure: () => measure(server, few, expected, seconds) });
    toMany.push({ label, measure: measureMany });
  }
  bed.progress('growth: sites');
  const few = await growthRows(`recipients (${source}), the same 10 used`, toFew, bed.pick(2, 5));
  const many = await growthRows(`recipients (${source}), another each time`, toMany, bed.pick(2, 5));
  for (const server of servers) await server.stop();
  return {
    tables: [
      { title: `a growing site, ${source}, messages to few`, rows: few.rows },
      { title: `a growing site, ${source}, messages to many`, rows: many.rows },
    ],
    bars: [...few.bars, ...many.bars],
    notes: [`Load generator of the sites (${source}): own, for both tables.`],
    leftOut: [],
  };
}
