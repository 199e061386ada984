// Several hosts, one store: three Sealdirs on a GlusterFS volume of three copies, with a Postfix that knows
// all of them. Whatever is killed or cut off while mail comes, each copy that Postfix was told 250 for is
// there, and there once, unless a try of it had no answer or a 4yz.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needsGluster } from '../support/gluster.ts';
import { HostSite } from '../support/hostsite.ts';
import { NEEDED, startRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

/** All faults, with more mail, and hosts that remember together in Redis: four minutes, run by name. */
const isWhole = process.env.SEALDIR_HOSTS === '1';
const { skip } = await needsGluster('postfix', 'setpriv', ...(isWhole ? NEEDED : []));

/** Copies that have to be sent before, during and after a fault. */
const SOME = isWhole ? 40 : 15;

const CUTS = isWhole ? 3 : 1;

interface Fault {
  readonly name: string;
  /** Tried by name alone. */
  readonly isRare?: true;
  /** What a copy is answered meanwhile, if not 250 2.0.0. */
  readonly reply?: string;
  begin(site: HostSite): Promise<unknown>;
  /** Mail goes on meanwhile, unless it says otherwise. */
  during?(site: HostSite): Promise<unknown>;
  end(site: HostSite): Promise<unknown>;
}

const FAULTS: readonly Fault[] = [
  {
    name: 'a brick is killed',
    begin: (site) => site.hosts.killBrick(1),
    end: (site) => site.hosts.startBrick(1),
  },
  {
    name: 'a server is killed',
    begin: (site) => site.servers.get(2)?.send('SIGKILL') ?? Promise.reject(new Error('no server')),
    async end(site) {
      await site.servers.get(2)?.stop();
      await site.serve(2);
    },
  },
  {
    name: 'a host is killed, with its brick and its server',
    isRare: true,
    begin: (site) => site.hosts.kill(3),
    async end(site) {
      await site.servers.get(3)?.stop();
      await site.hosts.restart(3);
      await site.serve(3);
    },
  },
  {
    name: 'Redis is killed, and begins again empty',
    isRare: true,
    begin: (site) => site.redis?.kill() ?? Promise.reject(new Error('no Redis')),
    async end(site) {
      await site.redis?.restart();
      await until('hosts remember together', async () => ((await site.redis?.keys()) ?? []).length > 0);
    },
  },
  {
    name: 'a host is cut off and comes back',
    begin: (site) => site.hosts.machine(1).cable(false),
    end: (site) => site.hosts.machine(1).cable(true),
  },
  {
    name: 'two of three bricks are killed, and nothing can be stored',
    isRare: true,
    reply: '451 4.3.0',
    async begin(site) {
      await site.hosts.killBrick(1);
      await site.hosts.killBrick(2);
    },
    during: (site) => site.unready(3),
    end: (site) => site.hosts.startBrick(1),
  },
  {
    name: 'two of three hosts are cut off, and calls hang on the third',
    isRare: true,
    reply: '451 4.3.0',
    async begin(site) {
      for (const number of [1, 2]) await site.hosts.machine(number).cable(false);
    },
    during: (site) => site.unready(3),
    async end(site) {
      for (const number of [1, 2]) await site.hosts.machine(number).cable(true);
    },
  },
  {
    name: 'the volume is full',
    reply: '452 4.3.1',
    begin: (site) => site.hosts.machine(1).sh(`dd if=/dev/zero of=${fill(site, 1)} bs=1M || true`),
    during: (site) => site.unready(2),
    end: (site) => site.hosts.machine(1).sh(`rm ${fill(site, 1)}`),
  },
];

function fill(site: HostSite, number: number): string {
  return `${site.hosts.at(number, 'mnt')}/fill`;
}

describe('hosts with one store', { skip, timeout: 900_000 }, () => {
  let site: HostSite;
  before(async () => {
    site = await HostSite.open({ redis: isWhole ? await startRedis() : undefined });
  });
  after(async () => {
    await site?.close();
    await site?.redis?.stop();
  });

  for (const {
    name,
    reply = '250 2.0.0',
    begin,
    during = (each: HostSite) => each.more(SOME),
    end,
  } of FAULTS.filter(({ isRare }) => isWhole || isRare !== true))
    test(`F53: ${name}: every acknowledged copy is there, and none twice without a reason`, async (t) => {
      const started = Date.now();
      const finish = site.load();
      await site.more(SOME);
      await begin(site);
      await during(site);
      await site.says(reply);
      await end(site);
      await site.more(SOME);
      await finish();
      await site.hosts.healed();
      const { wrong, reasons, ...figures } = await site.account();
      t.diagnostic(`${JSON.stringify(figures)} ${Math.round((Date.now() - started) / 1000)} s`);
      assert.deepEqual(wrong, []);
    });

  // nothing is sent after the last acknowledgement: an fsync of a next message would save this one as well
  test('F53: the power of all bricks is cut: every acknowledged copy is there', async (t) => {
    for (let n = 0; n < CUTS; n++) {
      const finish = site.load();
      await site.more(SOME);
      const cut = site.hosts.armPowerCut();
      await finish();
      await cut();
      await site.stopServers();
      await site.hosts.powerUp();
      const { wrong, reasons, ...figures } = await site.account();
      t.diagnostic(JSON.stringify(figures));
      assert.deepEqual(wrong, []);
      for (const number of [1, 2, 3]) await site.serve(number);
    }
  });
});
