/**
 * What a user has unlocked: what opens their mail, and what new mail is sealed to. It is made from the secret
 * key of a wrapped file, or of a file of their own, and lives as long as their sessions.
 */
import type { World } from '../core/world.ts';
import { type KeyRules, type Selection, select } from '../delivery/select.ts';
import { type Certificate, parseCertificates } from '../keys/certificates.ts';
import type { Opener } from '../keys/opening.ts';
import { readSecretKeys } from '../keys/secretfile.ts';
import type { KeyEntry } from '../keys/source.ts';
import { SecretOpener } from '../opening/secretopener.ts';

export interface Account {
  /** Opens their messages; undefined where they read their mail with programs that have the key. */
  readonly opener: Opener | undefined;
  /** Their password at the server behind, if the wrapped file has told it. */
  readonly upstream?: string;
  /** For what is remembered of their messages; from the wrapped file, too. */
  readonly cacheKey?: Buffer;
  /** Returns the keys that a message of theirs is sealed to at this moment. Throws SealingError. */
  keys(): Promise<Selection>;
  /** Erases the numbers of the secret key. */
  close(): void;
}

/** Nothing can be sealed, for reasons that are for the log. */
export class SealingError extends Error {}

export interface SealingRules {
  readonly rules: KeyRules;
  readonly world: Pick<World, 'now'>;
}

/**
 * `secretKey` is a transferable one, without a passphrase. It is the account's from then on, which overwrites
 * it when it is closed: the numbers of the key lie in it.
 */
export async function accountOf(
  secretKey: Buffer,
  certificate: Buffer,
  rules: SealingRules,
): Promise<Account> {
  const opener = new SecretOpener(await readSecretKeys(secretKey), async () => undefined, 'hidden');
  const close = () => {
    opener.close();
    secretKey.fill(0);
  };
  return { ...accountWith(opener, await parseCertificates(certificate), rules), close };
}

/** An account whose key is elsewhere: in a file of its owner, or with gpg-agent. */
export function accountWith(
  opener: Opener & { close(): void },
  certificates: readonly Certificate[],
  rules: SealingRules,
): Account {
  const entry: KeyEntry = { certificates, problems: [] };
  return { opener, keys: () => keysOf(async () => entry, rules), close: () => opener.close() };
}

/** An account without a secret key: its mail is sealed, and opened by nobody here. */
export function sealingAccount(find: () => Promise<KeyEntry | undefined>, rules: SealingRules): Account {
  return { opener: undefined, keys: () => keysOf(find, rules), close: () => undefined };
}

async function keysOf(
  find: () => Promise<KeyEntry | undefined>,
  { rules, world }: SealingRules,
): Promise<Selection> {
  const selected = await select(await find(), rules, world.now());
  if ('why' in selected) throw new SealingError(selected.reasons.join('; '));
  return selected;
}
