// Several hosts with one store and one Redis: servers, each with a configuration, state and sockets.

import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { parseSettings } from '../../src/config/load.ts';
import type { OutcomeLine } from '../../src/core/outcomelog.ts';
import { createLog } from '../../src/edge/log.ts';
import { serve } from '../../src/server/serve.ts';
import { makeSite, tomlFor } from './sealdir.ts';

export interface Host {
  readonly socketPath: string;
  readonly log: readonly string[];
  outcomes(): OutcomeLine[];
  metrics(): Promise<string>;
  stop(): Promise<void>;
}

export interface SharedSite {
  /** What all hosts have: `mail`, `keys`, `secret`. */
  readonly directory: string;
  /** Writes the configuration of a host with a directory of its own; returns its path. */
  configure(name: string, store: string, processes?: number): Promise<string>;
  /** Starts one in this process. `store`: lines of that section, with state = "URL". */
  start(name: string, store: string): Promise<Host>;
  /** Names of the messages of an account. */
  stored(local: string): Promise<string[]>;
}

export async function openSharedSite(
  t: TestContext,
  keys: Readonly<Record<string, Uint8Array | string>>,
): Promise<SharedSite> {
  const directory = await makeSite(keys);
  t.after(() => rm(directory, { recursive: true, force: true }));
  await writeFile(join(directory, 'secret'), `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  const textFor = async (name: string, store: string, processes = 1) => {
    const own = join(directory, name);
    await mkdir(own, { recursive: true });
    const [url = ''] = /^state = "(.*)"$/m.exec(store)?.slice(1) ?? [];
    const state = `state = ${JSON.stringify([join(own, 'state'), url])}`;
    const secret = `state_secret = ${JSON.stringify(join(directory, 'secret'))}`;
    return tomlFor(own, {
      hostname: `${name}.example.com`,
      toml: { duplicates: '1h', processes, store: `${secret}\n${store.replace(/^state = .*$/m, '')}` },
    })
      .replace(/^state = .*\/state"$/m, state)
      .replaceAll(join(own, 'mail'), join(directory, 'mail'))
      .replaceAll(join(own, 'keys"'), join(directory, 'keys"'));
  };
  return {
    directory,
    async configure(name, store, processes) {
      const text = await textFor(name, store, processes);
      const file = join(directory, name, 'sealdir.toml');
      await writeFile(file, text);
      return file;
    },
    async start(name, store) {
      const loaded = parseSettings(await textFor(name, store), 'test.toml', { hostname: name });
      if (!loaded.ok) throw new Error(loaded.errors.map(({ message }) => message).join('\n'));
      const log: string[] = [];
      const said = createLog('debug', {}, { write: (line) => log.push(line) });
      const running = await serve(loaded.settings, said, []);
      let isStopped = false;
      const stop = async () => {
        if (!isStopped) await running.stop(0);
        isStopped = true;
      };
      t.after(stop);
      return {
        socketPath: join(directory, name, 'lmtp.sock'),
        log,
        outcomes: () =>
          log.map((line) => JSON.parse(line) as OutcomeLine).filter(({ verdict }) => verdict !== undefined),
        metrics: async () => (await fetch(`http://${running.metrics}/metrics`)).text(),
        stop,
      };
    },
    stored: (local) => readdir(join(directory, 'mail/example.com', local, 'new')).catch(() => []),
  };
}
