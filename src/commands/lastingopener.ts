/**
 * The opener of a program that goes on for days: gpg-agent may end meanwhile, by an update of GnuPG or by
 * its user, and is then connected to anew. A key file is read once.
 */
import type { NamedOpener, SessionKey } from '../keys/opening.ts';
import { CommandError } from './errors.ts';

export class LastingOpener implements NamedOpener {
  readonly name: string;
  readonly #renew: () => Promise<NamedOpener>;
  #current: Promise<NamedOpener>;
  #isClosed = false;

  constructor(first: NamedOpener, renew: () => Promise<NamedOpener>) {
    this.name = first.name;
    this.#current = Promise.resolve(first);
    this.#renew = renew;
  }

  async sessionKeyOf(sealed: readonly Uint8Array[]): Promise<SessionKey> {
    const current = this.#current;
    try {
      return await (await current).sessionKeyOf(sealed);
    } catch (error) {
      const hasLeft = error instanceof CommandError && error.kind === 'tempFail';
      if (!hasLeft || this.#isClosed) throw error;
      // the first of those who find this out renews it for all
      if (this.#current === current) {
        current.then((opener) => opener.close()).catch(() => undefined);
        this.#current = this.#renew();
      }
      return (await this.#current).sessionKeyOf(sealed);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#current.then((opener) => opener.close()).catch(() => undefined);
  }
}
