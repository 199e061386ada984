/** Who may interfere with Sealdir's files without it being a finding. */
import type { Settings } from '../config/settings.ts';
import { pathsOf } from '../site.ts';
import { accountNamed, ownAccount } from './accounts.ts';
import { look } from './look.ts';

const MAIL_SERVERS = ['postfix', 'Debian-exim', 'exim'];

/**
 * Returns root, the user of this process, and the owner of the store: the user that Sealdir runs as, should
 * root run this check.
 */
export function trustedUsers(settings: Settings): number[] {
  const store = look(pathsOf(settings).storeRoot);
  return [0, ownAccount().uid, ...('why' in store ? [] : [store.uid])];
}

/** Returns the user whom files are to be given to: the one that Sealdir runs as. */
export function serverUid(settings: Settings): number {
  const { uid } = ownAccount();
  if (uid !== 0) return uid;
  const store = look(pathsOf(settings).storeRoot);
  if (!('why' in store) && store.uid !== 0) return store.uid;
  return accountNamed('sealdir')?.uid ?? 0;
}

/** Returns the users that mail servers run as: they have the mail in clear before Sealdir has it. */
export function mailServerUsers(): number[] {
  return MAIL_SERVERS.flatMap((name) => accountNamed(name)?.uid ?? []);
}
