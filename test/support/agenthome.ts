// A private GnuPG home whose agent asks a pinentry of ours: a shell script that answers as a file says, and
// writes down what it was asked.

import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type GnupgHome, openGnupgHome } from './gnupghome.ts';
import { run } from './process.ts';

export const PASSPHRASE = 'correct % horse';

export interface AgentHome extends GnupgHome {
  /** What the agent's clients have in their environment. */
  readonly env: { readonly GNUPGHOME: string };
  /**
   * What the pinentry says when it is asked: a passphrase, that it was cancelled, or nothing, since it kills
   * the agent or goes on waiting.
   */
  answers(answer: { readonly passphrase: string } | 'cancel' | 'kill' | 'wait'): Promise<void>;
  /** What the pinentry was told since the last call, one command in a line. */
  asked(): Promise<string>;
  /** How many connections the agent has had since the last call. */
  connections(): Promise<number>;
  /** Lets the agent forget what it was told. */
  forget(): Promise<void>;
  /** Makes a key with an encryption subkey, and resolves to its certificate. */
  makeKey(address: string, algorithms: readonly string[], passphrase?: string): Promise<Buffer>;
  /** Resolves to the keygrip of the encryption subkey. */
  keygrip(address: string): Promise<string>;
}

export const CURVE25519 = [
  'Key-Type: EDDSA',
  'Key-Curve: Ed25519',
  'Subkey-Type: ECDH',
  'Subkey-Curve: Cv25519',
];
export const RSA2048 = ['Key-Type: RSA', 'Key-Length: 2048', 'Subkey-Type: RSA', 'Subkey-Length: 2048'];

const PINENTRY = `#!/bin/sh
home=$(dirname "$0")
echo "OK ready"
while read -r command rest; do
  echo "$command $rest" >> "$home/asked"
  case $command in
    GETPIN)
      read -r kind value < "$home/answer"
      case $kind in
        passphrase) echo "D $value"; echo OK;;
        cancel) echo "ERR 83886179 Operation cancelled <Pinentry>";;
        kill) kill -KILL $PPID;;
        wait) ;;
      esac;;
    BYE) echo OK; exit 0;;
    *) echo OK;;
  esac
done
`;

/** `pinentry`: the path of a real one. */
export async function openAgentHome(pinentry?: string): Promise<AgentHome> {
  const home = await openGnupgHome(PASSPHRASE);
  const at = (name: string) => join(home.path, name);
  const told = async (name: string) => {
    const text = await readFile(at(name), 'utf8').catch(() => '');
    await writeFile(at(name), '');
    return text;
  };
  await writeFile(at('pinentry'), PINENTRY, { mode: 0o700 });
  await writeFile(at('answer'), 'cancel\n'); // until a test says otherwise
  const settings = ['verbose', `log-file ${at('log')}`, `pinentry-program ${pinentry ?? at('pinentry')}`];
  await appendFile(at('gpg-agent.conf'), `${settings.join('\n')}\n`);
  return {
    ...home,
    env: { GNUPGHOME: home.path },
    async answers(answer) {
      const line = typeof answer === 'string' ? answer : `passphrase ${answer.passphrase}`;
      await writeFile(at('answer'), `${line.replaceAll('%', '%25')}\n`); // as Assuan writes it
    },
    asked: () => told('asked'),
    async connections() {
      return [...(await told('log')).matchAll(/handler \S+ for fd \d+ started/g)].length;
    },
    async forget() {
      await run('gpgconf', ['--homedir', home.path, '--reload', 'gpg-agent']);
    },
    async makeKey(address, algorithms, passphrase) {
      const lines = [
        ...algorithms,
        'Key-Usage: sign',
        'Subkey-Usage: encrypt',
        `Name-Email: ${address}`,
        'Expire-Date: 0',
        passphrase === undefined ? '%no-protection' : `Passphrase: ${passphrase}`,
        '%commit\n',
      ];
      await home.gpg(['--generate-key'], lines.join('\n'));
      return home.gpg(['--armor', '--export', address]);
    },
    async keygrip(address) {
      const listing = (
        await home.gpg(['--with-colons', '--with-keygrip', '--list-keys', address])
      ).toString();
      const [, keygrip] = /^sub:(?:.*\n)+?grp:+([0-9A-F]{40}):/m.exec(listing) ?? [];
      if (keygrip === undefined) throw new Error(`no subkey of ${address}:\n${listing}`);
      return keygrip;
    },
  };
}
