/**
 * Compares a key with the copy that is to take its place: what the new one would undo. A revocation is never
 * undone, since an old copy without it may come from whoever has stolen the key.
 */
import type { Certificate } from './certificates.ts';
import type { Revocation, Statements } from './facts.ts';
import type { Judgement } from './usable.ts';

/** Returns what the present copy of a certificate says is revoked, and the new one does not; or undefined. */
export async function lostRevocation(present: Certificate, next: Certificate): Promise<string | undefined> {
  const [old, now] = [(await present.validity()).facts, (await next.validity()).facts];
  if (old.direct.revocations.length > 0 && now.direct.revocations.length === 0) return 'the key itself';
  const subkeys = present.parts.subkeys.flatMap(({ body }, n) => {
    const there = next.parts.subkeys.findIndex((each) => Buffer.compare(each.body, body) === 0);
    const isLost = there !== -1 && isUndone(old.subkeys[n], now.subkeys[there], 'never again');
    return isLost ? ['a subkey'] : [];
  });
  const userIds = present.parts.userIds.flatMap(({ body }, n) => {
    const there = next.parts.userIds.findIndex((each) => Buffer.compare(each.body, body) === 0);
    const isLost = there !== -1 && isUndone(old.userIds[n], now.userIds[there], 'if newer');
    return isLost ? [`the user ID ${Buffer.from(body).toString()}`] : [];
  });
  return subkeys[0] ?? userIds[0];
}

/** `again`: whether what was revoked may be stated anew, as a user ID may (RFC 9580 §5.2.1.13). */
function isUndone(
  old: Statements | undefined,
  now: Statements | undefined,
  again: 'never again' | 'if newer',
): boolean {
  if (old === undefined || now === undefined || old.revocations.length === 0) return false;
  if (now.revocations.length > 0) return false;
  const revokedAt = Math.max(...old.revocations.map(({ from }: Revocation) => from));
  return again === 'never again' || !now.good.some(({ from }) => from > revokedAt);
}

/** Returns the key IDs that mail was sealed to and, with the new copy, would not be. */
export function lostKeys(present: Judgement, next: Judgement): string[] {
  if (!('keys' in present)) return [];
  const still = new Set('keys' in next ? next.keys.map(({ keyId }) => keyId) : []);
  return present.keys.map(({ keyId }) => keyId).filter((keyId) => !still.has(keyId));
}
