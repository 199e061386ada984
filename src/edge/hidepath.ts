/**
 * Paths without what they say about somebody. A mailbox and a key file become the pseudonym of their address;
 * of what else is below a directory of the configuration, and of a path that is not in it, nothing is left.
 */
import { textOfSegment } from '../core/address.ts';
import type { Hiding } from '../core/hiding.ts';

export type Pseudonym = (address: string) => string;

const KEY_FILE = /\.(?:asc|pgp)$/;
/** What we make in a mailbox. */
const IN_MAILBOX = '(?<tail>(?:/(?:tmp|new|cur|maildirsize)(?:/[^/@]*)?)?)';

export function hiddenPath(path: string, hiding: Hiding, of: Pseudonym): string {
  if (path.length > 1 && path.endsWith('/')) return `${hiddenPath(path.slice(0, -1), hiding, of)}/`;
  const { paths, harmless } = hiding;
  const isWithin = (root: string) => path === root || path.startsWith(`${root}/`);
  if (harmless.some(isWithin))
    return path.replace(/[^/]+/g, (name) => (name.includes('@') ? hiddenName(name, of) : name));
  if (paths.some((known) => known === path || known.startsWith(`${path}/`))) return path;
  const [root = ''] = paths.filter(isWithin).sort((one, other) => other.length - one.length);
  return hiddenMailbox(path, hiding, of) ?? `${root}/${hiddenName(path.slice(root.length + 1), of)}`;
}

/** Returns its pseudonym, with the extension of a key file. */
export function hiddenName(name: string, of: Pseudonym): string {
  const [extension = ''] = KEY_FILE.exec(name) ?? [];
  return `${of(textOfSegment(name.slice(0, name.length - extension.length)))}${extension}`;
}

/** Undefined if it is none that `store.maildir` makes. */
function hiddenMailbox(path: string, { maildir, same }: Hiding, of: Pseudonym): string | undefined {
  const escaped = maildir.replace(/[\\^$.*+?()[\]|]/g, '\\$&');
  const pattern = ['local', 'domain'].reduce(
    (text, name) => text.replace(`{${name}}`, `(?<${name}>[^/]+)`).replaceAll(`{${name}}`, '[^/]+'),
    escaped,
  );
  const { local, domain, tail } = new RegExp(`^${pattern}${IN_MAILBOX}$`, 'u').exec(path)?.groups ?? {};
  if (local === undefined) return undefined;
  const address = `${textOfSegment(local)}@${textOfSegment(domain ?? same.defaultDomain)}`;
  return `${maildir.slice(0, maildir.search(/[^/]*\{/))}${of(address)}${tail}`;
}
