/**
 * Every kind of finding, and why it matters: what becomes of mail. The names are for programs that read
 * `check --json` and do not change. `test/check/fixes.test.ts` holds its cases to this table.
 */

export const CATALOGUE = {
  // what keeps the server from starting
  'configuration-unusable': 'neither the server nor a command starts with it',
  'lock-package': 'the server locks its files with this package, and does not start without it',
  'socket-twice': 'the server cannot make two sockets in one place, and does not start',
  'socket-directory-missing': 'the server makes a socket there, and does not start without the directory',
  'socket-directory-closed': 'the server makes a socket there, and does not start if it may not',
  'socket-lock-unusable':
    'the server locks this file before it makes the socket, and does not start without it',
  'socket-path-taken':
    'the server replaces a socket that is left over, and nothing else, so it does not start',
  'socket-busy': 'the server does not start, and mail goes to the other program',
  'port-busy': 'the server does not start, and mail goes to the other program',
  'port-privileged': 'the server does not start',
  'port-unusable': 'the server does not start',
  // the key directory
  'keys-missing': 'no key can be looked up: the server does not start, or all mail is deferred',
  'keys-closed': 'no key can be looked up, and all mail is deferred',
  'keys-open': 'mail is then sealed to a key of theirs, and they read it',
  'keys-many': 'looking at each key takes long, and mail arrives meanwhile',
  'keys-none': 'while there is no key at all, nobody is known to be unknown, and all mail waits',
  'key-delimiter': 'an address is split at the first delimiter, so details of this user are somebody else',
  'key-file-ignored': 'nobody gets mail by it, though somebody may rely on it',
  'key-file-hidden': 'its owner may believe that mail is sealed to it',
  'key-file-closed': 'mail for its owner is deferred until it can be read',
  // keys
  'key-secret': 'whoever can read the file can read the mail: the key is exposed',
  'key-file-damaged':
    'mail for its owner is deferred: no key in the file is used until all of it can be read',
  'key-holds-back': 'less would be used than the owner meant, so mail waits',
  'key-unusable': 'mail for its owner is not sealed to it (keys.unusable says what is done then)',
  'key-not-used': 'mail is sealed to the other key in the file alone',
  'key-excess': 'each message would take too long to seal, so mail for its owner is deferred',
  'subkey-not-used': 'what holds this subkey alone cannot read new mail',
  'key-expires': 'then no new mail can be sealed to it',
  'key-not-theirs': 'whoever has the secret key reads mail that is for this address',
  'canary-failed': 'a message to this recipient was tried in memory, and real mail would be deferred alike',
  'canary-partly': 'trying all of them would take longer than an operator waits',
  // keys of the site
  'site-key-unusable': 'every message that has to be sealed to it is deferred',
  'site-key-used': 'whoever has its secret key can read that mail',
  'site-key-expires': 'then every message that has to be sealed to it is deferred',
  'site-key-open': 'new mail is then sealed to a key of theirs, and they read it',
  // folders
  'folder-rule-idle': 'mail that somebody wants in a folder of its own goes elsewhere',
  'folder-detail-off': 'mail that somebody wants in a folder of its own goes elsewhere',
  'folder-any-detail': 'mail that its reader never looks for may lie there',
  'folder-case': 'on disk they are two, and people do not see why',
  'seal-folders-dovecot': 'nothing is sealed in folders, or clients would download all of it again',
  'seal-folders-elsewhere': 'what clients put into folders there stays in clear',
  'seal-folders-name': 'what clients put into their folder of another name stays in clear',
  // web key directories
  'wkd-told': 'that is metadata of other people, given to a third party',
  'wkd-in-vain': 'the setting has no effect',
  'wkd-no-pins': 'a key of others is used only if it can be pinned, so that mail for them waits',
  'wkd-pins-open': 'mail is then sealed to a key that was exchanged unnoticed',
  'wkd-authorities': 'no web key directory can be asked, and mail for its recipients waits',
  // recipients
  'source-unfit': 'the server does not start',
  'source-down': 'nobody can be looked up: mail is deferred, except for users found in the last hour',
  'owners-homes': 'users could neither read nor delete their mail',
  'owners-missing': 'mail for recipients with a uid is deferred',
  'owners-open': 'whoever connects can write files as any user from owners.min_uid on',
  'owners-user': 'the server may not connect, and mail for recipients with a uid is deferred',
  // the store
  'store-missing': 'it is never made, since a disk may not be mounted: the server does not start',
  'store-closed': 'no mail can be stored, and all of it is deferred',
  'store-unsafe':
    'a message is acknowledged when it is fsynced and in its place, which fails there: all mail is deferred',
  'store-full': 'mail is deferred while less is free than store.min_free_space',
  'store-mount': 'what was fsynced there may be lost, or seem to be stored when it is not',
  'store-writable': 'they can delete mail, or lead it away',
  'store-readable': 'sender and subject of every message are in clear there',
  'mailbox-name': 'its mail is refused',
  'mailbox-shared': 'each of them sees mail that is for the other, though sealed',
  'mailbox-former': 'other programs look for new mail elsewhere',
  'mailbox-blocked': 'mail for it is deferred',
  // the store of others
  'forward-unreachable': 'all mail is deferred while it cannot be reached',
  'forward-size': 'larger messages are accepted by the mail server, refused by the next hop, and bounced',
  // what is remembered
  'state-unfit': 'each process remembers alone, so that a message that is sent again may come twice',
  'state-writable': 'whoever writes there can have mail taken for a duplicate, and so lost',
  'state-readable': 'whoever reads the secret there can find out whether a message that they know has come',
  'shared-state-secret': 'the server does not start without it',
  'shared-state-unreachable':
    'each host remembers by itself, so that a message that is sent again to another host comes twice',
  'shared-state-in-clear': 'whoever listens has the password, and sees how much mail comes, though not what',
  'shared-state-mark': 'hosts do not know that they have the same store, and remember by themselves',
  'keystate-unfit': 'changes of keys are not noticed, and nobody is told of them',
  'keystate-owner': 'the server cannot add to it, so that changes of keys are not noticed',
  'keystate-readable': 'it is for Sealdir alone: it says whose keys changed, and when',
  'keystate-log': 'somebody may have hidden that they exchanged a key',
  // wrapped secret keys
  'gateway-readable': 'whoever has a copy of a wrapped key can try passwords on it for years',
  'gateway-writable': 'they can keep its owner out, or put an older file back that a revoked code opens',
  'gateway-server': 'whoever breaks into the server, which talks to the network, has a copy of each of them',
  'gateway-place': 'the wrapped keys would be gone, and with them what opens the mail of their owners',
  'second-hash': 'it is the cheaper way to try passwords, and one that is found opens the wrapped key',
  'second-hash-unseen':
    'a hash is the cheaper way to try passwords, and one that is found opens a wrapped key',
  'password-cache':
    'it keeps an unsalted hash of each password in memory, and lets revoked ones in for a while',
  'password-log': 'whoever reads the log can open wrapped keys',
  'dovecot-unread': 'whether it undoes what the gateway does is not known',
  'plaintext-index': 'subjects, names of attachments and text then lie on a disk in clear',
  'plaintext-search': 'its words then lie on a disk in clear, although the messages are sealed',
  'plaintext-temporary': 'they then lie on a disk in clear, and their blocks are not wiped',
  'swap-in-clear':
    'passwords and keys may then be found on that disk, for as long as nothing is written over them',
  // who can reach what
  'config-open': 'another key directory or another store in it leads new mail to them',
  'config-readable': 'whoever runs a program on this machine has the password',
  'lmtp-in-clear': 'the server does not start: mail would cross the network in clear',
  'lmtp-reachable': 'LMTP asks for no password: whoever can connect can deliver, and learns who exists',
  'metrics-reachable': 'they tell how much mail comes, and when',
  'socket-for-all': 'each of them can deliver, and find out which recipients exist',
  'socket-for-none': 'the mail server runs as another user, and cannot connect',
  'socket-directory-open': 'mail then goes to their socket, in clear',
  'tls-unusable': 'the server does not start; a running one keeps showing what it had',
  'tls-expired': 'mail servers that verify certificates deliver nothing',
  'tls-expires': 'then mail servers that verify certificates deliver nothing',
  'tls-name': 'mail servers that verify names deliver nothing if they know this server by that name',
  'tls-key-readable': 'whoever has the key can pass for this server',
  'tls-files-open': 'whoever exchanges them can pass for this server, or deliver to it',
  'process-root': 'a fault in it could then do everything; and checked as root, nothing is ever closed',
  'process-user': 'what is closed to the one may be open to the other, and the server is the other',
  'process-core': 'a core dump of the server holds messages in clear, on a disk',
  // limits
  'limit-transaction': 'Exim sends again what was delivered',
  'limit-stall': 'one slow mailbox makes the replies for all others late',
  'limit-header': 'the limit is never met',
  // Postfix
  'postfix-elsewhere': 'no mail comes from it as it is set up now',
  'postfix-size': 'Postfix accepts larger messages, and bounces them when Sealdir refuses them',
  'postfix-lines': 'folded lines break signatures, and cannot be unfolded',
  'postfix-8bit': 'Postfix then rewrites text in 8 bits before it delivers, which breaks signatures',
  'postfix-timeout': 'Postfix gives up waiting, and sends again what was delivered',
  'postfix-verify-cache': 'a new user is refused until Postfix forgets that there was none (hours)',
  'postfix-delimiter': 'Postfix accepts such addresses of users, and Sealdir knows nobody there: it bounces',
  'postfix-closed': 'its mail waits in the queue ("Permission denied")',
  'postfix-chroot': 'its mail waits in the queue ("No such file or directory")',
  // Exim
  'exim-unread': 'what Exim would do with mail for Sealdir is not known',
  'exim-elsewhere': 'no mail comes from it as it is set up now',
  'exim-closed': 'its mail waits in the queue ("Permission denied"): Exim drops other groups of its user',
  'exim-size': 'Exim accepts larger messages, and bounces them when Sealdir refuses them',
  'exim-timeout': 'Exim gives up waiting, and sends again what was delivered',
  'exim-lines': 'messages with longer lines bounce',
  'exim-8bit': 'whoever sends to it rewrites text in 8 bits first, which breaks signatures',
  'exim-callout-cache': 'a new user is refused until Exim forgets that there was none (two hours)',
  'exim-pipe-status': 'a message that was not stored counts as delivered, and is lost',
  'exim-pipe-errors': 'mail that has to wait bounces instead',
  'exim-pipe-prefix': 'a line "From " becomes part of the sealed message, above its header',
} as const satisfies Readonly<Record<string, string>>;

export type FindingId = keyof typeof CATALOGUE;
