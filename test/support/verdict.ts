// What becomes of a key file whose certificates were made packet by packet.

import assert from 'node:assert/strict';
import { KeyFileError } from '../../src/keys/blocks.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';

/** Seconds since the epoch, as in packets. */
export const NOW = Math.trunc(Date.now() / 1000);
export const DAY = 86_400;
export const MADE = NOW - 1000 * DAY;

/** Resolves to how many keys each certificate gives, or why not; `refused` for a file that is. */
export async function verdictOf(
  file: Buffer | string,
  unsupported: 'defer' | 'ignore' = 'defer',
): Promise<string[]> {
  try {
    const certificates = await parseCertificates(Buffer.from(file));
    const judged = await Promise.all(
      certificates.map((each) =>
        judgeCertificate(each, new Date(NOW * 1000), { subkeys: 'all', unsupportedSubkeys: unsupported }),
      ),
    );
    return judged
      .map((each) => ('keys' in each ? `${each.fingerprint} ${each.keys.length}` : each.reason))
      .sort();
  } catch (error) {
    assert.ok(error instanceof KeyFileError, `${error}`);
    return [`refused: it ${error.message}`];
  }
}

/** The packets of a certificate one by one: each is shorter than 192 octets. */
export function packetsOf(binary: Buffer): Buffer[] {
  const packets: Buffer[] = [];
  for (let at = 0; at < binary.length; at += 2 + binary.readUInt8(at + 1))
    packets.push(binary.subarray(at, at + 2 + binary.readUInt8(at + 1)));
  return packets;
}
