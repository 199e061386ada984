/**
 * Address -> who gets its mail, where it goes and with which keys it is sealed, for the command `lookup` and
 * for the maps of a mail server. Decides as a delivery does, and stores nothing.
 */
import type { Settings } from './config/settings.ts';
import { catchAllOf, parseAddress } from './core/address.ts';
import { type Refusal, refusal } from './core/outcome.ts';
import type { World } from './core/world.ts';
import { type Addressed, resolve } from './delivery/resolve.ts';
import { type KeyRules, type Selection, select } from './delivery/select.ts';
import type { Origin } from './keys/recipientkeys.ts';
import type { KeyEntry } from './keys/source.ts';
import type { Recipient } from './recipients/source.ts';
import { type KeySourceOptions, keyRulesOf, type SiteSources, siteSourcesOf } from './site.ts';

export class Lookup {
  readonly #world: World;
  readonly #sources: SiteSources;
  readonly #keyRules: KeyRules;

  /** The recipient source of `former` stays, if its settings do. */
  constructor(
    settings: Settings,
    world: World,
    options: Pick<KeySourceOptions, 'run'> = {},
    former?: Lookup,
  ) {
    this.#world = world;
    this.#keyRules = keyRulesOf(settings, world, options);
    this.#sources = siteSourcesOf(
      settings,
      world,
      { ...options, pinning: 'never' },
      former === undefined ? undefined : former.#sources,
    );
  }

  /** Tells whether both ask one recipient source, which is closed for both then. */
  sharesSourceWith(other: Lookup): boolean {
    return this.#sources.addressing === other.#sources.addressing;
  }

  /** `@example.com` asks for whoever takes what nobody else there does. Throws if that could not be asked. */
  async recipient(written: string): Promise<Addressed | Refusal> {
    const { recipients, same } = this.#sources.addressing;
    if (written.startsWith('@')) {
      const all = catchAllOf(written.slice(1), same);
      const recipient = all === undefined ? undefined : await recipients.find(all);
      return recipient ?? refusal('unknownRecipient');
    }
    const address = parseAddress(written);
    return address === undefined ? refusal('badRecipient') : resolve(address, this.#sources.addressing);
  }

  /** Returns all keys of a recipient, or undefined. Throws if they could not be asked for. */
  entry(recipient: Recipient): Promise<KeyEntry | undefined> {
    return this.#sources.keys.keysOf(recipient);
  }

  /** Tells whether a recipient has any key, usable or not. Throws if that could not be asked. */
  async hasKey(recipient: Recipient): Promise<boolean> {
    return (await this.#sources.keys.keysOf(recipient)) !== undefined;
  }

  /**
   * Returns the keys that mail for a recipient is sealed with now, and where they are from. Throws if they
   * could not be asked for.
   */
  async keys(recipient: Recipient): Promise<{ selected: Selection | Refusal; origin: Origin | undefined }> {
    const found = await this.#sources.keys.find(recipient);
    const selected = await select(found?.entry, this.#keyRules, this.#world.now(), recipient.unusable);
    return { selected, origin: found?.origin };
  }

  async close(): Promise<void> {
    await this.#sources.addressing.recipients.close?.();
  }
}
