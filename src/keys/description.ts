/** Puts the parts of a certificate into words: its user IDs, and each of its keys with its use. */
import type { Certificate } from './certificates.ts';
import { expiryOf, History, type SubkeyState } from './history.ts';
import { longKind, shortKind } from './kind.ts';
import { USUAL_STRENGTH } from './limits.ts';
import { canEncrypt, weaknessOf } from './material.ts';
import type { Judgement, JudgingRules, Strength } from './usable.ts';
import type { Validity } from './validity.ts';

export interface UserIdPart {
  readonly text: string;
  /** Why it does not count, or undefined. */
  readonly trouble: string | undefined;
}

export interface PartOfKey {
  /** Upper-case hex. */
  readonly keyId: string;
  readonly kind: string;
  readonly madeAt: Date;
  readonly usage: string;
  /** Undefined if it never ends, and if its owner says nothing that counts. */
  readonly endsAt: Date | undefined;
  /** Why mail is not sealed to it, or undefined if it is. */
  readonly notUsed: string | undefined;
}

const USAGES: readonly (readonly [flag: number, name: string])[] = [
  [0x01, 'certification'],
  [0x02, 'signing'],
  [0x04 | 0x08, 'encryption'],
  [0x20, 'authentication'],
];
const FOR_ENCRYPTION = 0x04 | 0x08;

/** Returns user IDs and keys as they are at a time; the primary key comes first. */
export async function describeParts(
  certificate: Certificate,
  judgement: Judgement,
  at: number,
  { strength = USUAL_STRENGTH }: JudgingRules,
): Promise<{ userIds: UserIdPart[]; keys: PartOfKey[] }> {
  const validity = await certificate.validity();
  const used = new Set('keys' in judgement ? judgement.keys.map(({ keyId }) => keyId) : []);
  const view = { used, at, strength };
  const userIds = certificate.userIds.map((text, n) => ({ text, trouble: userIdTrouble(validity, n, at) }));
  const subkeys = certificate.parts.subkeys.map(({ body }, n) =>
    describeSubkey(certificate, validity, n, body, view),
  );
  return { userIds, keys: [describePrimary(certificate, validity, view), ...subkeys] };
}

/** Returns which user IDs of a certificate its owner stands by at a time. */
export async function certifiedUserIds(certificate: Certificate, at: number): Promise<string[]> {
  const validity = await certificate.validity();
  return certificate.userIds.filter((_, n) => userIdTrouble(validity, n, at) === undefined);
}

function userIdTrouble({ facts }: Validity, n: number, at: number): string | undefined {
  const statements = facts.userIds[n];
  if (statements === undefined) return 'not certified';
  const history = new History(statements);
  if (history.latest(at) !== undefined) return undefined;
  if (history.isRevoked(at)) return 'revoked';
  return statements.good.length === 0 ? 'not certified by the owner of the key' : 'its certification is over';
}

/** What a description depends on. */
interface View {
  /** The IDs of the keys that are sealed to. */
  readonly used: ReadonlySet<string>;
  readonly at: number;
  readonly strength: Strength;
}

function describePrimary(
  { primary }: Certificate,
  validity: Validity,
  { used, at, strength }: View,
): PartOfKey {
  const keyId = keyIdOf(primary);
  const self = validity.selfSignatureAt(at);
  const flags = typeof self === 'string' ? undefined : self.keyFlags?.[0];
  const end = typeof self === 'string' || self.keyNeverExpires !== false ? null : self.keyExpirationTime;
  const why = typeof self === 'string' ? 'the key as a whole is not valid' : whyNot(primary, flags, strength);
  return {
    keyId,
    kind: shortKind(primary),
    madeAt: primary.created,
    usage: usageOf(flags),
    endsAt: end === null ? undefined : new Date(primary.created.getTime() + end * 1000),
    notUsed: used.has(keyId) ? undefined : why,
  };
}

function describeSubkey(
  { subkeys }: Certificate,
  validity: Validity,
  n: number,
  body: Uint8Array,
  { used, at, strength }: View,
): PartOfKey {
  const packet = subkeys[n];
  const history = validity.subkeys[n];
  const state = history?.stateAt(at) ?? { not: 'unbound' };
  const madeAt = new Date(history?.facts.createdAt ?? 0);
  const binding = 'binding' in state ? state.binding : undefined;
  const flags = (binding ?? history?.facts.good.at(-1))?.packet.keyFlags?.[0];
  const end = binding === undefined ? endOf(state) : expiryOf(madeAt.getTime(), binding);
  const keyId = packet === undefined ? '(no key ID)' : keyIdOf(packet);
  const why =
    troubleOf(state) ??
    (packet === undefined ? 'of a kind that Sealdir cannot use' : whyNot(packet, flags, strength));
  return {
    keyId,
    kind: packet === undefined ? longKind(body) : shortKind(packet),
    madeAt,
    usage: usageOf(flags),
    endsAt: Number.isFinite(end) ? new Date(end) : undefined,
    notUsed: used.has(keyId) ? undefined : why,
  };
}

function endOf(state: SubkeyState): number {
  return 'not' in state && state.not === 'expired' ? state.when : Number.POSITIVE_INFINITY;
}

function troubleOf(state: SubkeyState): string | undefined {
  if ('binding' in state) return undefined;
  if (!('when' in state))
    return state.not === 'revoked' ? 'it is revoked' : 'its owner says nothing valid about it';
  const day = new Date(state.when).toISOString().slice(0, 10);
  return state.not === 'expired' ? `it expired on ${day}` : `it is valid from ${day} on only`;
}

function whyNot(
  packet: Parameters<typeof weaknessOf>[0] & { algorithm: number },
  flags: number | undefined,
  strength: Strength,
): string {
  if (flags === undefined) return 'it does not say what it is for';
  if (!canEncrypt(packet.algorithm) || (flags & FOR_ENCRYPTION) === 0) return 'it is not for encryption';
  const weakness = weaknessOf(packet, strength);
  if (weakness !== undefined) return `it is too weak (${weakness})`;
  return 'another key is used, or none is (see the state)';
}

function usageOf(flags: number | undefined): string {
  const names = USAGES.flatMap(([flag, name]) => (((flags ?? 0) & flag) === 0 ? [] : [name]));
  return names.length === 0 ? 'nothing that it says' : names.join(', ');
}

function keyIdOf(packet: { getKeyID(): { toHex(): string } }): string {
  return packet.getKeyID().toHex().toUpperCase();
}
