/**
 * pino, and the only file that knows it. Lines are written synchronously: an asynchronous log
 * loses its last lines just when they matter. What is logged are envelopes and outcomes, never
 * a byte of a message.
 */
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';
import type { OutcomeLine, OutcomeLog } from '../core/outcomelog.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export interface Log extends OutcomeLog {
  info(what: string, detail?: object): void;
  warn(what: string, detail?: object): void;
  error(what: string, detail?: object): void;
  setLevel(level: LogLevel): void;
  /** Lines that could not be written, on a full disk for instance. */
  readonly lostLines: number;
}

/** `to` stands in for standard error. A log that cannot be written never stops a delivery. */
export function createLog(level: LogLevel, to?: DestinationStream): Log {
  const options = { level, base: null, timestamp: stdTimeFunctions.isoTime } as const;
  let lostLines = 0;
  const stream = to ?? destination({ fd: 2, sync: true });
  // without this a full disk under the log ends the process between a stored message and its 250
  if ('on' in stream && typeof stream.on === 'function') stream.on('error', () => lostLines++);
  const logger: Logger = pino(options, stream);
  const write = (how: 'debug' | 'info' | 'warn' | 'error', what: string, detail: object) => {
    try {
      logger[how](detail, what);
    } catch {
      lostLines++; // counted, and shown by /metrics
    }
  };
  return {
    outcome(line: OutcomeLine) {
      const isTrouble = line.verdict !== 'stored' && (line.reasons?.length ?? 0) > 0;
      write(isTrouble ? 'warn' : 'info', line.verdict, line);
    },
    fault(what, error) {
      const { code, message } = (error ?? {}) as NodeJS.ErrnoException;
      // peers that go away are everyday; everything else is worth a look
      const isEveryday = code === 'ECONNRESET' || code === 'EPIPE' || code === 'ETIMEDOUT';
      write(isEveryday ? 'debug' : 'error', what, { code, error: message ?? String(error) });
    },
    info: (what, detail) => write('info', what, detail ?? {}),
    warn: (what, detail) => write('warn', what, detail ?? {}),
    error: (what, detail) => write('error', what, detail ?? {}),
    setLevel(chosen) {
      logger.level = chosen;
    },
    get lostLines() {
      return lostLines;
    },
  };
}
