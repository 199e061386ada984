/** Lets a command end what it is at when it is interrupted, so that nothing is left half done. */
import { CommandError } from './errors.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs `work`, which calls `pause` wherever it may be left. If a signal has come by then, `pause` throws
 * `interrupted`; work that comes to its end is done.
 * `onSignal` may end what the work waits for.
 */
export async function untilInterrupted<T>(
  work: (pause: () => void) => Promise<T>,
  onSignal: (signal: NodeJS.Signals) => void = () => undefined,
): Promise<T> {
  let isInterrupted = false;
  const interrupt = (signal: NodeJS.Signals) => {
    isInterrupted = true;
    onSignal(signal);
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  try {
    return await work(() => {
      if (isInterrupted) throw new CommandError('interrupted', 'interrupted');
    });
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, interrupt);
  }
}
