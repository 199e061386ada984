/** Lets a command end what it is at when it is interrupted, so that nothing is left half done. */
import { CommandError } from './errors.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs `work`, which calls `pause` wherever it may be left. If a signal has come by then, `pause` throws
 * `interrupted`; work that comes to its end is done.
 */
export async function untilInterrupted<T>(work: (pause: () => void) => Promise<T>): Promise<T> {
  let isInterrupted = false;
  const onSignal = () => {
    isInterrupted = true;
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    return await work(() => {
      if (isInterrupted) throw new CommandError('interrupted', 'interrupted');
    });
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, onSignal);
  }
}
