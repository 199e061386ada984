// Compares Sealdir's encryption of one stream with the bare cipher of node:crypto.

import type { Bed } from './bed.ts';
import type { Bar, Row } from './bench.ts';
import type { Part } from './part.ts';
import { short } from './rate.ts';
import { contest } from './rounds.ts';
import { makeStream } from './stream.ts';

export async function limitOfCipher(bed: Bed): Promise<Part> {
  const { inNode } = await makeStream(bed);
  const groups = [
    [
      inNode('Sealdir v1', 'sealdir', 'cv25519, v1'),
      inNode('CFB + SHA-1', 'cfb+sha1', 'cv25519, v1'),
      inNode('CFB + SHA-1 + base64', 'cfb+sha1+base64', 'cv25519, v1'),
    ],
    [
      inNode('Sealdir v2 GCM', 'sealdir', 'cv25519, v2 GCM'),
      inNode('GCM + base64', 'gcm+base64', 'cv25519, v2 GCM'),
    ],
    [
      inNode('Sealdir v2 OCB', 'sealdir', 'cv25519, v2 OCB'),
      inNode('OCB + base64', 'ocb+base64', 'cv25519, v2 OCB'),
    ],
  ];
  const rows: Row[] = [];
  const bars: Bar[] = [];
  for (const group of groups) {
    bed.progress(`limit: ${group[0]?.name}`);
    const standings = await contest(group, bed.pick(3, 7));
    for (const { name, speed, ratio } of standings)
      rows.push({ what: name, 'MB/s': short(speed), 'Sealdir reaches, %': short(100 * ratio) });
    for (const { name, ratio } of standings.slice(1)) bars.push(barOf(name, ratio));
  }
  return { tables: [{ title: 'one stream, one thread', rows }], bars, notes: [], leftOut: [] };
}

function barOf(name: string, ratio: number): Bar {
  return { label: name, value: 100 * ratio, ...(name === 'CFB + SHA-1' ? { atLeast: 75 } : {}) };
}
