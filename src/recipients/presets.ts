/**
 * The queries for the panels that many sites keep their users with, read from their table definitions. Each
 * test loads those definitions into a real database. Aliases are not here: the mail server expands them
 * before it delivers.
 */
import type { Dialect } from './database.ts';

/** Paths relative to /var/vmail are under the first of `recipients.roots`. */
const POSTFIXADMIN = (isActive: string, isNot: string) => `
SELECT m.username AS account, m.maildir AS maildir, m.quota AS quota, q.bytes AS used
  FROM mailbox m JOIN domain d ON d.domain = m.domain LEFT JOIN quota2 q ON q.username = m.username
 WHERE m.username = :address AND m.active = ${isActive} AND d.active = ${isActive} AND d.backupmx = ${isNot}`;

// active 2: the user may not log in, but mail is accepted; kind: resources have one
const MAILCOW = `
SELECT m.username AS account, CONCAT(m.mailbox_path_prefix, m.domain, '/', m.local_part, '/') AS maildir,
       m.quota AS quota, q.bytes AS used, JSON_UNQUOTE(JSON_VALUE(m.custom_attributes, '$.openpgp')) AS \`key\`
  FROM mailbox m JOIN domain d ON d.domain = m.domain LEFT JOIN quota2 q ON q.username = m.username
 WHERE m.username = :address AND m.active IN (1, 2) AND m.kind = '' AND d.active = 1`;

// the path is in lower case on disk; quotas are in MiB
const IREDMAIL = (path: string) => `
SELECT m.username AS account, LOWER(${path}) AS home, m.mailboxfolder AS folder,
       m.quota * 1048576 AS quota, u.bytes AS used
  FROM mailbox m JOIN domain d ON d.domain = m.domain LEFT JOIN used_quota u ON u.username = m.username
 WHERE m.username = :address AND m.active = 1 AND m.enabledeliver = 1 AND m.enablelmtp = 1
   AND d.active = 1 AND d.backupmx = 0`;

// a mailbox that is being renamed or removed has no account that is an address, which defers its mail
const MODOBOA = (isTrue: (column: string) => string, isFalse: (column: string) => string) => `
SELECT CASE WHEN EXISTS (SELECT 1 FROM admin_mailboxoperation o WHERE o.mailbox_id = mb.id)
            THEN 'being renamed or removed' ELSE u.email END AS account,
       mb.quota * 1048576 AS quota, q.bytes AS used
  FROM admin_mailbox mb JOIN admin_domain d ON d.id = mb.domain_id JOIN core_user u ON u.id = mb.user_id
  LEFT JOIN admin_quota q ON q.username = u.email
 WHERE mb.address = :local AND d.name = :domain AND d.type = 'domain'
   AND ${isTrue('d.enabled')} AND ${isTrue('u.is_active')} AND ${isFalse('mb.is_send_only')}`;

const VIMBADMIN = `
SELECT m.username AS account, m.maildir AS maildir, m.uid AS uid, m.gid AS gid,
       m.quota AS quota, m.maildir_size AS used
  FROM mailbox m JOIN domain d ON d.id = m.Domain_id
 WHERE m.username = :address AND m.active = 1 AND m.delete_pending = 0 AND d.active = 1 AND d.backupmx = 0`;

const MAILINABOX = 'SELECT email AS account, quota FROM users WHERE email = :address';

const isOne = (column: string) => `${column} = 1`;
const isZero = (column: string) => `${column} = 0`;
const itself = (column: string) => column;
const notItself = (column: string) => `NOT ${column}`;

const PRESETS = {
  postfixadmin: {
    mysql: POSTFIXADMIN('1', '0'),
    postgresql: POSTFIXADMIN('true', 'false'),
    sqlite: POSTFIXADMIN('1', '0'),
  },
  mailcow: { mysql: MAILCOW },
  iredmail: {
    mysql: IREDMAIL("CONCAT(m.storagebasedirectory, '/', m.storagenode, '/', m.maildir)"),
    postgresql: IREDMAIL("m.storagebasedirectory || '/' || m.storagenode || '/' || m.maildir"),
  },
  modoboa: {
    postgresql: MODOBOA(itself, notItself),
    mysql: MODOBOA(isOne, isZero),
    sqlite: MODOBOA(isOne, isZero),
  },
  vimbadmin: { mysql: VIMBADMIN },
  mailinabox: { sqlite: MAILINABOX },
} as const satisfies Record<string, Partial<Record<Dialect, string>>>;

/** The files of docker-mailserver, as its container sees them. */
export const DOCKER_MAILSERVER = {
  file: '/tmp/docker-mailserver/postfix-accounts.cf',
  quotas: '/tmp/docker-mailserver/dovecot-quotas.cf',
};

export type PresetName = keyof typeof PRESETS | 'docker-mailserver' | 'none';

/** Returns the query of a preset. Throws, with a sentence, where there is none for this kind of database. */
export function presetQuery(preset: PresetName, dialect: Dialect): string {
  if (preset === 'none') throw new Error('recipients.sql.query is empty, and there is no preset');
  const queries: Partial<Record<string, Partial<Record<Dialect, string>>>> = PRESETS;
  const query = queries[preset]?.[dialect];
  if (query === undefined) throw new Error(`recipients.preset: ${preset} has no ${dialect} database`);
  return query;
}
