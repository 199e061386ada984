// Compares the delivery of the same messages to Sealdir (one process for each core, and a single process) and
// to Dovecot with and without mail_crypt.

import { availableParallelism } from 'node:os';
import type { Bed } from './bed.ts';
import type { Bar, Row, Table } from './bench.ts';
import { hasDovecot, hasMailCrypt, startDovecot } from './dovecot.ts';
import { generatorFor, type Target } from './generate.ts';
import { BASE_KEY, makeCertificate } from './keys.ts';
import type { Part } from './part.ts';
import { measure, median, type Rate, settle, short } from './rate.ts';
import { addresses, freshBase } from './recipients.ts';
import { contest } from './rounds.ts';
import { type Sealdir, startSealdir } from './sealdir.ts';
import type { Server } from './server.ts';

const LOAD = { recipients: 1, connections: 20, mailboxes: 10 };
const SIZES = [
  {
    bytes: 10_000,
    label: '10 kB',
    goals: { 'Sealdir, 1 process': 1.6, 'Dovecot plaintext': 2, 'Dovecot mail_crypt': 8 },
  },
  { bytes: 100_000, label: '100 kB', goals: { 'Dovecot plaintext': 1.5, 'Dovecot mail_crypt': 5 } },
];

export async function peersInDelivery(bed: Bed): Promise<Part> {
  const leftOut: string[] = [];
  const certificate = await makeCertificate(BASE_KEY);
  const processes = availableParallelism();
  const sealdir = await startSealdir(bed, { toml: { processes } });
  const single = { ...(await startSealdir(bed)), name: 'Sealdir, 1 process' };
  const servers: Server[] = [sealdir, single];
  if (hasDovecot()) servers.push(await startDovecot(bed, 'plaintext'));
  else leftOut.push('dovecot (dovecot-lmtpd is not installed)');
  if (hasDovecot() && hasMailCrypt()) servers.push(await startDovecot(bed, 'mail_crypt'));
  else leftOut.push('the mail_crypt plugin of Dovecot');
  const tables: Table[] = [];
  const bars: Bar[] = [];
  for (const { bytes, label, goals } of SIZES) {
    const found = await compare(bed, [sealdir, single], servers, bytes, certificate);
    tables.push({ title: `delivery, ${label}`, rows: found.map(({ row }) => row) });
    for (const { name, ratio } of found.slice(1)) {
      const goal = (goals as Record<string, number>)[name];
      bars.push({
        label: `${name}, ${label}`,
        value: ratio,
        ...(goal === undefined ? {} : { atLeast: goal }),
      });
    }
  }
  for (const server of servers) await server.stop();
  const generator = generatorFor({ ...LOAD, port: 0, bytes: 0, base: '' });
  return { tables, bars, notes: [`Load generator of the deliveries: ${generator}.`], leftOut };
}

/** Gives each round new mailboxes, since a mailbox that fills up slows down some servers more than others. */
async function compare(
  bed: Bed,
  sites: readonly Sealdir[],
  servers: readonly Server[],
  bytes: number,
  certificate: string,
): Promise<{ name: string; ratio: number; row: Row }[]> {
  const rounds = bed.pick(3, 7);
  const bases = Array.from({ length: rounds + 1 }, freshBase);
  for (const site of sites) {
    for (const base of bases) await site.addRecipients(addresses(base, LOAD.mailboxes), certificate);
  }
  const targetOf = (server: Server, round: number): Target => {
    return { ...LOAD, port: server.port, bytes, base: bases[round] ?? '' };
  };
  const rates = new Map<string, Rate[]>();
  const contestants = [];
  for (const server of servers) {
    bed.progress(`peers: ${server.name}, ${bytes} bytes, warm-up`);
    // In each process V8 goes on compiling during the first ten thousand messages or so.
    const expected = await settle(server, targetOf(server, rounds), bed.pick(6, 40));
    const own: Rate[] = [];
    rates.set(server.name, own);
    const speed = async (round: number) => {
      bed.progress(`peers: ${server.name}, ${bytes} bytes, round ${round + 1} of ${rounds}`);
      const rate = await measure(server, targetOf(server, round), expected, bed.pick(1, 4));
      own.push(rate);
      return rate.perSecond;
    };
    contestants.push({ name: server.name, speed });
  }
  const standings = await contest(contestants, rounds);
  return standings.map(({ name, speed, ratio, spread }) => ({
    name,
    ratio,
    row: {
      server: name,
      'messages/s': short(speed),
      'CPU ms/message': short(median(rates.get(name)?.map((rate) => rate.cpuMsPerMessage) ?? [])),
      'server cores': short(median(rates.get(name)?.map((rate) => rate.cores) ?? [])),
      'Sealdir is x': short(ratio),
      'lowest and highest round': `${short(spread[0])} - ${short(spread[1])}`,
    },
  }));
}
