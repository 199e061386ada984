// Every setting of Sealdir, declared once: name, kind, default and documentation.
// The types, the checks, the defaults, config/sealdir.toml.example and the README table all come from here.
// A default is written as an operator would write it; a test proves that each one is valid.
// Names are the names in the file: settings.lmtp.max_recipients is `max_recipients` under `[lmtp]`.

import {
  count,
  delimiter,
  duration,
  durationOrOff,
  fileMode,
  hostName,
  type Kind,
  lmtpListeners,
  maildirPath,
  metricsListener,
  oneOf,
  path,
  size,
  sizeOrOff,
} from './kinds.ts';

/** What the settings need to know of the machine; the caller reads it (`os.hostname()`). */
export type Context = { readonly hostname: string };

export type Written = string | number | readonly string[];
export type FromMachine = { readonly machine: keyof Context };

export type Setting = {
  readonly kind: Kind<unknown>;
  /** The value as written in the file, or what of the machine it is. */
  readonly default: Written | FromMachine;
  readonly doc: string;
  /** A running server cannot change it. */
  readonly restart?: true;
};

export const table = {
  hostname: {
    kind: hostName,
    default: { machine: 'hostname' },
    doc: 'Name of this server in greetings, Received fields and Maildir file names.',
    restart: true,
  },

  processes: {
    kind: count({ min: 0, max: 256 }),
    default: 0,
    doc: 'Processes that deliver. 0: one for each core. 1: no others beside the first.',
    restart: true,
  },

  'lmtp.listen': {
    kind: lmtpListeners,
    default: ['/run/sealdir/lmtp.sock'],
    doc: 'Where mail servers deliver to: Unix socket paths (with a "/"), "host:port", "[v6]:port" (port 0: any free one), or "systemd" for the sockets of a systemd unit. LMTP has no password here, so keep TCP on the loopback or a private network.',
    restart: true,
  },
  'lmtp.socket_mode': {
    kind: fileMode,
    default: '0660',
    doc: 'Permissions of the Unix sockets Sealdir makes. The mail server must be able to write.',
    restart: true,
  },
  'lmtp.max_message_size': {
    kind: size,
    default: '50MiB',
    doc: 'Largest message accepted, announced with SIZE. Keep it at or above the limit of the mail server in front, or large messages bounce there.',
  },
  'lmtp.max_header_size': {
    kind: size,
    default: '2MiB',
    doc: 'Largest header block accepted; it is held in memory while the message arrives.',
  },
  'lmtp.max_recipients': {
    kind: count({ min: 1, max: 10_000 }),
    default: 100,
    doc: 'Most recipients in one transaction; the mail server sends the rest in another one.',
  },
  'lmtp.max_connections': {
    kind: count({ min: 1, max: 65_535 }),
    default: 256,
    doc: 'Most connections at one time; further ones are told to come back later. With several processes it is approximate: each has its own count.',
  },
  'lmtp.max_peer_connections': {
    kind: count({ min: 1, max: 65_535 }),
    default: 200,
    doc: 'Most connections at one time from one IP address, approximate like the one above. Connections to a Unix socket have no address and count only there.',
  },
  'lmtp.max_mailbox_deliveries': {
    kind: count({ min: 1, max: 65_535 }),
    default: 100,
    doc: 'Most deliveries to one mailbox at one time, so that one whose disk is slow does not take all connections; further ones are deferred. Keep it above the number of connections the mail server opens (Postfix: 20). With several processes it is approximate, as above.',
  },
  'lmtp.idle_timeout': {
    kind: duration,
    default: '5m',
    doc: 'Longest wait for the next command of a client, whole, and for any byte of a message; then its connection is closed. Time in which the client waits for us does not count.',
  },
  'lmtp.data_timeout': {
    kind: duration,
    default: '10m',
    doc: 'Longest time a message may take to arrive, from DATA to its final dot.',
  },
  'lmtp.block_timeout': {
    kind: duration,
    default: '2m',
    doc: 'Longest wait for the next 64 KiB of a message, or for its end: a client may be slow, by default 500 bytes a second, but may not drip. Time in which we hold it back does not count.',
  },
  'lmtp.session_timeout': {
    kind: duration,
    default: '1h',
    doc: 'Longest time a connection may stay open; a message that is arriving then is finished first.',
  },
  'lmtp.stall_timeout': {
    kind: duration,
    default: '30s',
    doc: 'How long one slow mailbox may hold up the other recipients of a message. After that it is deferred and the others go on.',
  },
  'lmtp.transaction_timeout': {
    kind: duration,
    default: '4m',
    doc: 'Longest time from the end of DATA to the last reply. Keep it below the patience of the mail server in front (Exim waits 5 minutes, Postfix 10), or messages arrive twice.',
  },

  'store.maildir': {
    kind: maildirPath,
    default: '/var/mail/sealdir/{domain}/{local}',
    doc: 'Maildir of a recipient. {local} is the part before the "@" (needed), {domain} the part after it; without {domain} the same name in two domains is one mailbox. Both come after at least one fixed directory.',
    restart: true,
  },
  'store.min_free_space': {
    kind: sizeOrOff,
    default: '128MiB',
    doc: 'Recipients are deferred while less than this is free where their mailbox is, or room for fewer than 100 files: mail must not fill the disk to the last byte. Room for the message itself is asked for on top, where the mail server says its size. 0 turns this off.',
  },
  'store.duplicates': {
    kind: durationOrOff,
    default: '2h',
    doc: 'How long a delivery is remembered, so that a message whose reply was lost and which is sent again, byte for byte and with the same envelope, is acknowledged without a second copy. Longer than the mail server waits between two tries (Postfix: 70 minutes at most). "off" stores every message.',
    restart: true,
  },
  'store.state': {
    kind: path,
    default: '/run/sealdir/state',
    doc: 'Directory where deliveries are remembered, so that all processes know of them and also after a crash. Made where only its last part is missing; without it each process remembers by itself. Put it into memory (/run), never on a network file system: deliveries wait for it.',
    restart: true,
  },

  'keys.directory': {
    kind: path,
    default: '/etc/sealdir/keys',
    doc: 'Directory of the public keys, one file for each recipient: <address>.asc or <address>.pgp.',
  },
  'keys.unusable': {
    kind: oneOf('defer', 'reject'),
    default: 'defer',
    doc: 'What to answer when a recipient exists but its key cannot be used (expired, revoked, unreadable): "defer" lets the mail server try again, "reject" returns the message to its sender.',
  },
  'keys.subkeys': {
    kind: oneOf('all', 'newest'),
    default: 'all',
    doc: 'Encrypt to every currently valid encryption subkey of a key, or to the newest one only. "all" suits people with one subkey for each device.',
  },

  'recipients.source': {
    kind: oneOf('keys'),
    default: 'keys',
    doc: 'Who exists. "keys": every address that has a key file.',
  },
  'recipients.delimiter': {
    kind: delimiter,
    default: '+',
    doc: 'Character between the user and a detail: with "+", mail for alice+lists@example.com falls back to alice@example.com. "" turns this off.',
  },
  'recipients.case': {
    kind: oneOf('ignore', 'exact'),
    default: 'ignore',
    doc: 'Whether Alice@ and alice@ are the same recipient ("ignore") or two ("exact"). Domains never differ by case.',
  },

  'headers.policy': {
    kind: oneOf('visible'),
    default: 'visible',
    doc: 'Which header fields stay readable outside of the encrypted part. "visible": all of them, as they came.',
  },

  'metrics.listen': {
    kind: metricsListener,
    default: '127.0.0.1:9464',
    doc: 'Where Prometheus reads /metrics: "host:port", "[v6]:port", a Unix socket path (with a "/"), or "off".',
    restart: true,
  },

  'log.level': {
    kind: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    default: 'info',
    doc: 'Least severe level that is logged. No level logs message content.',
  },
} as const satisfies Record<string, Setting>;

