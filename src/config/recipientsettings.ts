// The settings about recipients: a part of the table in settings.ts.

import {
  count,
  delimiters,
  directories,
  domains,
  duration,
  oneOf,
  onOff,
  pathOrNone,
  text,
  words,
} from './kinds.ts';
import { metricsListener, serverOrNone } from './listenerkinds.ts';
import type { Setting } from './setting.ts';

export const recipientSettings = {
  'recipients.source': {
    kind: oneOf('keys', 'passwd', 'accounts', 'sql', 'ldap', 'socketmap', 'http'),
    default: 'keys',
    doc: 'Which addresses exist. "keys": every address that has a key file. The others ask the users of the system, a file of accounts, a database, a directory, or a service of your own; each has settings of its own below.',
  },
  'recipients.preset': {
    kind: oneOf(
      'none',
      'postfixadmin',
      'mailcow',
      'iredmail',
      'modoboa',
      'vimbadmin',
      'mailinabox',
      'docker-mailserver',
    ),
    default: 'none',
    doc: 'How a panel keeps its users: the query for its database (recipients.source = "sql"), instead of recipients.sql.query; for docker-mailserver its files (recipients.source = "accounts").',
  },
  'recipients.roots': {
    kind: directories,
    default: [],
    doc: 'Directories under which a source may place mailboxes. With "passwd" they are then in the homes, else where store.maildir says. The path of a Maildir from a source has to be under one of them; one that is not absolute is under the first. Sealdir never creates them. A source that names no path leaves that to store.maildir.',
    restart: true,
  },
  'recipients.folder': {
    kind: text,
    default: '',
    doc: 'Directory below the path that a source names, such as "Maildir"; "." or "" for the path itself. The preset mailcow needs it: MAILDIR_SUB of mailcow.conf, or "." if that is empty.',
    restart: true,
  },
  'recipients.cache': {
    kind: duration,
    default: '1m',
    doc: 'How long an answer of a source counts that names a recipient. While the source cannot be asked, it counts for an hour.',
  },
  'recipients.negative_cache': {
    kind: duration,
    default: '5s',
    doc: 'How long the answer counts that there is no such recipient.',
  },
  'recipients.timeout': {
    kind: duration,
    default: '5s',
    doc: 'How long to wait for a source. Then the recipient is deferred, unless it was found before.',
  },
  'recipients.over_quota': {
    kind: oneOf('defer', 'reject'),
    default: 'defer',
    doc: 'What to reply if the message does not fit into the quota of a recipient, as far as the source knows of both.',
  },
  'recipients.delimiter': {
    kind: delimiters,
    default: '+',
    doc: 'Characters that may stand between a user and a detail. With "+", mail for alice+lists@example.com goes to alice@example.com unless the longer address is a recipient itself. An address is split at the first of them. "" turns this off.',
  },
  'recipients.case': {
    kind: oneOf('ignore', 'exact'),
    default: 'ignore',
    doc: 'Whether Alice@ and alice@ are one recipient ("ignore") or two ("exact"). The case of a domain never matters.',
  },

  'recipients.map_listen': {
    kind: metricsListener,
    default: 'off',
    doc: 'Address on which a mail server asks who exists, in Postfix\'s socketmap protocol: the map "recipients" has every address that exists, "enrolled" those of them who have a key, be it usable or not. "host:port", "[v6]:port", the path of a Unix socket (with a "/"), or "off".',
    restart: true,
  },

  'recipients.passwd.domains': {
    kind: domains,
    default: [],
    doc: 'Domains whose local parts are users of the system; if there is none, the hostname.',
  },
  'recipients.passwd.min_uid': {
    kind: count({ min: 1, max: 4_294_967_294 }),
    default: 1000,
    doc: 'Users with a lower number are no recipients.',
  },

  'recipients.accounts.file': {
    kind: pathOrNone,
    default: '',
    doc: 'File with an address at the start of each line, before a "|" or ":". It is read again when it has changed.',
  },
  'recipients.accounts.quotas': {
    kind: pathOrNone,
    default: '',
    doc: 'File with lines as "alice@example.com:5G". It may be missing.',
  },

  'recipients.sql.url': {
    kind: text,
    default: '',
    doc: 'The database: "postgresql://user@host/database", "mysql://user@host/database", or "sqlite:/path". A socket is named as "postgresql://user@/database?host=/run/postgresql" or "mysql://user@localhost/database?socketPath=/run/mysqld/mysqld.sock". The package pg, mysql2 or better-sqlite3 has to be installed.',
  },
  'recipients.sql.password_file': {
    kind: pathOrNone,
    default: '',
    doc: 'File with the password for the database.',
  },
  'recipients.sql.query': {
    kind: text,
    default: '',
    doc: 'Finds a recipient by :address, :local and :domain, which the database is given as values. Columns: account (an address; else the one that was asked for: name it where the comparison lets other spellings pass), maildir, or home and folder, uid and gid (with owners.socket), quota, used (bytes, or "5G"), key (OpenPGP), unusable and header_policy (one of the words of keys.unusable, of headers.policy, instead of it), rules (as those of folders.rules, one a line), forward (as store.forward, or "off"). A query for "@example.com" asks for a recipient that takes what nobody else in the domain does.',
  },
  'recipients.sql.connections': {
    kind: count({ min: 1, max: 100 }),
    default: 4,
    doc: 'Highest number of connections of each process to the database.',
  },

  'recipients.ldap.url': {
    kind: text,
    default: '',
    doc: 'The directory: "ldap://host" or "ldaps://host". The package ldapts has to be installed.',
  },
  'recipients.ldap.starttls': {
    kind: onOff,
    default: false,
    doc: 'Whether to encrypt a connection to "ldap://" before anything is said.',
  },
  'recipients.ldap.ca_file': {
    kind: pathOrNone,
    default: '',
    doc: 'Certificates of the authorities that the server is trusted by; without it those that Node knows.',
  },
  'recipients.ldap.bind_dn': {
    kind: text,
    default: '',
    doc: 'The name to bind as; "" binds as nobody.',
  },
  'recipients.ldap.password_file': {
    kind: pathOrNone,
    default: '',
    doc: 'File with the password of bind_dn.',
  },
  'recipients.ldap.base': {
    kind: text,
    default: '',
    doc: 'Where the search begins, such as "ou=people,dc=example,dc=com".',
  },
  'recipients.ldap.filter': {
    kind: text,
    default: '(mail={address})',
    doc: 'Finds a recipient by {address}, {local} and {domain}.',
  },
  'recipients.ldap.attributes': {
    kind: words,
    default: ['account=mail'],
    doc: 'Which attribute has which column of recipients.sql.query, such as "quota=mailQuota".',
  },

  'recipients.socketmap.address': {
    kind: serverOrNone,
    default: '',
    doc: "Where a service answers questions in Postfix's socketmap protocol.",
  },
  'recipients.socketmap.map': {
    kind: text,
    default: 'recipients',
    doc: 'The name of the map. The answer is the account, or a JSON object with columns as those of recipients.sql.query.',
  },

  'recipients.http.url': {
    kind: text,
    default: '',
    doc: 'URL with {address}, or with {local} and {domain}. The answer is a JSON object with columns as those of recipients.sql.query, or 404.',
  },
  'recipients.http.token_file': {
    kind: pathOrNone,
    default: '',
    doc: 'File with a token, sent as "Authorization: Bearer".',
  },
} as const satisfies Record<string, Setting>;
