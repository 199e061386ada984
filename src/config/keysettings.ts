// The settings about keys: a part of the table in settings.ts.

import { UNUSABLE } from '../core/unusable.ts';
import { count, domains, duration, files, oneOf, onOff, path, pathOrNone, sender } from './kinds.ts';
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
    kind: oneOf(...UNUSABLE),
    default: 'defer',
    doc: 'What to do if a recipient exists but has no usable key (none at all, expired, revoked or weak). With "defer" the mail server tries again later; with "reject" it returns the message to the sender. "last-valid" seals to keys that have expired, as they were at the last moment before, and defers where none has (keys that are revoked, for whatever reason, are never used). "hold" seals to keys.hold instead. A recipient source may say it for each recipient (the column "unusable"). A file that cannot be read only defers, whatever is set.',
  },
  'keys.hold': {
    kind: pathOrNone,
    default: '',
    doc: 'File with the key that mail is sealed to whose recipient has no usable key, where keys.unusable or a recipient source says "hold". It lies in the recipient\'s Maildir, and nobody but the holder of that secret key can open it: keep it on another machine.',
  },
  'keys.also': {
    kind: files,
    default: [],
    doc: 'Files with keys that every message is sealed to as well, such as those of an escrow or a journal: whoever has one of their secret keys can read all mail. Where one of their keys cannot be used, all mail is deferred.',
  },
  'keys.min_rsa_bits': {
    kind: count({ min: 2048, max: 8192 }),
    default: 2048,
    doc: 'RSA keys with fewer bits are weak, and never used; one bit less passes, since old programs made such keys. It is about primary keys as well as those for encryption.',
  },
  'keys.min_curve_bits': {
    kind: count({ min: 256, max: 521 }),
    default: 256,
    doc: 'Keys on smaller curves are weak, and never used; Curve25519 counts as 256. It is about primary keys as well as those for encryption.',
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
