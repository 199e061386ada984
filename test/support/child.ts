// Runs the program as an operator does: `sealdir serve -c FILE` in a process of its own.

import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { childPids, told } from './proc.ts';
import { type Running, start } from './process.ts';
import { makeSite, type ServerOptions, tomlFor } from './sealdir.ts';
import { repositoryRoot } from './shared.ts';

export const CLI = join(repositoryRoot(), 'dist/src/sealdir.cjs');

export interface ChildServer {
  readonly directory: string;
  readonly socketPath: string;
  /** TCP on 127.0.0.1. */
  readonly port: number;
  readonly process: Running;
  /** Process ids of its workers. */
  workers(): number[];
  /** Base URL of /metrics. */
  metrics(): string;
  /** Highest resident set so far, in bytes. */
  peakRss(): number;
  /** Ends the server and removes its directory. Resolves to the exit code. */
  stop(): Promise<number>;
}

export interface ChildOptions extends ServerOptions {
  /** Is called before the server starts. */
  prepare?(directory: string): Promise<void>;
}

export async function startChild(options: ChildOptions = {}): Promise<ChildServer> {
  const directory = await makeSite(options.keys, options.parent, options.keyLinks);
  const config = join(directory, 'sealdir.toml');
  await writeFile(config, tomlFor(directory, options));
  await options.prepare?.(directory);
  const ready = (output: string) => output.includes('"msg":"listening"');
  // without /usr/sbin: the check after a start asks the mail servers of this machine, at the price of a start
  const env = { PATH: '/usr/bin:/bin' };
  const process = await start(globalThis.process.execPath, [CLI, 'serve', '-c', config], { ready, env });
  return {
    directory,
    socketPath: join(directory, 'lmtp.sock'),
    port: Number(/"127\.0\.0\.1:(\d+)"\]/.exec(process.output())?.[1]),
    process,
    workers: () => childrenOf(process.pid),
    metrics: () => `http://${/"metrics":"([^"]+)"/.exec(process.output())?.[1]}`,
    peakRss() {
      const [, kib] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${process.pid}/status`, 'utf8')) ?? [];
      return Number(kib) * 1024;
    },
    async stop() {
      const code = await process.stop();
      await rm(directory, { recursive: true, force: true });
      return code;
    },
  };
}

/**
 * Returns the process ids of a server's workers: its children without the prlimit of its start, what tells
 * systemd, the look at its settings, the keeper of its keys, and what is about to become one of these.
 */
export function childrenOf(pid: number): number[] {
  const own = told(pid, 'cmdline');
  return childPids(pid).filter((child) => {
    const command = told(child, 'cmdline');
    if (/^$|prlimit|systemd-notify|(check|key)process\.js/.test(command)) return false;
    return command !== own || told(child, 'environ').includes('NODE_UNIQUE_ID=');
  });
}
