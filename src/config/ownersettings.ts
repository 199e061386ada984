// The settings about owners: a part of the table in settings.ts.

import { count, pathOrNone } from './kinds.ts';
import type { Setting } from './setting.ts';

const number = count({ min: 1, max: 4_294_967_294 });

export const ownerSettings = {
  'owners.socket': {
    kind: pathOrNone,
    default: '',
    doc: 'Socket of `sealdir owners`, such as "/run/sealdir-owners/socket". With it, the files of a recipient belong to the user that the recipient source names (passwd; or uid and gid from any other). "" leaves all files to the user that Sealdir runs as.',
    restart: true,
  },
  'owners.user': {
    kind: count({ min: 0, max: 2_147_483_647 }),
    default: 0,
    doc: 'Number of the user that Sealdir runs as (`id -u sealdir`), who alone may connect to owners.socket. Needed where no systemd passes the socket to `sealdir owners`.',
    restart: true,
  },
  'owners.min_uid': {
    kind: number,
    default: 1000,
    doc: 'Users with a lower number are refused by `sealdir owners`. Root always is.',
    restart: true,
  },
  'owners.min_gid': {
    kind: number,
    default: 1000,
    doc: 'Groups with a lower number are refused by `sealdir owners`.',
    restart: true,
  },
  'owners.writers': {
    kind: count({ min: 1, max: 10_000 }),
    default: 200,
    doc: 'Most processes that `sealdir owners` has at one time. Each process of the server needs one for each user with mail, until some seconds after their last message; it takes some 20 MB. Mail for further users is deferred.',
    restart: true,
  },
} as const satisfies Record<string, Setting>;
