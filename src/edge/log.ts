/**
 * The log: one line of JSON for each event, the one use of pino. A line is written before the call returns,
 * as an asynchronous log loses its last lines just when they matter. What is logged are envelopes and
 * outcomes, never a byte of a message. A log that cannot be written never stops a delivery.
 */
import { type Logger, pino, stdTimeFunctions } from 'pino';
import type { OutcomeLine, OutcomeLog } from '../core/outcomelog.ts';
import { visibleJson } from '../core/visible.ts';
import { withoutWaiting } from './descriptor.ts';
import { LineWriter } from './linewriter.ts';
import { inForm, type LogForm } from './logtext.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export interface Log extends OutcomeLog {
  info(what: string, detail?: object): void;
  warn(what: string, detail?: object): void;
  error(what: string, detail?: object): void;
  setLevel(level: LogLevel): void;
  readonly form: LogForm;
  /** Lines that could not be written: the disk is full, or nobody reads the pipe. */
  readonly lostLines: number;
}

/** Where lines go, each with its line end. */
export interface LineSink {
  write(line: string): void;
  /** Lines it could not write. */
  readonly lost?: number;
}

/** Returns the sink that writes to a descriptor, which need not be one that returns at once. */
export function linesTo(fd: number): LineSink {
  return new LineWriter(withoutWaiting(fd));
}

/** Returns a log on standard error, or on `sink`. */
export function createLog(level: LogLevel, sink: LineSink = linesTo(2), form: LogForm = 'json'): Log {
  const options = { level, base: null, timestamp: stdTimeFunctions.isoTime } as const;
  let failed = 0;
  const logger: Logger = pino(options, { write: (line) => sink.write(visibleJson(inForm(line, form))) });
  const write = (how: 'debug' | 'info' | 'warn' | 'error', what: string, detail: object) => {
    try {
      logger[how](detail, what);
    } catch {
      failed++; // counted, and shown by /metrics
    }
  };
  return {
    outcome(line: OutcomeLine) {
      const isTrouble = line.verdict !== 'stored' && (line.reasons?.length ?? 0) > 0;
      write(isTrouble ? 'warn' : 'info', line.verdict, line);
    },
    fault(what, error) {
      const { code, message } = (error ?? {}) as NodeJS.ErrnoException;
      // peers that go away are an everyday event; everything else is worth a look
      const isEveryday = code === 'ECONNRESET' || code === 'EPIPE' || code === 'ETIMEDOUT';
      write(isEveryday ? 'debug' : 'error', what, { code, error: message ?? String(error) });
    },
    info: (what, detail) => write('info', what, detail ?? {}),
    warn: (what, detail) => write('warn', what, detail ?? {}),
    error: (what, detail) => write('error', what, detail ?? {}),
    setLevel(chosen) {
      logger.level = chosen;
    },
    form,
    get lostLines() {
      return failed + (sink.lost ?? 0);
    },
  };
}
