/**
 * What a key may cost. Checked when a key is read or judged, so that no message has to pay for an absurd one.
 * The times are those of one processor on one machine.
 */

import type { Strength } from './usable.ts';

/** Anything weaker is never used, whatever a site says. */
export const USUAL_STRENGTH: Strength = { minRsaBits: 2048, minCurveBits: 256 };

/** RSA of 8192 bits with an exponent of 32 costs a message 1.4 ms; of 16384 with 64, 7 ms. */
export const MAX_RSA_BITS = 8192;
export const MAX_RSA_EXPONENT_BITS = 32;

/** Encryption keys of one recipient, in all of their certificates: more than anybody has devices. */
export const MAX_SESSION_KEY_PACKETS = 16;

/**
 * Milliseconds for all session-key packets of one copy: 4 keys on P-521, the most expensive, or 28 of
 * RSA-8192.
 */
export const MAX_SESSION_KEY_MS = 40;

/** Packets in one file: a certificate of 256 KiB full of the signatures of others has 3000. */
export const MAX_PACKETS = 8192;

/** Signatures of the owner times keys, in one file: each may have to be hashed once for each key. */
export const MAX_HASHES = 4096;

/** Signatures of the owner in one file: 0.1 to 2 ms each, once for each change of the file. */
export const MAX_SIGNATURES = 1024;

/**
 * Trials of signatures elsewhere than where they stand, in one file. Each may cost what a signature does: a
 * forger can make them fit far enough.
 */
export const MAX_TRIALS = 1024;
