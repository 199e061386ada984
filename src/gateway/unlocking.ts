/**
 * The key of one user in their process: opened by the first password or code that fits, and open as long as
 * the process lives. What has opened it is recognised again by a keyed hash, so that the five connections of
 * a phone cost one derivation; the key of that hash is of this process, and gone with it.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { withKeyFor } from '../custody/box.ts';
import { COST, type Derivations, SALT_BYTES } from '../custody/kdf.ts';
import { type Named, readWrapped } from '../custody/place.ts';
import { type Opened, openSlot, secretOf, slotsFor, unwrapKey } from '../custody/slot.ts';
import { upstreamPassword } from '../custody/upstream.ts';
import type { WrappedFile } from '../custody/wrappedfile.ts';
import { readTransferableKey } from '../keys/transferable.ts';
import { type Account, accountOf, type SealingRules } from './account.ts';

/** What has opened the key. */
interface Known {
  readonly mac: Buffer;
  /** Of its slot: one that was revoked opens nothing any more. */
  readonly slotId: string;
  readonly wrap: Buffer;
}

/** The wrapped file has another key now than the one that is open here, which must not serve it. */
export class ReplacedError extends Error {}

export interface UnlockingParts extends SealingRules {
  readonly place: Required<Named>;
  readonly derivations: Derivations;
  /** For a user without a wrapped file. Left out: none of those logs in. */
  readonly withoutKey?: (() => Account) | undefined;
}

export class Unlocking {
  readonly #parts: UnlockingParts;
  readonly #macKey = randomBytes(32);
  readonly #known: Known[] = [];
  #account: Account | undefined;
  /** Of a user who has no wrapped file: what opens the key of one who has is another one. */
  #withoutKey: Account | undefined;
  /** Of what the wrapped file had in its box when it was opened. */
  #inside: Buffer | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: UnlockingParts) {
    this.#parts = parts;
  }

  /**
   * Resolves to undefined for a wrong password, after as long whether there is a file or not; and for one
   * that is not known yet, if nothing is to be derived. Throws ReplacedError, TooBusyError,
   * WrappedFileError, or what the file system says.
   */
  async unlock(password: Buffer, derives = true): Promise<Account | undefined> {
    const file = await readWrapped(this.#parts.place);
    if (file === undefined && this.#parts.withoutKey !== undefined) {
      if (this.#account !== undefined)
        throw new ReplacedError('the wrapped file is gone, and its key is open');
      this.#withoutKey ??= this.#parts.withoutKey();
      return this.#withoutKey; // the server behind judges the password
    }
    if (file !== undefined && this.#isKnown(file, password)) return this.#account;
    if (!derives) return undefined;
    // one after the other: the second of two that begin at once finds what the first has opened
    const turn = this.#turn.then(() => this.#open(file, password));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  close(): void {
    this.#account?.close();
    this.#macKey.fill(0);
  }

  #isKnown(file: WrappedFile, password: Buffer): boolean {
    const mac = this.#macOf(password);
    return this.#known.some(
      (each) =>
        timingSafeEqual(each.mac, mac) &&
        file.slots.some(({ id, wrap }) => id === each.slotId && wrap.sealed.equals(each.wrap)),
    );
  }

  #macOf(...pieces: readonly Buffer[]): Buffer {
    const mac = createHmac('sha256', this.#macKey);
    for (const piece of pieces) mac.update(piece);
    return mac.digest();
  }

  async #open(file: WrappedFile | undefined, password: Buffer): Promise<Account | undefined> {
    if (file !== undefined && this.#isKnown(file, password)) return this.#account;
    const opened = await this.#tried(file, password);
    if (file === undefined || opened === undefined) return undefined;
    const secretKey = unwrapKey(file, opened.master);
    const upstream = upstreamPassword(file, opened.master);
    const cacheKey = withKeyFor('cache', opened.master, (key) => Buffer.from(key));
    opened.master.fill(0);
    if (secretKey === undefined || upstream === undefined) return undefined;
    const inside = this.#macOf(Buffer.from(upstream), cacheKey, secretKey);
    if (this.#inside !== undefined && !timingSafeEqual(this.#inside, inside)) {
      secretKey.fill(0);
      throw new ReplacedError('another key is open');
    }
    this.#inside = inside;
    if (this.#account === undefined) {
      const { rules, world } = this.#parts;
      const { certificate } = await readTransferableKey(secretKey, async () => undefined);
      this.#account = { ...(await accountOf(secretKey, certificate, { rules, world })), upstream, cacheKey };
    } else secretKey.fill(0);
    const { id: slotId, wrap } = opened.slot;
    this.#known.push({ mac: this.#macOf(password), slotId, wrap: wrap.sealed });
    return this.#account;
  }

  /** Costs a derivation at least, so that the time does not tell who has a file, or which kinds of slots. */
  async #tried(file: WrappedFile | undefined, password: Buffer): Promise<Opened | undefined> {
    const { derivations } = this.#parts;
    const secret = secretOf(password.toString('utf8'));
    try {
      if (file !== undefined && slotsFor(file, secret).length > 0)
        return await openSlot(file, secret, derivations);
      const salt = randomBytes(SALT_BYTES);
      (await derivations.derive(password, { name: 'scrypt', ...COST, salt })).fill(0);
      return undefined;
    } finally {
      secret.bytes.fill(0);
    }
  }
}
