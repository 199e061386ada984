// The settings about a store of others: a part of the table in settings.ts.

import { count, onOff, pathOrNone } from './kinds.ts';
import { nextHopOrNone } from './listenerkinds.ts';
import type { Setting } from './setting.ts';

export const forwardSettings = {
  'store.forward': {
    kind: nextHopOrNone,
    default: '',
    doc: 'A store of your own behind LMTP, which then has all mail instead of store.maildir: "lmtp:unix:/path", "lmtp:inet:host:port" or "lmtps:inet:host:port" (TLS from the start). Each copy is sealed, passed on, and acknowledged when that store has. TCP beyond the loopback needs STARTTLS or "lmtps", with a certificate for the name that is written here. A recipient source may say it for each recipient (the column "forward"; "off" for a Maildir).',
    restart: true,
  },
  'store.forward_ca_file': {
    kind: pathOrNone,
    default: '',
    doc: 'Certificates of the authorities that the next hop is trusted by; without it those that Node knows.',
    restart: true,
  },
  'store.forward_connections': {
    kind: count({ min: 1, max: 1000 }),
    default: 20,
    doc: 'Highest number of connections of each process to a next hop. Keep their sum below what the next hop takes (Dovecot: 100). A message above 250 KiB takes one for each of its recipients while it arrives, and those that find none are deferred.',
    restart: true,
  },
  'store.forward_plain_beyond_loopback': {
    kind: onOff,
    default: false,
    doc: 'Whether "lmtp:inet" may do without TLS beyond the loopback. Only for networks that nobody else can reach: whoever listens there reads the envelope and the header of each copy, and whoever answers there takes the mail.',
    restart: true,
  },
} as const satisfies Record<string, Setting>;
