// Starts the program as a service of systemd, by supervise.py, where no systemd runs.

import { join } from 'node:path';
import { CLI } from './child.ts';
import { type Running, start } from './process.ts';
import { repositoryRoot } from './shared.ts';
import { until } from './until.ts';

export interface Service {
  /** What it listens on for the program, by the name that it passes with it. */
  readonly sockets: readonly ({ readonly name: string } & (
    | { readonly path: string }
    | { readonly port: number }
  ))[];
  /** The path of the socket on which it is told how things go. */
  readonly notify: string;
  /** How often it expects a sign of life, in ms. */
  readonly watchdog?: number;
}

export interface Supervised extends Running {
  /** How often it was told this. */
  told(word: string): number;
  /** Stops the program and starts it again; resolves when it says that it is ready. */
  restart(): Promise<void>;
}

/** Resolves when it says that it is ready. `program`: another one than `sealdir serve` with `args`. */
export async function startService(
  service: Service,
  args: readonly string[],
  program: readonly string[] = [process.execPath, CLI, 'serve'],
  env: Record<string, string> = {},
): Promise<Supervised> {
  const script = join(repositoryRoot(), 'test/support/supervise.py');
  const ready = (output: string) => output.includes('told READY=1');
  const running = await start('python3', [script, JSON.stringify(service), ...program, ...args], {
    ready,
    env,
  });
  const told = (word: string) => running.output().split(`told ${word}\n`).length - 1;
  return {
    ...running,
    told,
    async restart() {
      const before = told('READY=1');
      running.signal('SIGUSR1');
      const isReady = () => told('READY=1') > before;
      await until('it is ready again', isReady, 30_000).catch((error: unknown) => {
        throw new Error(`it did not start again: ${running.output()}`, { cause: error });
      });
    },
  };
}