type Table = typeof table;
export type Path = keyof Table;
type SectionOf<P> = P extends `${infer S}.${string}` ? S : never;
type ValueOf<P extends Path> = Table[P]['kind'] extends Kind<infer T> ? T : never;

/** Settings outside of every section, and one object for each section. Sizes are bytes, durations milliseconds. */
export type Settings = {
  readonly [P in Path as P extends `${string}.${string}` ? never : P]: ValueOf<P>;
} & {
  readonly [S in SectionOf<Path>]: {
    readonly [P in Path as P extends `${S}.${infer K}` ? K : never]: ValueOf<P>;
  };
};

export const entries: readonly (readonly [Path, Setting])[] = Object.entries(table) as [Path, Setting][];

/** `lmtp.listen` is ['lmtp', 'listen'], `hostname` is ['', 'hostname']. */
export function splitPath(path: string): readonly [section: string, key: string] {
  const dot = path.indexOf('.');
  return [path.slice(0, Math.max(dot, 0)), path.slice(dot + 1)];
}

export const sections: readonly string[] = [
  ...new Set(entries.map(([path]) => splitPath(path)[0]).filter((section) => section !== '')),
];

export function defaultOf(setting: Setting, context: Context): Written {
  return isFromMachine(setting.default) ? context[setting.default.machine] : setting.default;
}

export function isFromMachine(value: Written | FromMachine): value is FromMachine {
  return typeof value === 'object' && 'machine' in value;
}

/** Nests the values of all paths. The one place where the compiler must take our word for the shape. */
export function nest(values: ReadonlyMap<Path, unknown>): Settings {
  const root: Record<string, unknown> = {};
  const tables = new Map<string, Record<string, unknown>>([['', root]]);
  for (const [path, value] of values) {
    const [section, key] = splitPath(path);
    const parent = tables.get(section) ?? {};
    if (!tables.has(section)) root[section] = parent;
    tables.set(section, parent);
    parent[key] = value;
  }
  return root as Settings;
}
