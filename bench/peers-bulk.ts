// Compares the encryption of one stream of 64 MiB by Sealdir's code, openpgp.js, gpg and sqop.

import { openGnupgHome } from '../test/support/gnupghome.ts';
import { hasProgram } from '../test/support/peers.ts';
import type { Bed } from './bed.ts';
import type { Bar, Row, Table } from './bench.ts';
import { secondsOf } from './bulk.ts';
import type { Part } from './part.ts';
import { short } from './rate.ts';
import { type Contestant, contest, type Standing } from './rounds.ts';
import { makeStream, megabytesPerSecond } from './stream.ts';

const V1_GOALS: Readonly<Record<string, number>> = { gpg: 2, 'openpgp.js v1': 3 };
const V2_GOALS: Readonly<Record<string, number>> = { 'openpgp.js v2 GCM': 6 };

export async function peersInBulk(bed: Bed): Promise<Part> {
  const stream = await makeStream(bed);
  const node = stream.inNode;
  const certificate = stream.certificateFile('cv25519, v1');
  const leftOut: string[] = [];
  const v1 = [node('Sealdir v1', 'sealdir', 'cv25519, v1')];
  if (hasProgram('gpg')) v1.push(await gpg(bed, stream.file, certificate));
  else leftOut.push('gpg');
  if (hasProgram('sqop')) v1.push(sqop(stream.file, certificate));
  else leftOut.push('sqop');
  v1.push(node('openpgp.js v1', 'openpgp.js', 'cv25519, v1'));
  const v2 = [
    node('Sealdir v2 GCM', 'sealdir', 'cv25519, v2 GCM'),
    node('Sealdir v2 OCB', 'sealdir', 'cv25519, v2 OCB'),
    node('openpgp.js v2 GCM', 'openpgp.js', 'cv25519, v2 GCM'),
  ];
  const rounds = bed.pick(3, 7);
  bed.progress('peers: bulk encryption, SEIPD v1');
  const first = await contest(v1, rounds);
  bed.progress('peers: bulk encryption, SEIPD v2');
  const second = await contest(v2, rounds);
  return {
    tables: [tableOf('one stream, SEIPD v1', first), tableOf('one stream, SEIPD v2', second)],
    bars: [...barsOf(first, V1_GOALS), ...barsOf(second, V2_GOALS)],
    notes: [
      'Sealdir and openpgp.js run inside one Node process, whose start does not count; gpg and sqop as whole programs.',
      'openpgp.js 6.3 does OCB in JavaScript, at some 3 MB/s; so it is compared in GCM, which it leaves to node:crypto.',
    ],
    leftOut,
  };
}

async function gpg(bed: Bed, file: string, certificateFile: string): Promise<Contestant> {
  const home = await openGnupgHome();
  let closed: Promise<void> | undefined;
  bed.atEnd(() => (closed ??= home.close()));
  await home.gpg(['--import', certificateFile]);
  const args = ['--homedir', home.path, '--batch', '--quiet', '--trust-model', 'always'];
  args.push('--encrypt', '--armor', '-z', '0', '--recipient-file', certificateFile);
  return { name: 'gpg', speed: async () => megabytesPerSecond(await secondsOf('gpg', args, file)) };
}

function sqop(file: string, certificateFile: string): Contestant {
  const speed = async () => megabytesPerSecond(await secondsOf('sqop', ['encrypt', certificateFile], file));
  return { name: 'sqop', speed };
}

function tableOf(title: string, standings: readonly Standing[]): Table {
  const rows = standings.map(
    ({ name, speed, ratio, spread }): Row => ({
      program: name,
      'MB/s': short(speed),
      'Sealdir is x': short(ratio),
      'lowest and highest round': `${short(spread[0])} - ${short(spread[1])}`,
    }),
  );
  return { title: `${title}, 64 MiB, armored`, rows };
}

function barsOf(standings: readonly Standing[], goals: Readonly<Record<string, number>>): Bar[] {
  return standings.slice(1).map(({ name, ratio }) => {
    const goal = goals[name];
    return { label: `${name}, one stream`, value: ratio, ...(goal === undefined ? {} : { atLeast: goal }) };
  });
}
