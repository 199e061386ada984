/** `sealdir open --agent`: the secret key stays with GnuPG or on its card, and gpg-agent decrypts with it. */
import { readlinkSync } from 'node:fs';
import { isatty } from 'node:tty';
import { Agent, type Environment } from '../agent/agent.ts';
import { AgentFault } from '../agent/assuan.ts';
import { ownCertificates } from '../agent/gnupg.ts';
import { type AgentKey, AgentOpener, readAgentKeys } from '../agent/opener.ts';
import type { NamedOpener } from '../keys/opening.ts';
import { CommandError } from './errors.ts';
import { MOST_KEYS, readInput } from './inputfile.ts';
import { untilInterrupted } from './interrupt.ts';
import { readPassphrase } from './passphrase.ts';

interface Options {
  /** Where the pinentry of gpg-agent asks. */
  readonly agent: Environment;
  readonly keyFile: string | undefined;
  readonly passphraseFile: string | undefined;
}

/** Reads the public keys and connects to the agent. Throws CommandError. */
export async function agentOpener({
  agent: environment,
  keyFile,
  passphraseFile,
}: Options): Promise<NamedOpener> {
  const { keys, from } = await withWords(keysOf(keyFile));
  const terminal = environment.GPG_TTY || terminalName();
  const passphrase = passphraseFile === undefined ? undefined : () => readPassphrase(passphraseFile);
  const agent = await withWords(Agent.open({ environment, terminal, passphrase }));
  const opener = new AgentOpener(agent, keys, from);
  // a pinentry on this terminal stays there until it is answered, and takes what is typed
  let isHeld = terminal !== undefined && !environment.DISPLAY && !environment.WAYLAND_DISPLAY;
  const interrupt = (signal: NodeJS.Signals) => {
    if (!isHeld || signal !== 'SIGINT') opener.close();
    isHeld = false;
  };
  return {
    name: 'gpg-agent',
    sessionKeyOf: (sealed) =>
      untilInterrupted(async (pause) => {
        try {
          return await withWords(opener.sessionKeyOf(sealed));
        } finally {
          pause();
        }
      }, interrupt),
    close: () => opener.close(),
  };
}

interface Keys {
  readonly keys: readonly AgentKey[];
  /** Where they are from, in words. */
  readonly from: string;
}

async function keysOf(file: string | undefined): Promise<Keys> {
  if (file !== undefined) {
    const bytes = await readInput(file, { what: 'key file', most: MOST_KEYS });
    return { keys: readable(file, bytes), from: file };
  }
  const bytes = await ownCertificates();
  if (bytes.length === 0)
    throw new CommandError('data', 'gpg has no secret key: which one? Give its public key with -k KEYFILE');
  return { keys: readable('the key ring of gpg', bytes), from: 'the key ring of gpg with a secret key' };
}

function readable(name: string, bytes: Buffer): AgentKey[] {
  try {
    return readAgentKeys(bytes);
  } catch (error) {
    throw new CommandError('data', `${name} ${(error as Error).message}`);
  }
}

/** An agent that is not there may be there later. */
async function withWords<T>(work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw error instanceof AgentFault ? new CommandError('tempFail', error.message) : error;
  });
}

/** Returns the name of the terminal that this command runs at, if it does. */
function terminalName(): string | undefined {
  const descriptor = [0, 1, 2].find((each) => isatty(each));
  return descriptor === undefined ? undefined : readlinkSync(`/proc/self/fd/${descriptor}`);
}
