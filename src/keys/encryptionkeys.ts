/**
 * Finds the keys of a valid certificate that are for encryption at a given time. Those that cannot be used
 * are told apart, so that none is left out without a word.
 */
import type { Certificate } from './certificates.ts';
import type { Doubt, SubkeyFacts } from './facts.ts';
import { newestFirst, type SubkeyState } from './history.ts';
import { canEncrypt, type KeyPacket, weaknessOf } from './material.ts';
import type { Strength } from './usable.ts';
import type { SelfSignature, Validity } from './validity.ts';
import { boundBy, kindOfKey, LEFT_OUT, REASONS } from './words.ts';

const FOR_ENCRYPTION = 0x04 | 0x08; // of communication, of storage; RFC 9580 §5.2.3.29

export interface EncryptionKeys {
  /**
   * The newest first; of those made at once, the one with the higher algorithm number. The primary key is the
   * last.
   */
  readonly keys: readonly KeyPacket[];
  /** Kinds of subkeys for encryption that cannot be used here. */
  readonly unsupported: readonly string[];
  /** Whether there is a subkey that its owner may have bound by a signature that was damaged since. */
  readonly isDamaged: boolean;
  /** Sentences about those that are not used for another reason, although their owner meant them. */
  readonly leftOut: readonly string[];
  /** Why there is none; without meaning if there is one. */
  readonly whyNone: string;
}

export function encryptionKeysAt(
  { primary }: Pick<Certificate, 'primary'>,
  validity: Validity,
  self: SelfSignature,
  at: number,
  strength: Strength,
): EncryptionKeys {
  const subkeys = validity.subkeys.map((each) => ({ subkey: each.facts, state: each.stateAt(at) }));
  const valid = subkeys.flatMap(({ subkey, state }) =>
    'binding' in state ? [{ subkey, flags: state.binding.packet.keyFlags?.[0] }] : [],
  );
  const meant = valid.filter(({ subkey: { packet }, flags }) => isMeant(packet?.algorithm, flags));
  const sorted = meant
    .flatMap(({ subkey: { packet } }) => (packet === undefined ? [] : [packet]))
    .sort((a, b) => b.created.getTime() - a.created.getTime() || b.algorithm - a.algorithm);
  const isPrimaryMeant = canEncrypt(primary.algorithm) && isMeant(primary.algorithm, self.keyFlags?.[0]);
  const weak = sorted.flatMap((packet) => weaknessOf(packet, strength) ?? []);
  const noPurpose = valid.filter(
    ({ subkey: { packet }, flags }) => packet && canEncrypt(packet.algorithm) && flags === undefined,
  );
  const unknown = meant.filter(({ subkey: { packet } }) => packet === undefined);
  const doubtful = subkeys.flatMap(({ subkey, state }) => {
    const doubt = doubtOf(subkey, state, strength);
    return doubt === undefined ? [] : [{ subkey, doubt }];
  });
  const damaged = doubtful.filter(({ doubt }) => doubt.why === 'false');
  const unbound = subkeys.filter(({ subkey, state }) => isUnbound(subkey, state, strength));
  return {
    keys: [
      ...sorted.filter((packet) => weaknessOf(packet, strength) === undefined),
      ...(isPrimaryMeant ? [primary] : []),
    ],
    unsupported: [
      ...unknown.map(({ subkey }) => kindOfKey(subkey.head)),
      ...doubtful
        .filter(({ doubt }) => doubt.why !== 'false')
        .map(({ subkey: { packet, head }, doubt }) =>
          packet === undefined ? kindOfKey(head) : boundBy(doubt),
        ),
    ],
    isDamaged: damaged.length > 0,
    leftOut: [
      ...weak.map(LEFT_OUT.weak),
      ...noPurpose.map(() => LEFT_OUT.noPurpose),
      ...[...unbound, ...damaged].map(() => LEFT_OUT.unbound),
    ],
    whyNone:
      weak[0] === undefined
        ? whyNone(
            subkeys,
            noPurpose.length > 0 || self.keyFlags === null,
            unbound.length + doubtful.length > 0,
          )
        : REASONS.subkeysWeak(weak[0]),
  };
}

