/**
 * The log: one line of JSON for each event, the one use of pino. A line is written before the call returns,
 * as an asynchronous log loses its last lines just when they matter. What is logged are envelopes and
 * outcomes, never a byte of a message but the id that the mail server gave it (mime/queueid.ts). A log that
 * cannot be written never stops a delivery.
 */
import { type Logger, pino, stdTimeFunctions } from 'pino';
import type { Level } from '../core/eventrow.ts';
import type { DetailOf, EventName, EventOf, Say } from '../core/events.ts';
import type { Hiding } from '../core/hiding.ts';
import type { OutcomeLine, OutcomeLog } from '../core/outcomelog.ts';
import { visibleJson } from '../core/visible.ts';
import { withoutWaiting } from './descriptor.ts';
import { hider } from './hide.ts';
import { LineWriter } from './linewriter.ts';
import { inForm, type LogForm } from './logtext.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export interface Log extends OutcomeLog {
  readonly say: Say;
  info<E extends EventOf<'info'>>(event: E, detail?: DetailOf<E>): void;
  warn<E extends EventOf<'warn'>>(event: E, detail?: DetailOf<E>): void;
  error<E extends EventOf<'error'>>(event: E, detail?: DetailOf<E>): void;
  setLevel(level: LogLevel): void;
  /** For another log of the same server. */
  readonly setup: LogSetup;
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

export interface LogSetup {
  readonly form?: LogForm | undefined;
  /** Left out: addresses are logged as they are. */
  readonly hiding?: Hiding | undefined;
}

/** Returns a log on standard error, or on `sink`. */
export function createLog(level: LogLevel, setup: LogSetup = {}, sink: LineSink = linesTo(2)): Log {
  const { form = 'json', hiding } = setup;
  const hide = hiding === undefined ? (_: EventName, detail: object) => detail : hider(hiding);
  let failed = 0;
  const logger: Logger = pino(
    { level, base: null, timestamp: stdTimeFunctions.isoTime },
    { write: (line) => sink.write(visibleJson(inForm(line, form))) },
  );
  const write = (how: Level, event: EventName, detail: object) => {
    if (!logger.isLevelEnabled(how)) return;
    try {
      logger[how](hide(event, detail), event);
    } catch {
      failed++; // counted, and shown by /metrics
    }
  };
  return {
    outcome(line: OutcomeLine) {
      const isTrouble = line.verdict !== 'stored' && (line.reasons?.length ?? 0) > 0;
      write(isTrouble ? 'warn' : 'info', line.verdict, line);
    },
    fault(event, error) {
      const { code, message } = (error ?? {}) as NodeJS.ErrnoException;
      // peers that go away are an everyday event; everything else is worth a look
      const isEveryday = code === 'ECONNRESET' || code === 'EPIPE' || code === 'ETIMEDOUT';
      write(isEveryday ? 'debug' : 'error', event, { code, error: message ?? String(error) });
    },
    say: write,
    info: (event, detail) => write('info', event, detail ?? {}),
    warn: (event, detail) => write('warn', event, detail ?? {}),
    error: (event, detail) => write('error', event, detail ?? {}),
    setLevel(chosen) {
      logger.level = chosen;
    },
    setup,
    get lostLines() {
      return failed + (sink.lost ?? 0);
    },
  };
}
