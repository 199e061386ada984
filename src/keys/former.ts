/**
 * A certificate that was in use before -> the keys that its owner can be written to, once: with a note about
 * what became of it. Unlike in a delivery, its end does not matter, since its owner still has the secret key.
 * A revocation does, since somebody else may have it; one that is not proven does not, since anybody could
 * have added it to keep the owner from being told.
 */
import type { Certificate } from './certificates.ts';
import { judgeProven } from './judgement.ts';
import { USUAL_STRENGTH } from './limits.ts';
import { weaknessOf } from './material.ts';
import type { JudgingRules, UsableCertificate } from './usable.ts';
import { REASONS } from './words.ts';

/** Whoever was written to before is written to again, whatever the site asks of keys by now. */
const RULES: JudgingRules = { subkeys: 'all', unsupportedSubkeys: 'ignore' };

/** Returns undefined if it is revoked, or was never of use. */
export async function formerUse(certificate: Certificate, now: Date): Promise<UsableCertificate | undefined> {
  if (weaknessOf(certificate.primary, USUAL_STRENGTH) !== undefined) return undefined;
  const validity = await certificate.validity();
  const at = now.getTime();
  if (validity.selfSignatureAt(at) === REASONS.revoked) return undefined;
  const revoked = new Set(
    validity.subkeys.flatMap((each) => {
      const state = each.stateAt(at);
      const { packet } = each.facts;
      return 'not' in state && state.not === 'revoked' && packet ? [keyIdOf(packet)] : [];
    }),
  );
  const past = validity.changesAfter(Number.NEGATIVE_INFINITY).filter((time) => time <= at);
  for (const time of [at, ...past.reverse().map((each) => each - 1)]) {
    const judged = judgeProven(certificate, validity, time, RULES);
    if (!('keys' in judged)) continue;
    const keys = judged.keys.filter(({ keyId }) => !revoked.has(keyId));
    if (keys.length > 0) return { ...judged, keys, validUntil: Number.POSITIVE_INFINITY };
  }
  return undefined;
}

function keyIdOf(packet: { getKeyID(): { toHex(): string } }): string {
  return packet.getKeyID().toHex().toUpperCase();
}
