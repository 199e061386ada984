/**
 * Whether a key that somebody brings is fit to be wrapped: mail can be sealed to it, and it is theirs. As
 * `key add` judges, so that the server does not refuse later what is wrapped here.
 */
import { parseCertificates } from '../../keys/certificates.ts';
import { certifiedUserIds } from '../../keys/description.ts';
import { judgeCertificate } from '../../keys/judgement.ts';

import { addressOfUserId } from '../../keys/names.ts';
import type { TransferableKey } from '../../keys/transferable.ts';
import { CommandError } from '../errors.ts';
import { confirm } from '../key/change.ts';
import type { KeyArguments, Streams } from '../key/subcommand.ts';

/** The same spelling as the server has, unless it tells letters apart (recipients.case = "exact"). */
export const SAME = { localCase: 'ignore', defaultDomain: '' } as const;

/** Asks if no user ID names the address. Throws CommandError if the key is not fit, or not meant. */
export async function refuseUnfit(
  address: string,
  { certificate }: Pick<TransferableKey, 'certificate'>,
  given: KeyArguments,
  streams: Streams,
): Promise<void> {
  const now = new Date();
  for (const each of await parseCertificates(certificate)) {
    const judgement = await judgeCertificate(each, now, { subkeys: 'all' });
    if ('reason' in judgement) throw new CommandError('data', `${judgement.reason}; nothing was made`);
    const userIds = await certifiedUserIds(each, now.getTime());
    if (userIds.some((id) => addressOfUserId(id, SAME) === address)) continue;
    const toConfirm = [`no user ID of ${each.fingerprint} names ${address}`];
    await confirm([{ toConfirm }], given, streams);
  }
}

/** Returns which programs import the recovery key. */
export async function importersOf({ certificate }: Pick<TransferableKey, 'certificate'>): Promise<string> {
  const [key] = await parseCertificates(certificate);
  const packets = key === undefined ? [] : [key.primary, ...key.subkeys];
  const isNew = packets.some((each) => each !== undefined && isOfRfc9580(each.version, each.algorithm));
  return isNew ? 'a program with RFC 9580, such as sq 1.0: gpg does not read this key' : 'gpg --import';
}

/** X25519, X448, Ed25519 and Ed448 (RFC 9580 §9.1), or a key of version 6. */
function isOfRfc9580(version: number, algorithm: number): boolean {
  return version === 6 || (algorithm >= 25 && algorithm <= 28);
}
