/**
 * pino, and the only file that knows it. Lines are written synchronously: an asynchronous log
 * loses its last lines just when they matter. What is logged are envelopes and outcomes, never
 * a byte of a message.
 */
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';
import type { Journal, OutcomeLine } from '../core/journal.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export interface Log extends Journal {
  info(what: string, detail?: object): void;
  warn(what: string, detail?: object): void;
}

/** `to` stands in for standard error. */
export function createLog(level: LogLevel, to?: DestinationStream): Log {
  const options = { level, base: null, timestamp: stdTimeFunctions.isoTime } as const;
  const logger: Logger = pino(options, to ?? destination({ fd: 2, sync: true }));
  return {
    outcome(line: OutcomeLine) {
      const isTrouble = line.verdict !== 'stored' && (line.reasons?.length ?? 0) > 0;
      logger[isTrouble ? 'warn' : 'info'](line, line.verdict);
    },
    fault(what, error) {
      const { code, message } = (error ?? {}) as NodeJS.ErrnoException;
      // peers that go away are everyday; everything else is worth a look
      const isEveryday = code === 'ECONNRESET' || code === 'EPIPE' || code === 'ETIMEDOUT';
      logger[isEveryday ? 'debug' : 'error']({ code, error: message ?? String(error) }, what);
    },
    info: (what, detail) => logger.info(detail ?? {}, what),
    warn: (what, detail) => logger.warn(detail ?? {}, what),
  };
}
