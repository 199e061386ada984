// The settings about the session gateway: a part of the table in settings.ts.

import { count, duration, durationOrOff, files, oneOf, path, pathOrNone, size, text } from './kinds.ts';
import { gatewayListeners, listenerOrNone, serverOrNone } from './listenerkinds.ts';
import type { Setting } from './setting.ts';

export const gatewaySettings = {
  'gateway.directory': {
    kind: path,
    default: '/var/lib/sealdir-gateway',
    doc: 'Directory of the secret keys that users have wrapped under passwords and codes of their own, with one file for each (`sealdir slots import`). The LMTP server neither needs nor reads it: let it belong to another user. It must survive a reboot, and cannot be below /run or store.state.',
    restart: true,
  },
  'gateway.listen': {
    kind: gatewayListeners,
    default: ['tls://0.0.0.0:993'],
    doc: 'Addresses on which `sealdir gateway` takes IMAP: "tls://host:port" or "tls://[v6]:port" with tls.certificate; without TLS, for what runs on the same machine, "host:port" of the loopback or the path of a Unix socket (with a "/").',
    restart: true,
  },
  'gateway.upstream': {
    kind: serverOrNone,
    default: '',
    doc: 'The IMAP server behind, without TLS: "host:port" of the loopback, or the path of a Unix socket (with a "/").',
    restart: true,
  },
  'gateway.upstream_user': {
    kind: text,
    default: 'sealdir-gateway',
    doc: 'A master user of that server, as whom the gateway logs in for its users (AUTHENTICATE PLAIN with both names), if gateway.upstream_password_file is set.',
    restart: true,
  },
  'gateway.upstream_password_file': {
    kind: pathOrNone,
    default: '',
    doc: 'File with the password of gateway.upstream_user in its first line. Whoever has it reads all mailboxes as they are stored, sealed. "": the gateway logs in as each user, with the password in their wrapped key (slots list --dovecot).',
    restart: true,
  },
  'gateway.dovecot': {
    kind: files,
    default: ['/etc/dovecot/dovecot.conf'],
    doc: 'Configurations of Dovecot that `sealdir check` looks at for what would undo the gateway: that behind it, and one before it (imapc), if there is one. Nothing else reads them.',
    restart: true,
  },
  'gateway.without_key': {
    kind: oneOf('refuse', 'seal'),
    default: 'refuse',
    doc: 'What to do with users who have no wrapped key. "refuse": they cannot log in. "seal": they log in with the password that the server behind knows, see what is stored, and what they store is sealed to their key of keys.directory.',
    restart: true,
  },
  'gateway.linger': {
    kind: durationOrOff,
    default: 'off',
    doc: 'How long the process of a user lives after their last session, with their key in memory, so that the next login need not wait for it. "off" ends it at once.',
    restart: true,
  },
  'gateway.metrics_listen': {
    kind: listenerOrNone,
    default: '127.0.0.1:9465',
    doc: 'Address from which Prometheus fetches the /metrics of the gateway: "host:port", "[v6]:port", the path of a Unix socket (with a "/"), or "off".',
    restart: true,
  },
  'gateway.max_connections': {
    kind: count({ min: 1, max: 65_535 }),
    default: 1000,
    doc: 'Highest number of connections at the same time. Further ones are closed at once; without TLS they are told to try again later.',
    restart: true,
  },
  'gateway.max_peer_connections': {
    kind: count({ min: 1, max: 65_535 }),
    default: 100,
    doc: 'Highest number of connections at the same time from one IPv4 address or one network of IPv6 (/64), other than from this machine.',
    restart: true,
  },
  'gateway.max_users': {
    kind: count({ min: 1, max: 65_535 }),
    default: 500,
    doc: 'Highest number of users who are logged in at the same time: each has a process of 20 to 30 MiB, and more while it opens large messages. Further ones are told to try again later.',
    restart: true,
  },
  'gateway.login_timeout': {
    kind: duration,
    default: '1m',
    doc: 'How long a client may take to log in, before its connection is closed.',
    restart: true,
  },
  'gateway.idle_timeout': {
    kind: duration,
    default: '31m',
    doc: 'How long neither side of a session may say anything. RFC 3501 wants half an hour at least.',
    restart: true,
  },
  'gateway.max_message_size': {
    kind: size,
    default: '50MiB',
    doc: 'Largest message that a client can store.',
    restart: true,
  },
  'gateway.cache_directory': {
    kind: pathOrNone,
    default: '/var/cache/sealdir-gateway',
    doc: 'Directory for what lists of messages show (subjects, addresses, sizes, structure), encrypted with a key that only the password or code of its user opens, so that the next login need not open all messages of a folder again. It can be emptied at any time. "": nothing is kept.',
    restart: true,
  },
  'gateway.cache_size': {
    kind: size,
    default: '64MiB',
    doc: 'How much of opened messages the process of each user keeps in memory, beside what is being written to clients: that has twice gateway.max_message_size, or one message.',
    restart: true,
  },
} as const satisfies Record<string, Setting>;
