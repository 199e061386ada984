/** What a judgement of a certificate says. Types only. */
import type { Preferences } from '../openpgp/agree.ts';
import type { SessionKeyEncryptor } from '../openpgp/pkesk.ts';

/** What a judgement depends on besides the certificate and the time. */
export interface JudgingRules {
  readonly subkeys: 'all' | 'newest';
  /** What is done with one that has a subkey for encryption that Sealdir cannot use. Default: defer. */
  readonly unsupportedSubkeys?: 'defer' | 'ignore';
  /** Default: USUAL_STRENGTH. */
  readonly strength?: Strength;
}

/** What a key has to have to be no weak one. */
export interface Strength {
  /** A modulus may be one bit short of it, as old programs made them. */
  readonly minRsaBits: number;
  /** Those of a curve by its name: 256 for Curve25519. */
  readonly minCurveBits: number;
}

/** The keys of one certificate that a session key may be encrypted to at the time it was judged. */
export interface UsableCertificate {
  /** Upper-case hex. */
  readonly fingerprint: string;
  readonly keys: readonly UsableKey[];
  readonly preferences: Preferences;
  /** Milliseconds since the epoch; from then on one of the keys is no longer valid. */
  readonly validUntil: number;
  /** Sentences about subkeys for encryption that it is not sealed to; `check` warns of them. */
  readonly leftOut: readonly string[];
}

export interface UsableKey {
  /** Upper-case hex. */
  readonly keyId: string;
  readonly encrypt: SessionKeyEncryptor;
  /** Milliseconds of a processor for each message. */
  readonly cost: number;
}

/** Why a certificate cannot be encrypted to. */
export interface Unfit {
  readonly fingerprint: string;
  /** A sentence for the log and for `check`, which begins with the fingerprint. */
  readonly reason: string;
  /**
   * `recipient`: to use the recipient's other certificates would be less than their owner meant, so none is
   * used (D7).
   */
  readonly holdsBack: 'certificate' | 'recipient';
}

export type Judgement = UsableCertificate | Unfit;

/** A certificate as it was when it could be used for the last time. */
export interface LastValid {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly usable: UsableCertificate;
}

/** A judgement and the times between which it counts, in milliseconds since the epoch. */
export interface Judged<T = Promise<Judgement>> {
  readonly rules: JudgingRules;
  readonly from: number;
  until: number;
  readonly result: T;
}
