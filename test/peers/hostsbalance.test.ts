// Mail for several hosts is spread over them, by Postfix itself and by HAProxy, with the settings of config/.
// Hosts are stopped and started one after the other while it comes, as in an upgrade: nothing is deferred.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { needsGluster } from '../support/gluster.ts';
import { HostSite, METRICS, NAME, PORT } from '../support/hostsite.ts';
import { shipped } from '../support/mailhost.ts';
import { accepts, freePort } from '../support/port.ts';
import { type Running, run, start } from '../support/process.ts';

const { skip } = await needsGluster('postfix', 'setpriv', 'haproxy');
const SOME = 30;
/** The program of another version, run by name: hosts begin with it and are upgraded while mail comes. */
const FORMER = process.env.SEALDIR_FORMER_CLI;

/** Returns the settings of a file of config/postfix, without where mail goes. */
function settingsOf(file: string): Record<string, string> {
  const rows = [...shipped(file).matchAll(/^(\w+) = (.*)$/gm)].map(([, name = '', value = '']) => [
    name,
    value,
  ]);
  return Object.fromEntries(rows.filter(([name]) => !/transport|tls/.test(name ?? '')));
}

describe('mail for three hosts', { skip, timeout: 900_000 }, () => {
  let site: HostSite;
  let haproxy: Running | undefined;
  before(async () => {
    site = await HostSite.open({ cli: FORMER });
  });
  after(async () => {
    await haproxy?.stop();
    await site?.close();
  });

  /** Starts HAProxy with our file, where only the addresses are others. */
  async function balance(): Promise<string> {
    const port = await freePort();
    const text = [1, 2, 3].reduce(
      (all, number) => all.replace(`192.0.2.${number}:2424`, `${site.hosts.network.address(number)}:${PORT}`),
      shipped('haproxy/sealdir.cfg').replace(':2424', `:${port}`).replace('port 9464', `port ${METRICS}`),
    );
    const file = join(site.hosts.directory, 'haproxy.cfg');
    await writeFile(file, text);
    const { code, stderr } = await run('haproxy', ['-c', '-f', file]);
    assert.equal(code, 0, stderr);
    haproxy = await start('haproxy', ['-db', '-f', file], { ready: () => accepts(port) });
    return `inet:127.0.0.1:${port}`;
  }

  /** Returns the sum over all hosts, as `sum(sealdir_recipients_total{verdict="stored"})` does it. */
  async function stored(): Promise<readonly number[]> {
    return Promise.all(
      [1, 2, 3].map(async (number) => {
        const text = await site.ask(number, '/metrics');
        const rows = text.matchAll(/^sealdir_recipients_total\{[^}]*verdict="stored"[^}]*\} (\d+)/gm);
        return [...rows].reduce((sum, [, value]) => sum + Number(value), 0);
      }),
    );
  }

  for (const [way, next] of [
    ['a name with the addresses of all', async () => `inet:${NAME}:${PORT}`],
    ['HAProxy', balance],
  ] as const)
    test(`by ${way}: each host has its share, and hosts are stopped and started without a deferred message`, async (t) => {
      await site.connect(await next(), settingsOf('postfix/hosts.main.cf'));
      const earlier = await stored();
      const finish = site.load();
      await site.more(2 * SOME);
      await finish();
      const shares = (await stored()).map((count, n) => count - (earlier[n] ?? 0));
      const first = await site.account();
      t.diagnostic(`shares: ${shares.join(', ')} of ${first.sent}`);
      assert.equal(
        shares.reduce((sum, each) => sum + each),
        first.sent,
      );
      assert.ok(shares.every((share) => share > 0));

      const finishAgain = site.load();
      for (const number of [1, 2, 3]) {
        await site.more(SOME);
        const server = site.servers.get(number);
        await server?.send('SIGTERM');
        assert.equal(await server?.ended, 0);
        await site.more(SOME);
        await site.serve(number);
        await site.ready(number);
      }
      await finishAgain();
      const { wrong, reasons, ...figures } = await site.account();
      t.diagnostic(JSON.stringify(figures));
      assert.deepEqual([wrong, reasons], [[], []]);
      assert.equal(figures.repeated, 0);
    });
});
