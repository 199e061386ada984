/**
 * Address -> who gets its mail, where it goes and with which keys it is sealed, for the command `lookup` and
 * for the maps of a mail server. Decides as a delivery does, and stores nothing.
 */
import type { Settings } from './config/settings.ts';
import { catchAllOf, parseAddress } from './core/address.ts';
import { type Refusal, refusal } from './core/outcome.ts';
import type { World } from './core/world.ts';
import { type Addressing, resolve } from './delivery/resolve.ts';
import { select } from './delivery/select.ts';
import type { DirectoryOptions } from './keys/directory.ts';
import type { SealingKeys } from './keys/sessionkeys.ts';
import type { KeyEntry, KeySource } from './keys/source.ts';
import type { Recipient } from './recipients/source.ts';
import { addressingOf, keyDirectoryOf, keyRulesOf, keySourceOf } from './site.ts';

export class Lookup {
  readonly #settings: Settings;
  readonly #world: World;
  readonly #addressing: Addressing;
  readonly #keys: KeySource;

  constructor(settings: Settings, world: World, options: DirectoryOptions = {}) {
    const directory = keyDirectoryOf(settings, world, options);
    this.#settings = settings;
    this.#world = world;
    this.#addressing = addressingOf(settings, directory, world);
    this.#keys = keySourceOf(directory);
  }

  /** `@example.com` asks for whoever takes what nobody else there does. Throws if that could not be asked. */
  async recipient(written: string): Promise<Recipient | Refusal> {
    const { recipients, same } = this.#addressing;
    if (written.startsWith('@')) {
      const all = catchAllOf(written.slice(1), same);
      const recipient = all === undefined ? undefined : await recipients.find(all);
      return recipient ?? refusal('unknownRecipient');
    }
    const address = parseAddress(written);
    return address === undefined ? refusal('badRecipient') : resolve(address, this.#addressing);
  }

  /** Returns all keys of a recipient, or undefined. Throws if they could not be asked for. */
  entry(recipient: Recipient): Promise<KeyEntry | undefined> {
    return this.#keys.keysOf(recipient);
  }

  /** Tells whether a recipient has any key, usable or not. Throws if that could not be asked. */
  async hasKey(recipient: Recipient): Promise<boolean> {
    return (await this.#keys.keysOf(recipient)) !== undefined;
  }

  /** Returns the keys that mail for a recipient is sealed with now. Throws if they could not be asked for. */
  async keys(recipient: Recipient): Promise<SealingKeys | Refusal> {
    const entry = await this.#keys.keysOf(recipient);
    return select(entry, keyRulesOf(this.#settings), this.#world.now());
  }

  async close(): Promise<void> {
    await this.#addressing.recipients.close?.();
  }
}
