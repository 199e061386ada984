// A real terminal for a test: a program in tmux, with what is typed and what is on the screen. A server of
// its own, so that nobody's sessions are touched.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './process.ts';
import { until } from './until.ts';

/** Machines that run tests are busy. */
const PATIENCE_MS = 120_000;

export interface Terminal {
  /** Types text as it is. */
  type(text: string): Promise<void>;
  /** Presses keys by the names that tmux has for them: `Enter`, `C-c`. */
  press(...keys: readonly string[]): Promise<void>;
  /** Returns all that has been on the screen, without blanks at the ends of lines. */
  screen(): Promise<string>;
  /** Waits until the screen shows this, and returns it. */
  shows(what: RegExp): Promise<string>;
  /** The process that runs in it. */
  pid(): Promise<number>;
  close(): Promise<void>;
}

export interface TerminalOptions {
  readonly cwd: string;
  readonly columns?: number;
}

/** Starts bash in a terminal of 80 columns. */
export async function openTerminal({ cwd, columns = 80 }: TerminalOptions): Promise<Terminal> {
  const directory = await mkdtemp(join(tmpdir(), 'tmux-'));
  const tmux = async (...args: string[]) => {
    const { code, stdout, stderr } = await run('tmux', [
      '-S',
      join(directory, 's'),
      '-f',
      '/dev/null',
      ...args,
    ]);
    if (code !== 0) throw new Error(`tmux ${args[0]}: ${stderr}`);
    return stdout.toString();
  };
  const size = ['-x', String(columns), '-y', '50'];
  await tmux('new-session', '-d', ...size, '-c', cwd, 'env PS1="ready> " bash --norc --noprofile');
  const screen = async () => (await tmux('capture-pane', '-p', '-J', '-S', '-500')).replace(/ +$/gm, '');
  const shows = async (what: RegExp) => {
    let seen = '';
    const isShown = async () => {
      seen = await screen();
      return what.test(seen);
    };
    await until(`the terminal shows ${what}`, isShown, PATIENCE_MS).catch((error: unknown) => {
      throw new Error(`the terminal does not show ${what}, but:\n${seen}`, { cause: error });
    });
    return seen;
  };
  await shows(/ready>$/m);
  return {
    async type(text) {
      await tmux('send-keys', '-l', '--', text);
    },
    async press(...keys) {
      await tmux('send-keys', ...keys);
    },
    screen,
    shows,
    pid: async () => Number(await tmux('display-message', '-p', '#{pane_pid}')),
    async close() {
      await tmux('kill-server').catch(() => undefined); // it ends with its last program
      await rm(directory, { recursive: true, force: true });
    },
  };
}
