/**
 * The processes of the gateway: how they begin and end. They are ended by force, since they have nothing to
 * finish and hold what has to be forgotten; and they end by themselves with the gateway.
 */
import { type ChildProcess, fork } from 'node:child_process';

/**
 * Ends a process at once, but for a last word of the front. It is told from what the kernel does for want of
 * memory.
 */
const ENDED_BY_US = 'SIGUSR2';

/** Whoever has a last word has so long for it. */
const LAST_WORD_MS = 1000;

/** Begins a process with a module of this room. Throws if the system has none to give. */
export function begin(
  module: './frontprocess.js' | './userprocess.js',
  environment: NodeJS.ProcessEnv,
): ChildProcess {
  const child = fork(new URL(module, import.meta.url), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: environment,
  });
  child.on('error', () => undefined); // its end is told
  if (child.pid === undefined) throw new Error('the system begins no process');
  return child;
}

export function end(child: ChildProcess): void {
  child.kill(ENDED_BY_US);
  setTimeout(() => child.kill('SIGKILL'), LAST_WORD_MS).unref();
}

/** Calls `ended` if a process ends that nobody has ended. */
export function onLost(
  child: ChildProcess,
  ended: (code: number | null, signal: NodeJS.Signals | null) => void,
): void {
  child.once('exit', (code, signal) => {
    if (signal !== ENDED_BY_US) ended(code, signal);
  });
}

/**
 * For the process itself: it ends with its parent or by it, and with nothing else. `lastWord` is called
 * before, and cannot wait for anything.
 */
export function endWithParent(lastWord?: () => void): void {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
  process.once('disconnect', () => {
    try {
      lastWord?.();
    } finally {
      process.kill(process.pid, 'SIGKILL'); // at once: it holds what is secret
    }
  });
  if (lastWord === undefined) return;
  process.once(ENDED_BY_US, () => {
    try {
      lastWord();
    } finally {
      process.kill(process.pid, ENDED_BY_US); // which nobody handles any more
    }
  });
}
