/**
 * A certificate while the packets of a key file are being read: takes user IDs, subkeys and signatures in the
 * order of the file, and gives them back without doubles, in an order of its own.
 */
import { createHash } from 'node:crypto';
import { uint } from '../openpgp/packets.ts';
import { type CertificateParts, distinct, type RawSignature, united } from './parts.ts';
import { isAboutSubkey, isAboutUserId, SIGNATURE } from './signaturehead.ts';

export class Draft {
  readonly body: Uint8Array;
  readonly fingerprint: string;
  readonly keyId: string;
  readonly direct: RawSignature[] = [];
  readonly strays: RawSignature[] = [];
  readonly userIds: { body: Uint8Array; signatures: RawSignature[] }[] = [];
  readonly subkeys: { body: Uint8Array; signatures: RawSignature[] }[] = [];
  #last: 'key' | 'userId' | 'attribute' | 'subkey' = 'key';
  keys = 1;
  signatures = 0;

  constructor(body: Uint8Array) {
    this.body = body;
    this.fingerprint = fingerprintOf(body);
    this.keyId = keyIdOf(body, this.fingerprint);
  }

  addUserId(body: Uint8Array): void {
    this.userIds.push({ body, signatures: [] });
    this.#last = 'userId';
  }

  addAttribute(): void {
    this.#last = 'attribute'; // a photograph: nothing depends on it
  }

  addSubkey(body: Uint8Array): void {
    this.subkeys.push({ body, signatures: [] });
    this.keys++;
    this.#last = 'subkey';
  }

  /**
   * Takes a signature from its place in the file, or one that belongs to this key but came from elsewhere.
   */
  addSignature(signature: RawSignature, place: 'here' | 'elsewhere'): void {
    const { type, issuers } = signature.head;
    const isOwn = issuers.length === 0 || issuers.includes(this.keyId);
    if (!isOwn) return; // what others say of a key does not count
    this.signatures++;
    const last = place === 'here' ? this.#last : 'key';
    if (type === SIGNATURE.directKey || type === SIGNATURE.keyRevocation) this.direct.push(signature);
    else if (isAboutSubkey(type)) (last === 'subkey' ? lastOf(this.subkeys) : this.strays).push(signature);
    else if (!isAboutUserId(type) || last === 'attribute') return;
    else (last === 'userId' ? lastOf(this.userIds) : this.strays).push(signature);
  }

  finish(): CertificateParts {
    const { body, fingerprint, keyId, keys, signatures } = this;
    return {
      body,
      fingerprint,
      keyId,
      direct: distinct(this.direct),
      strays: distinct(this.strays),
      userIds: united(this.userIds),
      subkeys: united(this.subkeys),
      counts: { keys, signatures },
    };
  }
}

function lastOf(components: readonly { signatures: RawSignature[] }[]): RawSignature[] {
  return components.at(-1)?.signatures ?? [];
}

// RFC 9580 §5.5.4; version 5 as in LibrePGP
function fingerprintOf(body: Uint8Array): string {
  const version = body[0] ?? 0;
  const octets = version > 4 ? 4 : 2;
  const head = Buffer.alloc(1 + octets, 0x95 + version);
  head.writeUIntBE(body.length, 1, octets);
  return createHash(version > 4 ? 'sha256' : 'sha1')
    .update(head)
    .update(body)
    .digest('hex');
}

function keyIdOf(body: Uint8Array, fingerprint: string): string {
  const version = body[0] ?? 0;
  if (version > 4) return fingerprint.slice(0, 16);
  if (version === 4) return fingerprint.slice(-16);
  // the low bits of the modulus
  const end = 10 + Math.ceil(uint(body, 8, 2) / 8);
  return Buffer.from(body.subarray(Math.max(10, end - 8), end)).toString('hex');
}
