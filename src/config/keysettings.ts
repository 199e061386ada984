// The settings about keys: a part of the table in settings.ts.

import { domains, duration, oneOf, path, pathOrNone } from './kinds.ts';
import type { Setting } from './setting.ts';

export const keySettings = {
  'keys.directory': {
    kind: path,
    default: '/etc/sealdir/keys',
    doc: 'Directory of the public keys, with one file for each recipient: <address>.asc or <address>.pgp.',
  },
  'keys.state': {
    kind: path,
    default: '/var/lib/sealdir',
    doc: 'Directory for what is remembered about keys: it must survive a reboot.',
    restart: true,
  },

  'keys.wkd_directory': {
    kind: pathOrNone,
    default: '',
    doc: 'Directory with a web key directory, the one that a web server serves as .well-known/openpgpkey: it has <domain>/hu/, and for the hostname as a domain hu/ as well. Its keys are for recipients who have no file in keys.directory.',
  },
  'keys.wkd': {
    kind: oneOf('off', 'on'),
    default: 'off',
    doc: 'Whether to fetch the keys of recipients who have no key here from the web key directory of their domain, over HTTPS. It tells whoever runs that web server, and everybody on the way who sees names, that mail has come. The first key of an address is pinned in keys.state; no other is used later.',
  },
  'keys.wkd_domains': {
    kind: domains,
    default: [],
    doc: 'Domains whose web key directories are asked; [] for those of all recipients that exist.',
  },
  'keys.wkd_timeout': {
    kind: duration,
    default: '5s',
    doc: 'How long to wait for a key from a web key directory. Then the recipient is deferred, unless a key came in the last day.',
  },
  'keys.wkd_ca_file': {
    kind: pathOrNone,
    default: '',
    doc: 'Certificates of authorities that web key directories are trusted by, beside those that Node knows.',
  },

  'keys.unusable': {
    kind: oneOf('defer', 'reject'),
    default: 'defer',
    doc: 'What to reply if a recipient exists but has no usable key (expired, revoked or unreadable). With "defer" the mail server tries again later; with "reject" it returns the message to the sender.',
  },
  'keys.subkeys': {
    kind: oneOf('all', 'newest'),
    default: 'all',
    doc: 'Which encryption subkeys of a key to use: "all" that are valid now, or only the "newest". "all" suits people who have a subkey for each device.',
  },

  'keys.unsupported_subkeys': {
    kind: oneOf('defer', 'ignore'),
    default: 'defer',
    doc: 'What to do with a key that has an encryption subkey of a kind that Sealdir cannot use, a post-quantum one for instance, or one whose binding signature is damaged or cannot be checked: "defer" its mail, so that none is sealed more weakly than its owner meant, or "ignore" that subkey and seal to the others.',
  },
} as const satisfies Record<string, Setting>;
