/**
 * Writes certificates out again, from the packets that count here: the key, its user IDs, its subkeys and
 * what their owner says of them. Signatures of others and photographs are left out. What was written is read
 * again: nothing is given to anybody that would not be read as what it is.
 */

import { TAG } from '../openpgp/packets.ts';
import { type Certificate, parseCertificates } from './certificates.ts';
import { library } from './library.ts';
import type { CertificateParts, Component } from './parts.ts';

/** Returns a certificate in binary. Throws if it would not be read as the same. */
export async function binaryOf({ parts }: Certificate): Promise<Buffer> {
  const bytes = packetsOf(parts);
  const [read, ...others] = await parseCertificates(bytes);
  if (read === undefined || others.length > 0 || !packetsOf(read.parts).equals(bytes))
    throw new Error(`${parts.fingerprint.toUpperCase()} cannot be written out by itself`);
  return bytes;
}

/** Returns certificates in one armored block. */
export async function armorOf(certificates: readonly Certificate[]): Promise<Buffer> {
  const all: Buffer[] = [];
  for (const each of certificates) all.push(await binaryOf(each));
  const type = library.enums.armor.publicKey;
  const text = library.armor(type, Buffer.concat(all)) as unknown as string;
  return Buffer.from(text.replaceAll('\r\n', '\n'));
}

/** Returns a certificate with those of its user IDs that `isWanted`, or undefined if it has none of them. */
export async function withUserIds(
  certificate: Certificate,
  isWanted: (userId: string) => boolean,
): Promise<Certificate | undefined> {
  const { parts } = certificate;
  const userIds = parts.userIds.filter((_, n) => isWanted(certificate.userIds[n] ?? ''));
  if (userIds.length === 0) return undefined;
  const [reduced] = await parseCertificates(packetsOf({ ...parts, userIds, strays: [] }));
  return reduced;
}

/** Returns the packets in an order that any program reads (RFC 9580 §10.1). */
function packetsOf({ body, direct, strays, userIds, subkeys }: CertificateParts): Buffer {
  const signatures = (all: Component['signatures']) => all.map((each) => packet(TAG.signature, each.body));
  const components = (tag: number, all: readonly Component[]) =>
    all.flatMap((each) => [packet(tag, each.body), ...signatures(each.signatures)]);
  return Buffer.concat([
    packet(TAG.publicKey, body),
    ...signatures(direct),
    ...signatures(strays),
    ...components(TAG.userId, userIds),
    ...components(TAG.publicSubkey, subkeys),
  ]);
}

/** Returns a packet with the header of RFC 9580 §4.2.1, its length in five octets if it is no short one. */
function packet(tag: number, body: Uint8Array): Buffer {
  const head = body.length < 192 ? Buffer.of(0xc0 | tag, body.length) : Buffer.alloc(6, 0xc0 | tag);
  if (head.length === 6) {
    head[1] = 0xff;
    head.writeUInt32BE(body.length, 2);
  }
  return Buffer.concat([head, body]);
}
