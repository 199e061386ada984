/**
 * A running gpg-agent: which secret keys it has, and what they decrypt. One connection for as many messages
 * as there are. The agent asks for passphrases, by the pinentry of its user, and remembers them as its user
 * has set it up.
 */

import type { Ciphertext } from '../openpgp/openpkesk.ts';
import { AgentFault, type Answer, Assuan } from './assuan.ts';
import { agentSocket, launchAgent } from './gnupg.ts';
import { encVal, valueIn } from './sexpression.ts';

export interface AgentOptions {
  /** Where the pinentry is to ask, by the names of environ(7). */
  readonly environment: Environment;
  /** The terminal of whoever waits. */
  readonly terminal: string | undefined;
  /** Tells the passphrase in place of the pinentry. */
  readonly passphrase: (() => Promise<string>) | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** `ready`: to all appearance nobody has to be asked for a passphrase. */
export type KeyState = 'ready' | 'there' | 'absent';

export type Decrypted =
  | { readonly kind: 'decrypted'; readonly value: Uint8Array; readonly padding: 'padded' | 'bare' }
  | Extract<Answer, { kind: 'error' }>;

export class Agent {
  readonly #assuan: Assuan;
  readonly #passphrase: AgentOptions['passphrase'];

  private constructor(assuan: Assuan, passphrase: AgentOptions['passphrase']) {
    this.#assuan = assuan;
    this.#passphrase = passphrase;
  }

  /** Connects to the agent of GnuPG, and starts it where it does not run. Throws AgentFault. */
  static async open(options: AgentOptions): Promise<Agent> {
    const assuan = await connected(await agentSocket());
    // an agent on another machine, that is forwarded here, refuses to be told: it asks there
    for (const option of optionsOf(options)) await assuan.command(`OPTION ${option}`);
    return new Agent(assuan, options.passphrase);
  }

  close(): void {
    this.#assuan.close();
  }

  async stateOf(keygrip: string): Promise<KeyState> {
    const has = await this.#assuan.command(`HAVEKEY ${keygrip}`);
    if (has.kind === 'error') return 'absent';
    // a forwarded agent does not tell this
    const info = await this.#assuan.command(`KEYINFO ${keygrip}`);
    if (info.kind === 'error') return 'there';
    // KEYINFO <keygrip> <type> <serialno> <idstr> <cached> <protection>
    const [, , type, , , isCached, protection] = (info.status.at(-1) ?? '').split(' ');
    return type === 'D' && (isCached === '1' || protection === 'C') ? 'ready' : 'there';
  }

  /** Decrypts what a session-key packet has. `about` says in the pinentry what for. Throws AgentFault. */
  async decrypt(keygrip: string, cipher: Ciphertext, about: string): Promise<Decrypted> {
    const set = await this.#assuan.command(`SETKEY ${keygrip}`);
    if (set.kind === 'error') return set;
    await this.#assuan.command(`SETKEYDESC ${encodeURIComponent(about)}`);
    const passphrase = this.#passphrase;
    const answer = await this.#assuan.command('PKDECRYPT', {
      waits: 'for person',
      inquiries: {
        CIPHERTEXT: async () => encVal(cipher),
        ...(passphrase && { PASSPHRASE: async () => Buffer.from(await passphrase()) }),
      },
    });
    if (answer.kind === 'error') return answer;
    const value = valueIn(answer.data);
    if (value === undefined) throw new AgentFault('gpg-agent has decrypted something else than a number');
    return { kind: 'decrypted', value, padding: answer.status.includes('PADDING 0') ? 'bare' : 'padded' };
  }
}

async function connected(path: string): Promise<Assuan> {
  try {
    return await Assuan.connect(path);
  } catch (error) {
    if (error instanceof AgentFault) throw error;
  }
  await launchAgent();
  return Assuan.connect(path).catch((error: Error) => {
    if (error instanceof AgentFault) throw error;
    throw new AgentFault(
      `there is no gpg-agent (${error.message}): start it with "gpgconf --launch gpg-agent"`,
    );
  });
}

/** Those of a session that a pinentry may need besides its terminal, as gpg tells them. */
const TOLD = [
  'DISPLAY',
  'XAUTHORITY',
  'XMODIFIERS',
  'WAYLAND_DISPLAY',
  'XDG_SESSION_TYPE',
  'QT_QPA_PLATFORM',
  'GTK_IM_MODULE',
  'QT_IM_MODULE',
  'DBUS_SESSION_BUS_ADDRESS',
  'INSIDE_EMACS',
  'PINENTRY_USER_DATA',
] as const;
const MOST_OPTION = 900;

function optionsOf({ environment, terminal, passphrase }: AgentOptions): string[] {
  const { TERM, LC_ALL, LC_CTYPE, LC_MESSAGES, LANG } = environment;
  const named = {
    ttyname: terminal,
    ttytype: TERM,
    'lc-ctype': LC_ALL || LC_CTYPE || LANG,
    'lc-messages': LC_ALL || LC_MESSAGES || LANG,
    'pinentry-mode': passphrase && 'loopback',
  };
  const options = [
    ...Object.entries(named).map(([name, value]) => [name, value] as const),
    ...TOLD.map((name) => [`putenv=${name}`, environment[name]] as const),
  ];
  return options
    .filter(([, value]) => value !== undefined && value !== '' && !/[\r\n]/.test(value))
    .map(([name, value]) => `${name}=${value}`)
    .filter((option) => Buffer.byteLength(option) < MOST_OPTION);
}
