/**
 * Finds the session key of a message by the secret keys that gpg-agent has. Which of them it needs comes from
 * public keys, of a file or of gpg. Nobody is asked twice for the same key in vain.
 */
import { findPublicKeys } from '../keys/keypackets.ts';
import {
  listOf,
  MOST_TRIES,
  NotNowError,
  NotOpenedError,
  type Opener,
  type SessionKey,
} from '../keys/opening.ts';
import { openSealedKey, readSealedKey, type SealedKey } from '../openpgp/openpkesk.ts';
import { type PublicKey, readPublicKey } from '../openpgp/publickey.ts';
import type { Agent, KeyState } from './agent.ts';
import { keygripOf } from './keygrip.ts';
import { isFinal, wordsOf } from './words.ts';

export interface AgentKey extends PublicKey {
  readonly keygrip: string;
}

/**
 * Returns the keys of a file that can decrypt and that GnuPG can have. Throws with a sentence, to follow the
 * file's name.
 */
export function readAgentKeys(bytes: Uint8Array): AgentKey[] {
  const found = findPublicKeys(bytes);
  if (found.length === 0) throw new Error('holds no key');
  const keys = new Map<string, AgentKey>();
  for (const key of found.map(readPublicKey)) {
    if (key === undefined) continue;
    const keygrip = keygripOf(key.numbers);
    if (keygrip !== undefined) keys.set(key.keyId, { ...key, keygrip });
  }
  if (keys.size === 0) throw new Error('holds no key of a kind that gpg-agent decrypts with');
  return [...keys.values()];
}

/** A session-key packet of a message, and a key that it may be for. */
interface Pair {
  readonly sealed: SealedKey;
  readonly key: AgentKey;
}

export class AgentOpener implements Opener {
  readonly #agent: Agent;
  readonly #keys: readonly AgentKey[];
  readonly #from: string;
  /** Why the agent did not decrypt with a key, where it would ask somebody again. */
  readonly #refused = new Map<string, string>();

  /** `from`: where the public keys are from, in words. */
  constructor(agent: Agent, keys: readonly AgentKey[], from: string) {
    this.#agent = agent;
    this.#keys = keys;
    this.#from = from;
  }

  /** Ends the connection. What waits for the agent then fails. */
  close(): void {
    this.#agent.close();
  }

  async sessionKeyOf(packets: readonly Uint8Array[]): Promise<SessionKey> {
    const sealed = packets.flatMap((body) => readSealedKey(body) ?? []);
    const pairs = pairsOf(sealed, this.#keys);
    if (pairs.length === 0)
      throw new NotOpenedError(`it is for ${listOf(packets)}, and none of those keys is in ${this.#from}`);
    const there = await this.#there(pairs);
    let why = 'the key does not open it';
    for (const pair of there) {
      const opened = await this.#open(pair);
      if (typeof opened !== 'string') return opened;
      why = opened;
    }
    throw new NotNowError(why);
  }

  /** Returns those that the agent has keys for: first the ones that nobody is asked about. */
  async #there(pairs: readonly Pair[]): Promise<Pair[]> {
    const states = new Map<string, KeyState>();
    for (const { key } of pairs)
      if (!states.has(key.keygrip)) states.set(key.keygrip, await this.#agent.stateOf(key.keygrip));
    const inState = (state: KeyState) => pairs.filter(({ key }) => states.get(key.keygrip) === state);
    const there = [...inState('ready'), ...inState('there')];
    if (there.length > 0) return there;
    const ids = new Set(pairs.map(({ key }) => key.keyId));
    throw new NotNowError(`gpg-agent does not have the secret key of ${[...ids].join(', ')}`);
  }

  /** Resolves to a session key, or to why there is none. */
  async #open({ sealed, key }: Pair): Promise<SessionKey | string> {
    const refused = this.#refused.get(key.keygrip);
    if (refused !== undefined) return refused;
    const about = `Sealdir opens mail with the OpenPGP key\n${key.keyId}.\nPlease enter its passphrase.`;
    const answer = await this.#agent.decrypt(key.keygrip, sealed.cipher, about);
    if (answer.kind === 'decrypted')
      return openSealedKey(sealed, key, answer.value, answer.padding) ?? 'the key does not open it';
    const why = wordsOf(answer);
    if (isFinal(answer.code)) this.#refused.set(key.keygrip, why);
    return why;
  }
}

/** Lists the keys that a message names, then those that it may be for since its sender has hidden whose. */
function pairsOf(sealed: readonly SealedKey[], keys: readonly AgentKey[]): Pair[] {
  const pairs = (isFor: (sealed: SealedKey, key: AgentKey) => boolean) =>
    sealed.flatMap((each) =>
      keys.filter((key) => isSameKind(each, key) && isFor(each, key)).map((key) => ({ sealed: each, key })),
    );
  return [
    ...pairs(({ keyId }, key) => keyId === key.keyId),
    ...pairs(({ keyId }) => keyId === undefined), // RFC 9580 §5.1.1
  ].slice(0, MOST_TRIES);
}

function isSameKind({ cipher }: SealedKey, { numbers }: AgentKey): boolean {
  if (cipher.kind === 'ecdh' && numbers.kind === 'ecdh') return cipher.point.length === numbers.point.length;
  return cipher.kind === numbers.kind;
}
