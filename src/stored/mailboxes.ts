/**
 * The mailboxes that are there, and whose each is: found by the template of the store, or asked for one by
 * one. Whoever has no usable key has their mailbox left alone, and is told.
 */
import { lstat, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { headerPolicyRule } from '../config/rules.ts';
import type { Settings } from '../config/settings.ts';
import { textOfSegment } from '../core/address.ts';
import type { HeaderPolicy } from '../core/headerpolicy.ts';
import type { World } from '../core/world.ts';
import type { Selection } from '../delivery/select.ts';
import { Lookup } from '../lookup.ts';
import { MailboxPaths } from '../maildir/mailboxpaths.ts';
import { splitTemplate } from '../maildir/template.ts';
import { pathsOf } from '../site.ts';

export interface Mailbox {
  readonly address: string;
  readonly path: string;
  readonly keys: Selection;
  readonly headerPolicy: HeaderPolicy;
}

/** A mailbox that is left alone. `of`: an address, or a path whose owner is not known. */
export interface Unsealable {
  readonly of: string;
  readonly why: string;
}

export interface Found {
  readonly mailboxes: readonly Mailbox[];
  readonly unsealable: readonly Unsealable[];
}

const REAL = { isDirectory };

/** Finds the mailboxes of these addresses; undefined: all. Throws if the template cannot be followed. */
export async function findMailboxes(
  settings: Settings,
  world: World,
  addresses: readonly string[] | undefined,
): Promise<Found> {
  const { maildir } = pathsOf(settings);
  const { roots, folder } = settings.recipients;
  const finder = new Finder(settings, new Lookup(settings, world));
  try {
    if (addresses !== undefined) for (const address of addresses) await finder.add(address);
    else {
      const { root, segments } = splitTemplate(maildir);
      for await (const { path, address } of below(root, segments, {})) await finder.add(address, path);
      for (const each of roots)
        finder.leave(resolve(each, folder), 'the source of recipients places mailboxes there: name them');
    }
    return finder;
  } finally {
    await finder.close();
  }
}

export class Finder implements Found {
  readonly mailboxes: Mailbox[] = [];
  readonly unsealable: Unsealable[] = [];
  readonly #settings: Settings;
  readonly #lookup: Lookup;
  readonly #paths: MailboxPaths;
  readonly #seen = new Set<string>();

  constructor(settings: Settings, lookup: Lookup) {
    this.#settings = settings;
    this.#lookup = lookup;
    const { roots, folder } = settings.recipients;
    this.#paths = new MailboxPaths(pathsOf(settings).maildir, roots, folder);
  }

  /** `path`: where a mailbox was found that seems to be of this address. */
  async add(address: string, path?: string): Promise<void> {
    try {
      const recipient = await this.#lookup.recipient(address);
      if ('why' in recipient) return this.leave(path ?? address, `nobody here has the address ${address}`);
      const own = await this.#paths.of(recipient, REAL);
      if (own === undefined) return this.leave(address, 'the path of the mailbox is too long');
      if (path !== undefined && own !== path)
        return this.leave(path, `the mailbox of ${address} is elsewhere`);
      if (this.#seen.has(own)) return;
      this.#seen.add(own);
      if (!(await isMaildir(own))) return this.leave(address, `there is no Maildir at ${own}`);
      const { selected: keys } = await this.#lookup.keys(recipient);
      if ('why' in keys) return this.leave(address, `no usable key: ${keys.reasons.join('; ')}`);
      if (keys.storedAs !== 'stored')
        return this.leave(address, `no usable key of their own: ${keys.reasons.join('; ')}`);
      const headerPolicy = headerPolicyRule(this.#settings)(recipient);
      this.mailboxes.push({ address: recipient.address, path: own, keys, headerPolicy });
    } catch (error) {
      this.leave(address, (error as Error).message);
    }
  }

  leave(of: string, why: string): void {
    this.unsealable.push({ of, why });
  }

  close(): Promise<void> {
    return this.#lookup.close();
  }
}

interface Values {
  readonly local?: string;
  readonly domain?: string;
}

/** Yields each Maildir whose path the template can have made, and the address that it was made from. */
export async function* below(
  directory: string,
  segments: readonly string[],
  values: Values,
): AsyncGenerator<{ path: string; address: string }> {
  const [segment, ...rest] = segments;
  if (segment === undefined) {
    const { local = '', domain } = values;
    const address = `${local === '%all' ? '' : textOfSegment(local)}${domain === undefined ? '' : `@${textOfSegment(domain)}`}`;
    if (address !== '' && (await isMaildir(directory))) yield { path: directory, address };
    return;
  }
  if (!segment.includes('{')) return yield* below(join(directory, segment), rest, values);
  const pattern = patternOf(segment);
  for (const name of (await readdir(directory)).sort()) {
    const found = pattern.exec(name)?.groups as Values | undefined;
    if (found === undefined || !(await isDirectory(join(directory, name)))) continue;
    const next = { ...values, ...Object.fromEntries(Object.entries(found).filter(([, value]) => value)) };
    yield* below(join(directory, name), rest, next);
  }
}

function patternOf(segment: string): RegExp {
  const seen = new Set<string>();
  const source = segment
    .replace(/[.*+?^$()|[\]\\]/g, '\\$&')
    .replace(/\{(local|domain)\}/g, (_, name: string) => {
      if (seen.has(name)) return `\\k<${name}>`;
      seen.add(name);
      return `(?<${name}>.+)`;
    });
  return new RegExp(`^${source}$`, 's');
}

async function isMaildir(path: string): Promise<boolean> {
  for (const name of ['new', 'cur', 'tmp']) if (!(await isDirectory(join(path, name)))) return false;
  return true;
}

async function isDirectory(path: string): Promise<boolean> {
  return lstat(path).then(
    (stats) => stats.isDirectory(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false;
      throw error;
    },
  );
}
