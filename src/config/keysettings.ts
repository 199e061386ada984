// The settings about keys: a part of the table in settings.ts.

import { oneOf, onOff, path, sender } from './kinds.ts';
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

  'notices.from': {
    kind: sender,
    default: 'postmaster@{hostname}',
    doc: 'The sender of the messages about their keys that Sealdir itself puts into the mailboxes of users. {hostname} stands for the hostname.',
  },
  'notices.expiry': {
    kind: onOff,
    default: true,
    doc: 'Whether users are told 30, 14, 7 and 1 days before mail can no longer be sealed to their key. That a key was exchanged or removed is always told.',
  },
} as const satisfies Record<string, Setting>;