/** Tells whether a key may be encrypted to at a time, unless it is too weak. */
export function isForEncryptionAt(
  key: KeyPacket,
  { primary }: Pick<Certificate, 'primary'>,
  validity: Validity,
  at: number,
): boolean {
  const self = validity.selfSignatureAt(at);
  if (typeof self === 'string') return false;
  if (key === primary) return isMeant(primary.algorithm, self.keyFlags?.[0]);
  const subkey = validity.subkeys.find(({ facts }) => facts.packet === key);
  const binding = subkey?.bindingAt(at);
  return binding !== undefined && isMeant(subkey?.facts.packet?.algorithm, binding.packet.keyFlags?.[0]);
}

/**
 * Tells whether the owner's newest word on a key up to a time is that it is for encryption, be the word
 * lapsed or not.
 */
export function isLastMeant(
  key: KeyPacket,
  { primary }: Pick<Certificate, 'primary'>,
  { facts }: Validity,
  at: number,
): boolean {
  const ofPrimary = primary.version === 6 ? [facts.direct] : facts.userIds;
  const subjects = key === primary ? ofPrimary : facts.subkeys.filter(({ packet }) => packet === key);
  const words = subjects.flatMap(({ good }) => good).filter(({ from }) => from <= at);
  const [newest] = newestFirst(words);
  return ((newest?.packet.keyFlags?.[0] ?? 0) & FOR_ENCRYPTION) !== 0;
}

/** Tells whether a key is for encryption; one of an unknown kind is, unless its owner says that it is not. */
function isMeant(algorithm: number | undefined, flags: number | undefined): boolean {
  if (algorithm === undefined) return flags === undefined || (flags & FOR_ENCRYPTION) !== 0;
  return canEncrypt(algorithm) && flags !== undefined && (flags & FOR_ENCRYPTION) !== 0;
}

/** Returns the signature that is not believed, and by which the owner may have meant a subkey to be used. */
function doubtOf({ packet, doubts }: SubkeyFacts, state: SubkeyState, strength: Strength): Doubt | undefined {
  if ('binding' in state || state.not === 'revoked' || !isPerhapsFit(packet, strength)) return undefined;
  const meant = doubts.filter(({ flags }) => isMeant(undefined, flags));
  return meant.find(({ why }) => why !== 'false') ?? meant[0];
}

/** Tells whether a subkey is there of which its owner says nothing, although it could be for encryption. */
function isUnbound({ packet, doubts }: SubkeyFacts, state: SubkeyState, strength: Strength): boolean {
  return 'not' in state && state.not === 'unbound' && doubts.length === 0 && isPerhapsFit(packet, strength);
}

/** Tells whether a key could be encrypted to as far as its numbers say; an unknown one could. */
function isPerhapsFit(packet: SubkeyFacts['packet'], strength: Strength): boolean {
  return packet === undefined || (canEncrypt(packet.algorithm) && weaknessOf(packet, strength) === undefined);
}

function whyNone(
  subkeys: readonly { readonly subkey: SubkeyFacts; readonly state: SubkeyState }[],
  hasNoPurpose: boolean,
  isAnyInDoubt: boolean,
): string {
  const ofEncryption = subkeys.filter(({ subkey: { packet, good } }) =>
    good.some((each) => isMeant(packet?.algorithm, each.packet.keyFlags?.[0])),
  );
  const states = ofEncryption.map(({ state }) => state);
  const early = states.flatMap((state) => ('not' in state && state.not === 'early' ? [state.when] : []));
  if (early.length > 0) return REASONS.subkeysNotYet(new Date(Math.min(...early)));
  if (isAnyInDoubt) return REASONS.subkeysUnbound;
  const ends = states.flatMap((state) => ('not' in state && state.not === 'expired' ? [state.when] : []));
  if (ends.length > 0) return REASONS.subkeysExpired(new Date(Math.max(...ends)));
  if (states.some((state) => 'not' in state && state.not === 'revoked')) return REASONS.subkeysRevoked;
  return hasNoPurpose ? REASONS.noPurpose : REASONS.noEncryptionKey;
}
