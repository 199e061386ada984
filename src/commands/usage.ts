/** What `sealdir --help` and `sealdir key --help` print. README "Commands" has the same lines. */

const KEY = `  sealdir key list [-c FILE] [--json] [ADDRESS...]           every key, its state, and why it is not used
  sealdir key show [-c FILE] ADDRESS|FILE                    everything about the keys of one recipient
  sealdir key add [-c FILE] [--as ADDRESS] [--yes] FILE...   put keys into the key directory (- is stdin)
  sealdir key remove [-c FILE] [--yes] ADDRESS               take the keys of a recipient out of it
  sealdir key log [-c FILE] [--json] [ADDRESS]               what became of keys, as it was logged
  sealdir key log [-c FILE] --verify [--head HASH]           whether that log is whole and was never edited
  sealdir key generate [--name NAME] [--output DIR] [--expires 2y|never]
              [--passphrase-file F | --passphrase-fd N | --no-passphrase] ADDRESS
                                                             make a key pair, on the user's own machine
  sealdir key export [-c FILE] --wkd DIR [--direct] [ADDRESS...]
                                                             write a Web Key Directory
`;

export const KEY_USAGE = `usage:\n${KEY}`;

export const USAGE = `usage:
  sealdir serve [-c FILE]                                    LMTP server
  sealdir seal [-c FILE] [--verbose] (-r RECIPIENT | -k KEYFILE)  message on stdin -> sealed message on stdout
  sealdir deliver [-c FILE] [--verbose] [-f SENDER] [-a DETAIL] RECIPIENT...
                                                             message on stdin -> the running server
  sealdir open  [-k SECRETKEY] [--passphrase-file F] [FILE]  sealed message -> the original on stdout
  sealdir lookup [-c FILE] ADDRESS                           who gets its mail, and with which keys
  sealdir owners [-c FILE]                                   writes the files of other users, as root
  sealdir check [-c FILE]                                    look at configuration, keys, permissions, MTA
${KEY}  sealdir --version
Without -c: /etc/sealdir/sealdir.toml, or where there is none a demo under ./var.
`;
