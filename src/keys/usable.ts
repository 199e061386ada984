/** What a judgement of a certificate says. Types only. */
import type { Preferences } from '../openpgp/agree.ts';
import type { SessionKeyEncryptor } from '../openpgp/pkesk.ts';

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

/** A judgement and the times between which it counts, in milliseconds since the epoch. */
export interface Judged {
  readonly rules: string;
  readonly from: number;
  until: number;
  readonly result: Promise<Judgement>;
}
