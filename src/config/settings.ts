// Every setting of Sealdir, declared once: name, kind, default and documentation.
// The types, the checks, the defaults, config/sealdir.toml.example and the README table all come from here.
// A default is written as an operator would write it; a test proves that each one is valid.
// Names are those of the file: settings.lmtp.max_recipients is `max_recipients` under `[lmtp]`.

import { folderSettings, sealFolderSettings } from './foldersettings.ts';
import { forwardSettings } from './forwardsettings.ts';
import { gatewaySettings } from './gatewaysettings.ts';
import { headerSettings } from './headersettings.ts';
import { keySettings } from './keysettings.ts';
import { count, duration, fileMode, hostName, type Kind, oneOf, onOff, size, sizeOrOff } from './kinds.ts';
import { lmtpListeners, metricsListener } from './listenerkinds.ts';
import { maildirPath } from './maildirpathkind.ts';
import { ownerSettings } from './ownersettings.ts';
import { recipientSettings } from './recipientsettings.ts';
import { reportSettings } from './reportsettings.ts';
import type { Setting } from './setting.ts';
import { stateSettings } from './statesettings.ts';
import { lmtpTlsSettings, tlsSettings } from './tlssettings.ts';

export const table = {
  hostname: {
    kind: hostName,
    default: { machine: 'hostname' },
    doc: 'Name of this server, used in greetings, Received fields and the names of Maildir files.',
    restart: true,
  },

  processes: {
    kind: count({ min: 0, max: 256 }),
    default: 0,
    doc: 'Number of processes that deliver mail. 0 means one less than there are processor cores, and at least one, so that a core is left to the mail server and to the disk; with 1 a single process does everything.',
    restart: true,
  },

  'lmtp.listen': {
    kind: lmtpListeners,
    default: ['/run/sealdir/lmtp.sock'],
    doc: 'Addresses on which mail servers deliver: paths of Unix sockets (with a "/"), "host:port", "[v6]:port" (port 0 takes any free one), or "systemd" for the sockets that systemd passes ("systemd:NAME" for those of this FileDescriptorName= alone). With "tls://" before "host:port", "[v6]:port" or "systemd", TCP begins with TLS. LMTP asks for no password: beyond the loopback TCP needs lmtp.require_tls or "tls://", and should have tls.client_ca.',
    restart: true,
  },
  'lmtp.socket_mode': {
    kind: fileMode,
    default: '0660',
    doc: 'Permissions of the Unix sockets that Sealdir creates. The user of the mail server needs write permission to connect.',
    restart: true,
  },
  ...lmtpTlsSettings,
  'lmtp.max_message_size': {
    kind: size,
    default: '50MiB',
    doc: 'Largest message accepted, announced to clients with SIZE. Keep it at or above the limit of the mail server in front: what that accepts and Sealdir refuses is bounced.',
  },
  'lmtp.max_header_size': {
    kind: size,
    default: '2MiB',
    doc: 'Largest message header accepted. The header is held in memory while the message arrives.',
  },
  'lmtp.max_recipients': {
    kind: count({ min: 1, max: 10_000 }),
    default: 100,
    doc: 'Highest number of recipients in one transaction. The mail server sends the remaining ones in another transaction.',
  },
  'lmtp.max_connections': {
    kind: count({ min: 1, max: 65_535 }),
    default: 256,
    doc: 'Highest number of connections at the same time. Further clients are told to try again later. With several processes the limit is approximate, because each process counts its own connections.',
  },
  'lmtp.max_peer_connections': {
    kind: count({ min: 1, max: 65_535 }),
    default: 200,
    doc: 'Highest number of connections at the same time from one IP address; approximate like max_connections. Connections to a Unix socket have no address and count towards max_connections only.',
  },
  'lmtp.max_mailbox_deliveries': {
    kind: count({ min: 1, max: 65_535 }),
    default: 100,
    doc: 'Highest number of deliveries to one mailbox at the same time, so that a mailbox on a slow disk cannot take all connections. Further deliveries to it are deferred: at RCPT, or after DATA if the mailbox filled up in between. Keep it above the number of connections that the mail server opens (Postfix: 20). Approximate like max_connections.',
  },
  'lmtp.idle_timeout': {
    kind: duration,
    default: '5m',
    doc: "How long to wait for a client's next complete command, or for the next byte of a message, before closing the connection. Time the client spends waiting for Sealdir does not count.",
  },
  'lmtp.data_timeout': {
    kind: duration,
    default: '10m',
    doc: 'How long a message may take to arrive, from DATA to its final dot, before the connection is closed.',
  },
  'lmtp.block_timeout': {
    kind: duration,
    default: '2m',
    doc: 'How long a client may take to send the next 64 KiB of a message, or its end, before the connection is closed. The default lets a client be slow (500 bytes a second), but not hold the connection with a byte now and then. Time the client spends waiting for Sealdir does not count.',
  },
  'lmtp.session_timeout': {
    kind: duration,
    default: '1h',
    doc: 'How long a connection may stay open. A message that is arriving at that moment is still received.',
  },
  'lmtp.stall_timeout': {
    kind: duration,
    default: '30s',
    doc: 'How long one slow mailbox may hold up the other recipients of a message. After that its copy is deferred and the other copies go on.',
  },
  'lmtp.transaction_timeout': {
    kind: duration,
    default: '4m',
    doc: 'How long the last reply to a message may take after the message has arrived; recipients not finished by then are deferred. Keep it below the time the mail server waits (Exim: 5 minutes, Postfix: 10). A mail server that has given up waiting sends the message again.',
  },

  'store.maildir': {
    kind: maildirPath,
    default: '/var/mail/sealdir/{domain}/{local}',
    doc: 'Path of a recipient\'s Maildir. {local} stands for the part of the address before the "@" and is required; {domain} stands for the part after it. Without {domain}, the same name in two domains is one mailbox. At least one fixed directory must come first.',
    restart: true,
  },
  'store.min_free_space': {
    kind: sizeOrOff,
    default: '128MiB',
    doc: 'A recipient is deferred while the file system of their mailbox has less free space than this, or room for fewer than 100 files, so that mail never fills a disk completely. The size of the message, where the mail server announces it, is required in addition. 0 turns this off.',
  },
  ...stateSettings,

  'store.encrypted': {
    kind: oneOf('keep', 'seal'),
    default: 'keep',
    doc: 'What becomes of a message that its sender has encrypted to the recipient\'s OpenPGP key. "keep": if its packets say so and nothing else stands in it, it is stored as it came, since mail programs show a message that is encrypted twice as an empty one. "seal": it is sealed like any other.',
  },
  'store.maildirsize': {
    kind: onOff,
    default: false,
    doc: 'Whether to add each stored message to the file "maildirsize" of its Maildir, where there is one. Courier, and Dovecot 2.3 with "quota = maildir", count their quota there.',
    restart: true,
  },

  ...forwardSettings,

  ...sealFolderSettings,

  ...tlsSettings,
  ...keySettings,
  ...recipientSettings,
  ...ownerSettings,

  ...folderSettings,

  ...headerSettings,

  ...reportSettings,

  ...gatewaySettings,

  'metrics.listen': {
    kind: metricsListener,
    default: '127.0.0.1:9464',
    doc: 'Address from which Prometheus fetches /metrics: "host:port", "[v6]:port", the path of a Unix socket (with a "/"), or "off".',
    restart: true,
  },

  'log.level': {
    kind: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    default: 'info',
    doc: 'Least severe level that is logged. No level logs the content of messages.',
  },
  'log.format': {
    kind: oneOf('auto', 'json', 'text'),
    default: 'auto',
    doc: 'How lines look: "json" has an object on each, "text" is for people. "auto" is text in the journal, with priorities, and on a terminal, and JSON elsewhere.',
    restart: true,
  },
  'log.addresses': {
    kind: oneOf('plain', 'hash'),
    default: 'plain',
    doc: 'Whether the log names the addresses of senders and recipients ("plain"), or has a keyed hash in place of each ("hash"), in paths and in messages of errors too. `sealdir lookup` shows that of an address.',
    restart: true,
  },
} as const satisfies Record<string, Setting>;

type Table = typeof table;
export type Path = keyof Table;
type ValueOf<P extends Path> = Table[P]['kind'] extends Kind<infer T> ? T : never;
type KeysIn<Prefix extends string, P = Path> = P extends `${Prefix}${infer K}`
  ? K extends `${string}.${string}`
    ? never
    : K
  : never;
type TablesIn<Prefix extends string, P = Path> = P extends `${Prefix}${infer S}.${string}`
  ? S extends `${string}.${string}`
    ? never
    : S
  : never;
type Under<Prefix extends string> = {
  readonly [K in KeysIn<Prefix>]: ValueOf<Extract<`${Prefix}${K}`, Path>>;
} & { readonly [S in TablesIn<Prefix>]: Under<`${Prefix}${S}.`> };

/** One object for each table, and the settings outside any. Sizes are bytes, durations milliseconds. */
export type Settings = Under<''>;
