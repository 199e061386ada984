/**
 * The work of checking the signatures of one certificate, on the main thread: it is done in pieces, and ends
 * when as much has been tried as may be.
 */
import type * as openpgp from 'openpgp';
import { type Checked, checkSignature, type Target } from './checks.ts';
import type { RawSignature } from './parts.ts';

// at 0.1 to 2 ms for each, the event loop has its turn after 20 ms at the latest
const CHECKS_AT_ONCE = 8;

export class Effort {
  readonly #primary: openpgp.PublicKeyPacket;
  #trials: number;
  #checks = 0;

  /** `trials`: how often signatures may be tried elsewhere than where they stand. */
  constructor(primary: openpgp.PublicKeyPacket, trials: number) {
    this.#primary = primary;
    this.#trials = trials;
  }

  /** Whether more had to be tried than may be. */
  get isExhausted(): boolean {
    return this.#trials < 0;
  }

  async check(raw: RawSignature, target: Target): Promise<Checked> {
    if (++this.#checks % CHECKS_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
    return checkSignature(raw, this.#primary, target);
  }

  /** Returns undefined if no more may be tried. */
  async try(raw: RawSignature, target: Target): Promise<Checked | undefined> {
    this.#trials--;
    return this.isExhausted ? undefined : this.check(raw, target);
  }
}
