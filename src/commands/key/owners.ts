/** Whose keys these are: by the user IDs that their owners have certified, or as --as says. */
import { readdir } from 'node:fs/promises';
import type { Certificate } from '../../keys/certificates.ts';
import { certifiedUserIds } from '../../keys/description.ts';
import { addressOfUserId, isKeyFile } from '../../keys/names.ts';
import { Lookup } from '../../lookup.ts';
import { CommandError } from '../errors.ts';
import { canonicalOf, type KeySite } from './site.ts';

/** A certificate, and the file that it came in. */
export interface Offered {
  readonly source: string;
  readonly certificate: Certificate;
}

/** Maps addresses to the keys that are for them. Throws CommandError for a key that is for nobody. */
export async function ownersOf(
  offered: readonly Offered[],
  as: string | undefined,
  site: KeySite,
): Promise<Map<string, Certificate[]>> {
  const lookup = new Lookup(site.settings, site.world);
  const recipients = new Recipients(lookup, site);
  const owners = new Map<string, Certificate[]>();
  const add = (address: string, certificate: Certificate) =>
    owners.set(address, [...(owners.get(address) ?? []), certificate]);
  try {
    const meant = as === undefined ? undefined : await recipients.accountOf(as);
    for (const { source, certificate } of offered) {
      if (meant !== undefined) add(meant, certificate);
      else for (const each of await recipients.namedBy(certificate, source)) add(each, certificate);
    }
    return owners;
  } finally {
    await lookup.close();
  }
}

class Recipients {
  readonly #lookup: Lookup;
  readonly #site: KeySite;

  constructor(lookup: Lookup, site: KeySite) {
    this.#lookup = lookup;
    this.#site = site;
  }

  /** Returns the account of an address; of one that nobody has, the address. */
  async accountOf(written: string): Promise<string> {
    const address = canonicalOf(written, this.#site.same);
    return (await this.#find(address))?.address ?? address;
  }

  /** Returns the accounts that a certificate's user IDs name. */
  async namedBy(certificate: Certificate, source: string): Promise<string[]> {
    const userIds = await certifiedUserIds(certificate, this.#site.world.now());
    const named = new Set(userIds.flatMap((id) => addressOfUserId(id, this.#site.same) ?? []));
    const found = new Set<string>();
    for (const address of named) {
      const recipient = await this.#find(address);
      if (recipient !== undefined) found.add(recipient.address);
    }
    if (found.size > 0) return [...found];
    const [only] = named;
    const who = only === undefined ? 'has no user ID with an address' : `is for ${[...named].join(', ')}`;
    const why = only === undefined ? '' : ', who is no recipient';
    throw new CommandError(
      'noUser',
      `${source}: ${certificate.fingerprint} ${who}${why}: say whose key it is with --as ${only ?? 'ADDRESS'}; nothing was changed`,
    );
  }

  /** Returns a recipient. Whoever has mail only because nobody else takes it is none. */
  async #find(address: string): Promise<{ readonly address: string } | undefined> {
    const { settings, path } = this.#site;
    // the first key of a new directory: to a delivery an empty one is a disk that is not mounted
    if (settings.recipients.source === 'keys' && !(await readdir(path)).some(isKeyFile)) return undefined;
    const recipient = await this.#lookup.recipient(address);
    if ('why' in recipient) return undefined;
    if (recipient.keys !== undefined)
      throw new CommandError('data', `${recipient.address}: its keys come from the recipient source`);
    return recipient.address.startsWith('@') && !address.startsWith('@') ? undefined : recipient;
  }
}
