// A private rspamd with the files of config/rspamd, as Postfix's milter on a free port of 127.0.0.1.
//
// It needs root, since rspamd changes users. Nothing leaves the machine: its only name server is one of the
// test, which answers every question with "no such name". A short list of top-level domains stands for the
// long one, whose compilation takes 20 seconds.

import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { shipped } from './mailhost.ts';
import { startNameServer } from './nameserver.ts';
import { accepts, freePort } from './port.ts';
import { run, start } from './process.ts';
import { repositoryRoot } from './shared.ts';
import { makeTraversable } from './traversable.ts';

export interface Rspamd {
  readonly port: number;
  log(): string;
  stop(): Promise<void>;
}

const USER = '_rspamd';

/** Its files go to `<dir>/rspamd`. `dkimKeys` maps names such as `example.com.mail.key` to private keys. */
export async function startRspamd(dir: string, dkimKeys: Readonly<Record<string, string>>): Promise<Rspamd> {
  const home = join(dir, 'rspamd');
  const port = await freePort();
  const names = await startNameServer([]); // knows no name at all
  await makeTraversable(dir);
  for (const name of ['', 'local.d', 'db', 'run', 'log', 'dkim']) await mkdir(join(home, name));
  const write = (file: string, text: string) => writeFile(join(home, file), text);
  for (const [file, key] of Object.entries(dkimKeys)) await write(`dkim/${file}`, key);
  for (const file of await readdir(join(repositoryRoot(), 'config/rspamd/local.d'))) {
    const text = shipped(`rspamd/local.d/${file}`)
      .replace(':11332', `:${port}`)
      .replace('"/var/lib/rspamd/dkim/', `"${home}/dkim/`);
    await write(`local.d/${file}`, text);
  }
  await write('local.d/worker-controller.inc', `bind_socket = "${home}/run/controller.sock mode=0600";\n`);
  await write('tld', 'com\norg\ntest\n');
  await write(
    'local.d/options.inc',
    `enable_test_patterns = true;
url_tld = "${home}/tld";
dns { nameserver = ["${names.address}"]; }
`,
  );
  await run('chown', ['-R', `${USER}:${USER}`, home]);
  const log = () => {
    const file = join(home, 'log/rspamd.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };
  const places = Object.entries({ LOCAL_CONFDIR: '', DBDIR: 'db', RUNDIR: 'run', LOGDIR: 'log' });
  const running = await start(
    'rspamd',
    [
      ...['-f', '-u', USER, '-g', USER, '-c', '/etc/rspamd/rspamd.conf'],
      ...places.map(([name, below]) => `--var=${name}=${join(home, below)}`),
    ],
    { ready: () => accepts(port), log, graceMs: 1000 },
  ).catch(async (error: unknown) => {
    await names.stop();
    throw error;
  });
  let isStopped = false;
  return {
    port,
    log,
    async stop() {
      if (isStopped) return;
      isStopped = true;
      await running.stop();
      await names.stop();
    },
  };
}
