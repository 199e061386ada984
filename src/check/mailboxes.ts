/** The mailbox of a recipient: whether it is where other programs look for it. */
import type { Settings } from '../config/settings.ts';
import type { DirectoryEntry } from '../keys/listing.ts';
import { formerMailboxPath, mailboxPath } from '../maildir/template.ts';
import { pathsOf } from '../site.ts';
import { type Finding, quoted, warning } from './finding.ts';
import { look } from './look.ts';

/** Tells of a mailbox whose directory has a name that is not given any more. It stays in use. */
export function checkMailbox({ address }: DirectoryEntry, settings: Settings): Finding[] {
  if (address === undefined) return [];
  const { maildir } = pathsOf(settings);
  const [path, former] = [mailboxPath(maildir, address), formerMailboxPath(maildir, address)];
  const seen = former === path ? undefined : look(former);
  if (seen === undefined || 'why' in seen || !seen.isDirectory()) return [];
  const what = `store.maildir: ${former} is the mailbox of ${address}, in a spelling that other programs do not find`;
  return [warning(what, `stop Sealdir, mv ${quoted(former)} ${quoted(path)}, and start it again`)];
}
