// Compares Sealdir's messages per second with what the bare disk calls reach, on each file system at hand.

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { bareStore } from './barestore.ts';
import type { Bed } from './bed.ts';
import type { Bar, Row } from './bench.ts';
import { BASE_KEY, makeCertificate } from './keys.ts';
import { mountJournaled } from './loopmount.ts';
import { describeFilesystem } from './machine.ts';
import type { Part } from './part.ts';
import { measure, median, settle, short } from './rate.ts';
import { addresses, freshBase } from './recipients.ts';
import { startSealdir } from './sealdir.ts';

const LOAD = { bytes: 10_000, recipients: 1, connections: 20, mailboxes: 10 };

export async function limitOfDisk(bed: Bed): Promise<Part> {
  const loop = await mountJournaled(bed);
  const places = [{ label: 'store', directory: await bed.directory('store') }];
  if (loop !== undefined) places.push({ label: 'loop-mounted ext4', directory: loop });
  const rows: Row[] = [];
  const bars: Bar[] = [];
  const notes: string[] = [];
  for (const { label, directory } of places) {
    bed.progress(`limit: disk, ${label}`);
    const found = await compare(bed, directory);
    notes.push(`${label}: ${await describeFilesystem(directory)}`);
    for (const [what, speed] of Object.entries(found))
      rows.push({
        'file system': label,
        what,
        'messages/s': short(speed),
        'Sealdir reaches, %': short((100 * found.Sealdir) / speed),
      });
    bars.push({ label: `bare disk, ${label}`, value: (100 * found.Sealdir) / found['bare, 20 at a time'] });
  }
  const leftOut = loop === undefined ? ['the loop-mounted ext4: needs root, mkfs.ext4 and mount'] : [];
  return { tables: [{ title: 'disk', rows }], bars, notes, leftOut };
}

/**
 * Resolves to messages per second of each. They take turns, since all three slow down when the machine is
 * busy.
 */
async function compare(bed: Bed, directory: string) {
  const server = await startSealdir(bed, { directory });
  const base = freshBase();
  const names = addresses(base, LOAD.mailboxes);
  await server.addRecipients(names, await makeCertificate(BASE_KEY));
  const target = { ...LOAD, port: server.port, base };
  const expected = await settle(server, target, bed.pick(1, 4));
  const bytes = await sizeOfOne(join(server.maildir(names[0] ?? ''), 'new'));
  const seconds = bed.pick(0.7, 4);
  const alone: number[] = [];
  const together: number[] = [];
  const sealdir: number[] = [];
  for (let round = 0; round < bed.pick(2, 5); round++) {
    alone.push(await bareStore(join(directory, `alone${round}`), bytes, 1, seconds));
    together.push(await bareStore(join(directory, `together${round}`), bytes, LOAD.connections, seconds));
    sealdir.push((await measure(server, target, expected, seconds)).perSecond);
  }
  await server.stop();
  return {
    'bare, 1 at a time': median(alone),
    'bare, 20 at a time': median(together),
    Sealdir: median(sealdir),
  };
}

/** Resolves to the size of a 10 kB message as it is stored. */
async function sizeOfOne(directory: string): Promise<number> {
  const [name = ''] = await readdir(directory);
  return (await stat(join(directory, name))).size;
}
