// The tables of panels that the presets read, with the columns that matter and some others, and users in
// every state. Written from their definitions (PostfixAdmin 4, mailcow, iRedMail 1.8, Modoboa 2.9, ViMbAdmin
// 3.4, Mail-in-a-Box 75).

import type { Dialect } from '../../src/recipients/database.ts';
import type { PresetName } from '../../src/recipients/presets.ts';

export interface Panel {
  readonly preset: Exclude<PresetName, 'none'>;
  readonly dialects: readonly Dialect[];
  /** The tables and their rows. */
  tables(dialect: Dialect): string;
  /** Address -> what is found: undefined for nobody, 'error' for somebody who must be asked for again. */
  readonly expected: Readonly<Record<string, object | undefined | 'error'>>;
}

const MIB = 1_048_576;

export const PANELS: readonly Panel[] = [
  {
    preset: 'postfixadmin',
    dialects: ['mysql', 'postgresql', 'sqlite'],
    tables(dialect) {
      const flag = dialect === 'postgresql' ? 'boolean' : dialect === 'mysql' ? 'tinyint(1)' : 'integer';
      const [yes, no] = dialect === 'postgresql' ? ['true', 'false'] : ['1', '0'];
      return `
CREATE TABLE domain (domain varchar(255) NOT NULL PRIMARY KEY, description varchar(255) NOT NULL,
  aliases int NOT NULL DEFAULT 0, mailboxes int NOT NULL DEFAULT 0, maxquota bigint NOT NULL DEFAULT 0,
  quota bigint NOT NULL DEFAULT 0, transport varchar(255) NOT NULL, backupmx ${flag} NOT NULL,
  active ${flag} NOT NULL);
CREATE TABLE mailbox (username varchar(255) NOT NULL PRIMARY KEY, password varchar(255) NOT NULL,
  name varchar(255) NOT NULL, maildir varchar(255) NOT NULL, quota bigint NOT NULL DEFAULT 0,
  local_part varchar(255) NOT NULL, domain varchar(255) NOT NULL, active ${flag} NOT NULL,
  smtp_active ${flag} NOT NULL);
CREATE TABLE quota2 (username varchar(100) NOT NULL PRIMARY KEY, bytes bigint NOT NULL DEFAULT 0,
  messages int NOT NULL DEFAULT 0);
INSERT INTO domain (domain, description, transport, backupmx, active) VALUES
  ('example.com', '', 'virtual', ${no}, ${yes}), ('off.example', '', 'virtual', ${no}, ${no}),
  ('backup.example', '', 'virtual', ${yes}, ${yes});
INSERT INTO mailbox (username, password, name, maildir, quota, local_part, domain, active, smtp_active) VALUES
  ('alice@example.com', 'x', 'Alice', 'example.com/alice/', 1024000, 'alice', 'example.com', ${yes}, ${no}),
  ('free@example.com', 'x', '', 'example.com/free/', 0, 'free', 'example.com', ${yes}, ${yes}),
  ('gone@example.com', 'x', '', 'example.com/gone/', 0, 'gone', 'example.com', ${no}, ${yes}),
  ('bob@off.example', 'x', '', 'off.example/bob/', 0, 'bob', 'off.example', ${yes}, ${yes}),
  ('bob@backup.example', 'x', '', 'backup.example/bob/', 0, 'bob', 'backup.example', ${yes}, ${yes});
INSERT INTO quota2 (username, bytes, messages) VALUES ('alice@example.com', 1000000, 3);`;
    },
    expected: {
      'alice@example.com': { maildir: 'example.com/alice/', quota: 1_024_000, used: 1_000_000 },
      'free@example.com': { maildir: 'example.com/free/' },
      'gone@example.com': undefined,
      'bob@off.example': undefined,
      'bob@backup.example': undefined,
      'nobody@example.com': undefined,
    },
  },
  {
    preset: 'mailcow',
    dialects: ['mysql'],
    tables: () => `
CREATE TABLE domain (domain varchar(255) NOT NULL PRIMARY KEY, description varchar(255), aliases int DEFAULT 0,
  backupmx tinyint(1) NOT NULL DEFAULT 0, active tinyint(1) NOT NULL DEFAULT 1);
CREATE TABLE mailbox (username varchar(255) NOT NULL PRIMARY KEY, password varchar(255) NOT NULL,
  name varchar(255), description varchar(255), mailbox_path_prefix varchar(150) DEFAULT '/var/vmail/',
  quota bigint NOT NULL DEFAULT 102400, local_part varchar(255) NOT NULL, domain varchar(255) NOT NULL,
  attributes json, custom_attributes json NOT NULL DEFAULT ('{}'), kind varchar(100) NOT NULL DEFAULT '',
  multiple_bookings int NOT NULL DEFAULT -1, authsource varchar(10) DEFAULT 'mailcow',
  active tinyint(1) NOT NULL DEFAULT 1);
CREATE TABLE quota2 (username varchar(255) NOT NULL PRIMARY KEY, bytes bigint NOT NULL DEFAULT 0,
  messages bigint NOT NULL DEFAULT 0);
INSERT INTO domain (domain, active) VALUES ('example.com', 1), ('off.example', 0);
INSERT INTO mailbox (username, password, local_part, domain, quota, kind, active, custom_attributes) VALUES
  ('alice@example.com', 'x', 'alice', 'example.com', 3221225472, '', 1, '{"openpgp": "KEY"}'),
  ('nologin@example.com', 'x', 'nologin', 'example.com', 0, '', 2, '{"other": "x"}'),
  ('off@example.com', 'x', 'off', 'example.com', 0, '', 0, '{}'),
  ('room@example.com', 'x', 'room', 'example.com', 0, 'location', 1, '{}'),
  ('bob@off.example', 'x', 'bob', 'off.example', 0, '', 1, '{}');
INSERT INTO quota2 (username, bytes) VALUES ('alice@example.com', 3221225473);`,
    expected: {
      'alice@example.com': {
        maildir: '/var/vmail/example.com/alice/',
        quota: 3_221_225_472,
        used: 3_221_225_473,
        keys: ['KEY'],
      },
      'nologin@example.com': { maildir: '/var/vmail/example.com/nologin/' },
      'off@example.com': undefined,
      'room@example.com': undefined,
      'bob@off.example': undefined,
    },
  },
  {
    preset: 'iredmail',
    dialects: ['mysql', 'postgresql'],
    tables: () => `
CREATE TABLE domain (domain varchar(255) NOT NULL PRIMARY KEY, description text, transport varchar(255) NOT NULL
  DEFAULT 'dovecot', backupmx int NOT NULL DEFAULT 0, active int NOT NULL DEFAULT 1);
CREATE TABLE mailbox (username varchar(255) NOT NULL PRIMARY KEY, password varchar(255) NOT NULL DEFAULT '',
  name varchar(255) NOT NULL DEFAULT '', language varchar(5) NOT NULL DEFAULT '',
  mailboxformat varchar(50) NOT NULL DEFAULT 'maildir', mailboxfolder varchar(50) NOT NULL DEFAULT 'Maildir',
  storagebasedirectory varchar(255) NOT NULL DEFAULT '/var/vmail',
  storagenode varchar(255) NOT NULL DEFAULT 'vmail1', maildir varchar(255) NOT NULL DEFAULT '',
  quota bigint NOT NULL DEFAULT 0, domain varchar(255) NOT NULL DEFAULT '', transport varchar(255) NOT NULL
  DEFAULT '', enabledeliver int NOT NULL DEFAULT 1, enablelmtp int NOT NULL DEFAULT 1,
  active int NOT NULL DEFAULT 1);
CREATE TABLE used_quota (username varchar(255) NOT NULL PRIMARY KEY, bytes bigint NOT NULL DEFAULT 0,
  messages bigint NOT NULL DEFAULT 0, domain varchar(255) NOT NULL DEFAULT '');
INSERT INTO domain (domain, backupmx, active) VALUES ('example.com', 0, 1), ('backup.example', 1, 1);
INSERT INTO mailbox (username, domain, maildir, quota, enabledeliver, enablelmtp, active) VALUES
  ('alice@example.com', 'example.com', 'example.com/a/l/i/Alice-2024.01.02.03.04.05/', 1024, 1, 1, 1),
  ('nolmtp@example.com', 'example.com', 'x/', 0, 1, 0, 1), ('nodeliver@example.com', 'example.com', 'x/', 0, 0, 1, 1),
  ('off@example.com', 'example.com', 'x/', 0, 1, 1, 0), ('bob@backup.example', 'backup.example', 'x/', 0, 1, 1, 1);
INSERT INTO used_quota (username, bytes) VALUES ('alice@example.com', 5);`,
    expected: {
      'alice@example.com': {
        maildir: '/var/vmail/vmail1/example.com/a/l/i/alice-2024.01.02.03.04.05/Maildir',
        quota: 1024 * MIB,
        used: 5,
      },
      'nolmtp@example.com': undefined,
      'nodeliver@example.com': undefined,
      'off@example.com': undefined,
      'bob@backup.example': undefined,
    },
  },
  {
    preset: 'modoboa',
    dialects: ['mysql', 'postgresql', 'sqlite'],
    tables(dialect) {
      const flag = dialect === 'postgresql' ? 'boolean' : 'integer';
      const [yes, no] = dialect === 'postgresql' ? ['true', 'false'] : ['1', '0'];
      return `
CREATE TABLE core_user (id integer NOT NULL PRIMARY KEY, username varchar(254) NOT NULL,
  email varchar(254) NOT NULL, is_active ${flag} NOT NULL);
CREATE TABLE admin_domain (id integer NOT NULL PRIMARY KEY, name varchar(100) NOT NULL, quota integer NOT NULL,
  enabled ${flag} NOT NULL, type varchar(20) NOT NULL);
CREATE TABLE admin_mailbox (id integer NOT NULL PRIMARY KEY, address varchar(252) NOT NULL,
  quota integer NOT NULL, use_domain_quota ${flag} NOT NULL, is_send_only ${flag} NOT NULL,
  domain_id integer NOT NULL, user_id integer NOT NULL);
CREATE TABLE admin_quota (username varchar(254) NOT NULL PRIMARY KEY, bytes bigint NOT NULL,
  messages integer NOT NULL);
CREATE TABLE admin_mailboxoperation (id integer NOT NULL PRIMARY KEY, type varchar(20) NOT NULL,
  argument varchar(255) NOT NULL, mailbox_id integer);
INSERT INTO core_user VALUES (1, 'a', 'alice@example.com', ${yes}), (2, 'b', 'off@example.com', ${no}),
  (3, 'c', 'sender@example.com', ${yes}), (4, 'd', 'moving@example.com', ${yes}),
  (5, 'e', 'bob@off.example', ${yes}), (6, 'f', 'bob@relay.example', ${yes});
INSERT INTO admin_domain VALUES (1, 'example.com', 0, ${yes}, 'domain'), (2, 'off.example', 0, ${no}, 'domain'),
  (3, 'relay.example', 0, ${yes}, 'relaydomain');
INSERT INTO admin_mailbox VALUES (1, 'alice', 10, ${no}, ${no}, 1, 1), (2, 'off', 0, ${no}, ${no}, 1, 2),
  (3, 'sender', 0, ${no}, ${yes}, 1, 3), (4, 'moving', 0, ${no}, ${no}, 1, 4), (5, 'bob', 0, ${no}, ${no}, 2, 5),
  (6, 'bob', 0, ${no}, ${no}, 3, 6);
INSERT INTO admin_quota VALUES ('alice@example.com', 7, 1);
INSERT INTO admin_mailboxoperation VALUES (1, 'rename', '/srv/vmail/x', 4);`;
    },
    expected: {
      'alice@example.com': { quota: 10 * MIB, used: 7 },
      'off@example.com': undefined,
      'sender@example.com': undefined,
      'moving@example.com': 'error',
      'bob@off.example': undefined,
      'bob@relay.example': undefined,
    },
  },
  {
    preset: 'vimbadmin',
    dialects: ['mysql'],
    tables: () => `
CREATE TABLE domain (id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, domain varchar(255), description varchar(255),
  transport varchar(255) NOT NULL DEFAULT 'virtual', backupmx tinyint(1) NOT NULL DEFAULT 0,
  active tinyint(1) NOT NULL DEFAULT 1);
CREATE TABLE mailbox (id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, username varchar(255),
  password varchar(255), name varchar(255), quota bigint NOT NULL DEFAULT 0, local_part varchar(255),
  active tinyint(1) NOT NULL DEFAULT 1, homedir varchar(255), maildir varchar(255), uid bigint, gid bigint,
  homedir_size bigint, maildir_size bigint, delete_pending tinyint(1) NOT NULL DEFAULT 0, Domain_id bigint);
INSERT INTO domain (id, domain, active) VALUES (1, 'example.com', 1), (2, 'off.example', 0);
INSERT INTO mailbox (username, quota, active, maildir, uid, gid, maildir_size, delete_pending, Domain_id) VALUES
  ('alice@example.com', 5000, 1, 'maildir:/srv/vmail/example.com/alice/mail', 2000, 2001, 400, 0, 1),
  ('flat@example.com', 0, 1, 'maildir:/srv/vmail/example.com/flat/mail:LAYOUT=fs', NULL, NULL, NULL, 0, 1),
  ('leaving@example.com', 0, 1, 'maildir:/x', 1, 1, NULL, 1, 1),
  ('off@example.com', 0, 0, 'maildir:/x', 1, 1, NULL, 0, 1),
  ('bob@off.example', 0, 1, 'maildir:/x', 1, 1, NULL, 0, 2);`,
    expected: {
      'alice@example.com': {
        maildir: '/srv/vmail/example.com/alice/mail',
        owner: { uid: 2000, gid: 2001 },
        quota: 5000,
        used: 400,
      },
      'flat@example.com': { maildir: '/srv/vmail/example.com/flat/mail', inboxOnly: true },
      'leaving@example.com': undefined,
      'off@example.com': undefined,
      'bob@off.example': undefined,
    },
  },
  {
    preset: 'mailinabox',
    dialects: ['sqlite'],
    tables: () => `
CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE, password TEXT NOT NULL,
  extra, privileges TEXT NOT NULL DEFAULT '', quota TEXT NOT NULL DEFAULT '0');
INSERT INTO users (email, password, quota) VALUES ('alice@example.com', 'x', '5G'), ('free@example.com', 'x', '0');`,
    expected: {
      'alice@example.com': { quota: 5 * 2 ** 30 },
      'free@example.com': {},
      'nobody@example.com': undefined,
    },
  },
];
