/**
 * Sorts the packets of a key file into certificates: which user IDs, subkeys and signatures belong to which
 * key, in whatever order and in how many blocks they came. No packet is left out without a word: a file is
 * refused for what belongs to no certificate. Checks no signature, and does not ask whether a key is of a
 * kind that can be used.
 */
import { type Packet, TAG } from '../openpgp/packets.ts';
import { KeyFileError } from './blocks.ts';
import { Draft } from './draft.ts';
import { type CertificateParts, mergeParts, type RawSignature } from './parts.ts';
import { isRevocation, SIGNATURE, type SignatureHead, signatureHead } from './signaturehead.ts';
import { WORDS } from './words.ts';

/** Returns the certificates among packets. Throws KeyFileError for packets that belong to none. */
export function certificateParts(packets: readonly Packet[]): CertificateParts[] {
  const drafts: Draft[] = [];
  const orphans: RawSignature[] = [];
  for (const packet of packets) place(packet, drafts, orphans);
  if (drafts.length === 0) throw new KeyFileError(WORDS.noPublicKey);
  for (const orphan of orphans) adopt(orphan, drafts);
  return mergeParts(drafts.map((draft) => draft.finish()));
}

function place(packet: Packet, drafts: Draft[], orphans: RawSignature[]): void {
  const { tag, body, isOpenEnded } = packet;
  // RFC 9580 §4.3: unknown packets from 40 on may be ignored, those below may not
  if (tag === TAG.marker || tag === TAG.trust || tag === TAG.padding || tag >= 40) return;
  if (isOpenEnded || body.length === 0) throw new KeyFileError(WORDS.damaged);
  const draft = drafts.at(-1);
  switch (tag) {
    case TAG.publicKey:
      drafts.push(new Draft(body));
      return;
    case TAG.signature: {
      const head = signatureHead(body);
      if (head === undefined) throw new KeyFileError(WORDS.damaged);
      const signature = { body, head };
      if (draft === undefined || isForOther(head, draft)) orphans.push(signature);
      else draft.addSignature(signature, 'here');
      return;
    }
    case TAG.userId:
    case TAG.userAttribute:
    case TAG.publicSubkey:
      if (draft === undefined) throw new KeyFileError(WORDS.startsInTheMiddle);
      if (tag === TAG.userId) draft.addUserId(body);
      else if (tag === TAG.publicSubkey) draft.addSubkey(body);
      else draft.addAttribute();
      return;
    default:
      throw new KeyFileError(WORDS.otherData);
  }
}

/** Tells whether a revocation that follows one key was made by another one, which may come later. */
function isForOther({ type, issuers }: SignatureHead, { keyId }: Draft): boolean {
  return type === SIGNATURE.keyRevocation && issuers.length > 0 && !issuers.includes(keyId);
}

/**
 * Gives a signature that stood elsewhere to the key that made it. A revocation by a key that is not in the
 * file may revoke one that is, if its owner allowed that (RFC 9580 §5.2.3.23), which cannot be checked: the
 * file is refused.
 */
function adopt(orphan: RawSignature, drafts: readonly Draft[]): void {
  const { type, issuers } = orphan.head;
  const owners = drafts.filter(({ keyId }) => issuers.length === 0 || issuers.includes(keyId));
  for (const owner of owners) owner.addSignature(orphan, 'elsewhere');
  if (owners.length > 0 || type < SIGNATURE.genericCertification) return; // those below are about documents
  throw new KeyFileError(
    isRevocation(type) ? WORDS.revocationAlone(issuers[0] ?? '') : WORDS.startsInTheMiddle,
  );
}
