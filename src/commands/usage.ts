/** What `--help` prints, of the program and of `key` and `slots`. README "Commands" has the same lines. */

const KEY = `  sealdir key list [-c FILE] [--json] [ADDRESS...]           every key, its state, and why it is not used
  sealdir key show [-c FILE] ADDRESS|FILE                    everything about the keys of one recipient
  sealdir key add [-c FILE] [--as ADDRESS] [--yes] FILE...   put keys into the key directory (- is stdin)
  sealdir key remove [-c FILE] [--yes] ADDRESS               take the keys of a recipient out of it
  sealdir key log [-c FILE] [--json | --verify [--head HASH]] [ADDRESS]
                                                             what became of keys; whether that log is whole
  sealdir key generate [--name NAME] [--output DIR] [--expires 2y|never]
              [--passphrase-file F | --passphrase-fd N | --no-passphrase] ADDRESS
                                                             make a key pair, on the user's own machine
  sealdir key export [-c FILE] --wkd DIR [--direct] [ADDRESS...]
                                                             write a Web Key Directory
`;

const SLOTS = `  sealdir slots list [-c FILE | --file FILE] [--json | --dovecot] [ADDRESS...]
                                                             whose keys are wrapped here, and what opens them
  sealdir slots add [-c FILE | --file FILE] (--device NAME | --recovery | --password) [--label NAME] [--print-codes]
              [--password-file F | --password-fd N] [--new-password-file F | --new-password-fd N] [ADDRESS]
                                                             make another code or password, with one of those there are
  sealdir slots change [-c FILE | --file FILE] [--slot NAME] [--print-codes]
              [--password-file F | --password-fd N] [--new-password-file F | --new-password-fd N] [ADDRESS]
                                                             make one code or password another, with one of them
  sealdir slots revoke [-c FILE | --file FILE] [--force] [ADDRESS] SLOT...
                                                             take codes or passwords away; needs none of them
  sealdir slots import [-c FILE] [--yes] FILE                put a wrapped key where the gateway finds it
  sealdir slots export [-c FILE] ADDRESS                     the wrapped key of an address, on stdout
`;

export const SLOTS_USAGE = `usage:\n${SLOTS}`;

export const KEY_USAGE = `usage:\n${KEY}`;

export const USAGE = `usage:
  sealdir serve [-c FILE]                                    LMTP server
  sealdir seal [-c FILE] [--verbose] (-r RECIPIENT | -k KEYFILE)  message on stdin -> sealed message on stdout
  sealdir deliver [-c FILE] [--verbose] [-f SENDER] [-a DETAIL] RECIPIENT...
                                                             message on stdin -> the running server
  sealdir open [--agent] [-k KEYFILE] [--passphrase-file F] [--original] [FILE | --into DIR PATH...]
                                                             sealed message -> what it holds on stdout; or files and folders, into DIR
  sealdir migrate [-c FILE] (--mailbox ADDRESS | --all) [--folder NAME] [--index PATH]
              [--limit SIZE] [--dry-run] [--json]            seal the messages that mailboxes have already
  sealdir reseal [--passphrase-file F] [--index PATH] [--limit SIZE] [--dry-run] [--json]
              -k SECRETKEY --to NEWKEY DIR                   seal the messages of a Maildir to another key
  sealdir lookup [-c FILE] ADDRESS                           who gets its mail, and with which keys
  sealdir owners [-c FILE]                                   writes the files of other users, as root
  sealdir gateway [-c FILE]                                  plain IMAP over sealed mail, for who has the key
  sealdir bridge (-k SECRETKEY [--passphrase-file F] | --agent -k KEYFILE) [--listen ADDRESS] [--ca FILE] SERVER
                                                             plain IMAP on the user's own machine, from a server with sealed mail
  sealdir check [-c FILE] [--json]                           look at configuration, keys, permissions, MTA
  sealdir tls-report [-c FILE] [--json] [--log MAILLOG]      which domains send, or get, mail with which TLS
${KEY}  sealdir enroll [-k SECRETKEY] [--passphrase-file F | --passphrase-fd N] [--name NAME] [--expires 2y|never]
              [--device NAME]... [--password] [--new-password-file F | --new-password-fd N]
              [--into DIR] [--print-codes] [--yes] ADDRESS
                                                             wrap a secret key for a server, on its owner's machine
${SLOTS}  sealdir recover [--password-file F | --password-fd N] [--no-passphrase] [--into DIR] FILE
                                                             wrapped key and code -> a secret key that gpg imports
  sealdir dns [-c FILE] [--host NAME] [--ip IP]... [--certificate FILE]... [--next FILE]...
              [--dkim FILE]... [--rua URI] [--policy] [--check [--resolver SERVER]] DOMAIN
                                                             print the DNS records of a mail domain, or check them
  sealdir --version
Without -c: /etc/sealdir/sealdir.toml, or where there is none a demo under ./var
(deliver and seal -r: only for whoever has started the demo there).
`;
