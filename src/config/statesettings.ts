// The settings about what is remembered of deliveries: a part of the table in settings.ts.

import { durationOrOff, pathOrNone } from './kinds.ts';
import type { Setting } from './setting.ts';
import { statePlace, USUAL_STATE } from './statekind.ts';

export const stateSettings = {
  'store.duplicates': {
    kind: durationOrOff,
    default: '2h',
    doc: 'How long a delivery is remembered. A mail server that missed the reply sends the message again, every byte and the envelope the same; within this time that is acknowledged without storing a second copy. Choose it longer than the mail server waits between two attempts (Postfix: up to 70 minutes). "off" stores every message.',
    restart: true,
  },
  'store.state': {
    kind: statePlace,
    default: USUAL_STATE,
    doc: 'Directory in which deliveries are remembered, for all processes and across crashes. It is created if only the last part of its path is missing; if it cannot be used, each process remembers its own deliveries only. Put it on a file system in memory (/run), never on the network, because deliveries wait for it. Hosts that have one store, or one next hop, may remember together in Redis or Valkey: "redis://host:port/db", "rediss://host:port/db" (TLS) or "unix:/path?db=0", with store.state_secret. Each has its directory all the same: that of the default, or the path in ["/path", "redis://host"].',
    restart: true,
  },
  'store.state_secret': {
    kind: pathOrNone,
    default: '',
    doc: 'File (mode 0600) with a secret of 32 characters or more, the same on all hosts that remember together. Everything that Redis is given is hashed under it.',
    restart: true,
  },
  'store.state_password_file': {
    kind: pathOrNone,
    default: '',
    doc: 'File (mode 0600) with the password that Redis asks for; "" if it asks for none. The name of a user is in the URL ("redis://user@host").',
    restart: true,
  },
  'store.state_ca_file': {
    kind: pathOrNone,
    default: '',
    doc: 'Certificates of the authorities that Redis is trusted by ("rediss://"); without it those that Node knows. The certificate has to be for the host in the URL.',
    restart: true,
  },
} as const satisfies Record<string, Setting>;
