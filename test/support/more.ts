// What `npm test` leaves out so that it takes less than five minutes on two cores: files that cost much, and
// whose subject has another file there. `npm run test:more` runs these, and .ci/run does, but for those of
// `peers`, of which it runs the long form.

import { join } from 'node:path';

const MORE: Readonly<Record<string, string>> = {
  agent: 'card keygrip nonsense terminal',
  check: 'keystate modes replacement sitekeys storetrial wkd',
  crash: 'folders powercut retries',
  delivery: 'headerpolicy',
  dns: 'dane policy printed',
  e2e: `coredumps dealer frozen hiddenaddresses hung injected keycommands keyexport keypolicy keyterminal
    memory migratedisk moving ownersparent patience reseal statedirectory supervised tlsclients tlsdoors
    unreadlog usedkeys wkd`,
  fuzz: 'headerend smuggling',
  hostile: 'commands connections isolation keyfiles',
  inplace: 'stopped',
  keeper: 'copies crash endings',
  keys: 'collection effort largedirectory lastvalid wkdremote',
  maildir: 'links maildirsize',
  peers: `clients dovecotquota encryptedmail enrolled example harness mailreaders migrate pipes postfix
    postfixrecipes postfixtls postfixtlsreport reseal sealfolders spam`,
  recipients: 'sql',
};

/** Returns their paths below `tests`, the folder of the compiled tests. */
export function moreFiles(tests: string): string[] {
  return Object.entries(MORE).flatMap(([room, names]) =>
    names.split(/\s+/).map((name) => join(tests, room, `${name}.test.js`)),
  );
}
