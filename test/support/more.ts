// What `npm test` leaves out so that it takes less than five minutes on two cores: files that cost much, and
// whose subject has another file there. `npm run test:more` runs these, and .ci/run does, but for those of
// `peers`, of which it runs the long form.

import { join } from 'node:path';

const MORE: Readonly<Record<string, string>> = {
  agent: 'agent keygrip nonsense terminal',
  check: 'dovecot forward keystate modes postfix replacement sharedstate sitekeys storetrial wkd',
  crash: 'folders powercut retries',
  delivery: 'headerpolicy passthrough',
  dns: 'dane policy printed published',
  e2e: `coredumps custody dealer demo frozen headerpolicy health hiddenaddresses hosts hung injected keeper keycommands keyexport
    keygenerate keypolicy keyterminal lookup memory migrate migratedisk moving openinto ownersparent patience reload reseal sockets
    statedirectory supervised tlsclients tlsdoors tlsreload tlsreport unreadlog usedkeys wkd`,
  forward: 'keeping stop tls',
  fuzz: 'headerend smuggling',
  hostile: 'commands connections isolation keyfiles messages',
  inplace: 'stopped',
  keeper: 'copies crash endings',
  keys: 'collection effort largedirectory lastvalid wkdremote',
  maildir: 'links maildirsize',
  peers: `byteexact clients dovecotquota encryptedmail enrolled example forward forwardfaults forwardways gatewaybridge
    gatewayclients gatewayclosed gatewaycorpus gatewaydisk gatewayimapc gatewaylimits gatewaylogins gatewayprogram
    gatewaythunderbird harness hosts hostsbalance hostsexim mailreaders migrate pipes postfix postfixrecipes
    postfixtls postfixtlsreport readers reseal rspamd sealfolders spam view`,
  recipients: 'sql',
};

/** Returns their paths below `tests`, the folder of the compiled tests. */
export function moreFiles(tests: string): string[] {
  return Object.entries(MORE).flatMap(([room, names]) =>
    names.split(/\s+/).map((name) => join(tests, room, `${name}.test.js`)),
  );
}
