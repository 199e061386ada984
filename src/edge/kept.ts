/**
 * A process beside the server: it is started again when it has died, and ends with its server, by force if
 * need be. Its first message is what it is to work with, its last one 'stop'.
 */
import { type ChildProcess, fork, type Serializable } from 'node:child_process';
import { performance } from 'node:perf_hooks';

/** One that has died is started again after this long, and after twice as long each time that it does. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
const STOP_WITHIN_MS = 3000;
const MOST_WORDS = 4000;

export interface Death {
  readonly code: number | null;
  readonly signal: string | null;
}

/** One process, for as long as it lives. */
export interface Life<Heard> {
  hear(message: Heard): void;
  ended?(): void;
}

/** `Told`: what it is told besides 'stop'; `Heard`: what it tells. */
export interface KeptOptions<Told extends Serializable, Heard> {
  readonly program: URL;
  /** Returns what it is to work with; undefined: there is nothing to do, and none is started. */
  work(): Told | undefined;
  /** Is called with each that has begun. */
  begun(send: (message: Told) => void): Life<Heard>;
  /** It could not be started. */
  failed(error: Error): void;
  /** What it writes to standard error. */
  said(words: string): void;
  died(how: Death): void;
}

export class Kept<Told extends Serializable, Heard> {
  readonly #options: KeptOptions<Told, Heard>;
  #pauseMs = FIRST_PAUSE_MS;
  #isStopped = false;
  #child: ChildProcess | undefined;
  #renewal: Promise<void> | undefined;

  constructor(options: KeptOptions<Told, Heard>) {
    this.#options = options;
    this.#begin();
  }

  /** Ends it, and starts another one with what there is to work with by then. */
  renew(): void {
    const former = this.#child;
    this.#child = undefined; // its end is no death
    this.#renewal ??= end(former).then(() => {
      this.#renewal = undefined;
      this.#begin();
    });
  }

  /** Resolves when it has ended; one that hangs in the kernel is waited for no longer than some seconds. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([this.#renewal, end(this.#child)]);
  }

  #begin(): void {
    this.#child = undefined;
    const work = this.#isStopped ? undefined : this.#options.work();
    if (work === undefined) return;
    const { program, begun, failed, said } = this.#options;
    const stdio = ['ignore', 'ignore', 'pipe', 'ipc'] as const;
    const child = fork(program, { stdio: [...stdio], execArgv: [], serialization: 'advanced' });
    this.#child = child;
    const startedAt = performance.now();
    send(child, work);
    const life = begun((message) => send(child, message));
    child.on('message', (message) => life.hear(message as Heard));
    child.stderr?.on('data', (words: Buffer) => said(words.toString().slice(0, MOST_WORDS)));
    child.on('error', (error) => {
      failed(error);
      if (child.pid !== undefined) return;
      life.ended?.(); // it has no end
      this.#replace(child, LONGEST_PAUSE_MS);
    });
    child.once('exit', (code, signal) => {
      life.ended?.();
      if (this.#child === child && !this.#isStopped) this.#mourn(child, startedAt, { code, signal });
    });
  }

  #mourn(child: ChildProcess, startedAt: number, how: Death): void {
    this.#options.died(how);
    if (performance.now() - startedAt > LONGEST_PAUSE_MS) this.#pauseMs = FIRST_PAUSE_MS;
    this.#replace(child, this.#pauseMs);
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
  }

  #replace(child: ChildProcess, afterMs: number): void {
    setTimeout(() => {
      if (this.#child === child) this.#begin();
    }, afterMs).unref();
  }
}

/** Resolves when it has ended, or is given up. */
async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null || child.pid === undefined)
    return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  send(child, 'stop');
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  // one that hangs in the kernel does not even end then
  const over = new Promise((resolve) => setTimeout(resolve, 2 * STOP_WITHIN_MS).unref());
  await Promise.race([ended, over]);
  clearTimeout(late);
}

function send(child: ChildProcess, message: Serializable): void {
  if (child.connected) child.send(message, () => {}); // it is gone: its end is told elsewhere
}
