// Measures deliveries to one mailbox whose new/ already holds many files.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../test/support/process.ts';
import type { Bed } from './bed.ts';
import { growthRows, type Size } from './growth-rows.ts';
import { BASE_KEY, makeCertificate } from './keys.ts';
import type { Part } from './part.ts';
import { measure, settle } from './rate.ts';
import { addresses, freshBase } from './recipients.ts';
import { startSealdir } from './sealdir.ts';

const LOAD = { bytes: 10_000, recipients: 1, connections: 20, mailboxes: 1 };

export async function growthOfMailbox(bed: Bed): Promise<Part> {
  const server = await startSealdir(bed);
  const certificate = await makeCertificate(BASE_KEY);
  const sizes: Size[] = [];
  for (const count of bed.pick([1, 10_000, 100_000], [1, 10_000, 100_000, 500_000])) {
    bed.progress(`growth: a mailbox of ${count}`);
    const base = freshBase();
    const [address = ''] = addresses(base, 1);
    await server.addRecipients([address], certificate);
    fill(server.maildir(address), count);
    const target = { ...LOAD, port: server.port, base };
    const seconds = bed.pick(0.7, 4);
    const expected = await settle(server, target, seconds);
    const label = count.toLocaleString('en');
    sizes.push({ label, measure: () => measure(server, target, expected, seconds) });
  }
  await run('sync', ['-f', bed.root]); // the kernel must not write these files back while we measure
  bed.progress('growth: mailboxes');
  const { rows, bars } = await growthRows('files in new/', sizes, bed.pick(2, 5));
  await server.stop();
  return { tables: [{ title: 'a growing mailbox', rows }], bars, notes: [], leftOut: [] };
}

/** Fills new/. The names are as long as real ones, since they decide how large the directory is. */
function fill(maildir: string, count: number): void {
  for (const name of ['tmp', 'new', 'cur']) mkdirSync(join(maildir, name), { recursive: true, mode: 0o700 });
  for (let index = 0; index < count; index++) {
    const digits = String(index).padStart(10, '0');
    const name = `${digits}.M000000P0000Q0R0123456789abcdef.mx.example.com,S=14000,W=14200`;
    writeFileSync(join(maildir, 'new', name), 'x');
  }
}
