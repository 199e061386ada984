// Compares Sealdir in front of a Dovecot (store.forward) with that Dovecot alone.

import type { Bar, Bench, Row, Table } from './bench.ts';
import { hasDovecot, startDovecot } from './dovecot.ts';
import { generatorFor, type Target } from './generate.ts';
import { BASE_KEY, makeCertificate } from './keys.ts';
import { cpuMs } from './proc.ts';
import { measure, median, settle, short } from './rate.ts';
import { addresses, freshBase } from './recipients.ts';
import { contest } from './rounds.ts';
import { startSealdir } from './sealdir.ts';
import type { Server } from './server.ts';

const LOAD = { recipients: 1, connections: 20, mailboxes: 10 };
const SIZES = [
  { bytes: 10_000, label: '10 kB', atLeast: 0.8 },
  { bytes: 100_000, label: '100 kB' },
];

export const forward: Bench = {
  name: 'forward',
  about: `Sealdir takes mail, seals it and passes it on to a Dovecot over a TCP connection of the loopback; the same load goes
straight into another Dovecot of the same kind. Both take turns, round after round, with fresh mailboxes, and the median
of the ratios within a round counts. 10 mailboxes, 20 connections; Dovecot fsyncs file and directory for every message.
CPU is of all servers on the way of a message; a sealed message is a third larger.`,

  async run(bed) {
    if (!hasDovecot())
      return { tables: [], chart: { title: '', unit: 'x', bars: [] }, notes: [], leftOut: ['dovecot-lmtpd'] };
    const certificate = await makeCertificate(BASE_KEY);
    const [alone, behind] = [await startDovecot(bed, 'plaintext'), await startDovecot(bed, 'plaintext')];
    const store = `forward = "lmtp:inet:127.0.0.1:${behind.port}"`;
    // one process, which is the default for two cores: a second one would only take them from Dovecot
    const sealdir = await startSealdir(bed, { toml: { store } });
    const contestants = [
      { server: sealdir, name: 'Sealdir, then Dovecot', pids: [sealdir.pid, behind.pid] },
      { server: alone, name: 'Dovecot alone', pids: [alone.pid] },
    ];
    const tables: Table[] = [];
    const bars: Bar[] = [];
    for (const { bytes, label, ...goal } of SIZES) {
      const rounds = bed.pick(3, 7);
      const bases = Array.from({ length: rounds + 1 }, freshBase);
      for (const base of bases) await sealdir.addRecipients(addresses(base, LOAD.mailboxes), certificate);
      const targetOf = (server: Server, round: number): Target => ({
        ...LOAD,
        port: server.port,
        bytes,
        base: bases[round] ?? '',
      });
      const costs = new Map<string, number[]>();
      const runners = [];
      for (const { server, name, pids } of contestants) {
        bed.progress(`forward: ${name}, ${label}, warm-up`);
        const expected = await settle(server, targetOf(server, rounds), bed.pick(4, 30));
        const own: number[] = [];
        costs.set(name, own);
        const speed = async (round: number) => {
          bed.progress(`forward: ${name}, ${label}, round ${round + 1} of ${rounds}`);
          const before = pids.map(cpuMs);
          const rate = await measure(server, targetOf(server, round), expected, bed.pick(1, 5));
          const spent = pids.map((pid, at) => cpuMs(pid) - (before[at] ?? 0));
          own.push(spent.reduce((sum, ms) => sum + ms, 0) / rate.messages);
          return rate.perSecond;
        };
        runners.push({ name, speed });
      }
      const rows: Row[] = (await contest(runners, rounds)).map(({ name, speed, ratio, spread }) => {
        if (name === 'Dovecot alone') bars.push({ label, value: ratio, ...goal });
        return {
          way: name,
          'messages/s': short(speed),
          'CPU ms/message': short(median(costs.get(name) ?? [])),
          'Sealdir is x': short(ratio),
          'lowest and highest round': `${short(spread[0])} - ${short(spread[1])}`,
        };
      });
      tables.push({ title: `forward, ${label}`, rows });
    }
    for (const { stop } of [sealdir, alone, behind]) await stop();
    return {
      tables,
      chart: { title: 'Messages a second through Sealdir, as multiple of Dovecot alone', unit: 'x', bars },
      notes: [`Load generator: ${generatorFor({ ...LOAD, port: 0, bytes: 0, base: '' })}.`],
      leftOut: [],
    };
  },
};
