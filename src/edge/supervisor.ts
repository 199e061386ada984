/**
 * What systemd is told of a service (sd_notify(3)): that it has started, that it stops, and now and then that
 * it is well. systemd-notify(1) tells it, since Node has no datagrams on Unix sockets; it comes with systemd.
 */
import { execFile } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';

/** What systemd says of itself in the environment. */
export interface Supervision {
  /** How long it waits for a sign of life before it starts the service anew, in ms (WATCHDOG_USEC). */
  readonly watchdogMs: number | undefined;
}

/** A program that tells a word, and then waits until systemd has read it. */
const TELL_MS = 10_000;
/** So that one sign may be lost. */
const SIGNS = 3;
const AGAIN_MS = 1000;

export class Supervisor {
  readonly #supervision: Supervision | undefined;
  readonly #trouble: (error: Error) => void;
  #isStopping = false;
  #signs: NodeJS.Timeout | undefined;

  /** Without supervision nothing is told. `trouble`: systemd could not be told. */
  constructor(supervision: Supervision | undefined, trouble: (error: Error) => void) {
    this.#supervision = supervision;
    this.#trouble = trouble;
  }

  /** Says that the service has started; from now on, that it is well whenever `isWell` says so. */
  ready(isWell: () => Promise<boolean>): void {
    void this.#tellReady();
    const { watchdogMs } = this.#supervision ?? {};
    if (watchdogMs === undefined) return;
    let isAsking = false;
    const sign = async () => {
      if (isAsking) return;
      isAsking = true;
      if (await isWell()) await this.#tell('WATCHDOG=1');
      isAsking = false;
    };
    this.#signs = setInterval(sign, watchdogMs / SIGNS).unref();
  }

  /** Says that it stops. systemd waits for no sign any more. */
  stopping(): void {
    this.#isStopping = true;
    clearInterval(this.#signs);
    void this.#tell('STOPPING=1');
  }

  /** Says it until systemd has heard it, which ends a service that it believes never to have started. */
  async #tellReady(): Promise<void> {
    while (!this.#isStopping && !(await this.#tell('READY=1')))
      await pause(AGAIN_MS, undefined, { ref: false });
  }

  /** Resolves to whether it could be told. */
  #tell(word: string): Promise<boolean> {
    if (this.#supervision === undefined) return Promise.resolve(true);
    return new Promise((resolve) => {
      execFile('systemd-notify', [word], { timeout: TELL_MS }, (error) => {
        if (error !== null) this.#trouble(error);
        resolve(error === null);
      });
    });
  }
}
