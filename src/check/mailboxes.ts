/** The mailboxes of recipients: whether mail can be stored there, and other programs look there for it. */
import { dirname } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { formerMailboxPath, isStorable, mailboxPath } from '../maildir/template.ts';
import { pathsOf } from '../site.ts';
import { type Finding, quoted, warning } from './finding.ts';
import { kindOf, look, lookAtLink } from './look.ts';

/** Each trouble is told once, however many addresses it concerns. */
export function checkMailboxes(addresses: readonly string[], settings: Settings): Finding[] {
  if (settings.store.forward !== undefined) return []; // they have none here
  const { maildir, storeRoot } = pathsOf(settings);
  const owners = new Map<string, string>();
  const directories = new Set<string>();
  const findings: Finding[] = [];
  for (const address of new Set(addresses)) {
    const path = mailboxPath(maildir, address);
    if (!isStorable(path)) {
      const what = `store.maildir: ${address} is refused, since no file can have the name of its mailbox`;
      findings.push(warning('mailbox-name', what, 'give it a shorter address'));
      continue;
    }
    const other = owners.get(path);
    if (other !== undefined) {
      const what = `store.maildir: ${other} and ${address} have one mailbox, ${path}`;
      findings.push(
        warning('mailbox-shared', what, 'let it have {domain} in it, if they are not one person'),
      );
    }
    owners.set(path, address);
    for (let at = path; at !== storeRoot && at !== dirname(at); at = dirname(at)) directories.add(at);
    findings.push(...checkFormerName(address, path, formerMailboxPath(maildir, address)));
  }
  return [...findings, ...[...directories].flatMap(checkDirectory)];
}

/** Tells of a mailbox whose directory has a name that is not given any more. It stays in use. */
function checkFormerName(address: string, path: string, former: string): Finding[] {
  const seen = former === path ? undefined : look(former);
  if (seen === undefined || 'why' in seen || !seen.isDirectory()) return [];
  const what = `store.maildir: ${former} is the mailbox of ${address}, in a spelling that other programs do not find`;
  const command = `mv ${quoted(former)} ${quoted(path)}`;
  return [warning('mailbox-former', what, `stop Sealdir, ${command}, and start it again`)];
}

/** Tells of something in the place of a mailbox, or of a directory of mailboxes, that is none. */
function checkDirectory(path: string): Finding[] {
  if ('why' in lookAtLink(path)) return []; // not there: it will be made
  const seen = look(path);
  if (!('why' in seen) && seen.isDirectory()) return [];
  const why = 'why' in seen ? seen.why : `is ${kindOf(seen)}, not a directory`;
  return [warning('mailbox-blocked', `store.maildir: ${path} ${why}`, 'mount it, or mend it')];
}
