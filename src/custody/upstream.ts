/**
 * The password by which the gateway logs in to the IMAP server that has the sealed mail: made at enrolment,
 * known to nobody, so that no password of the owner is compared anywhere but with a slot. The file has a hash
 * of it for that server, in clear: of 256 random bits a fast one is enough.
 *
 * It lies in a box with room for more. Commands carry the box as it is, and whoever opens it ignores what
 * they do not know: so a later version may put something else into it, without another version of the file.
 */
import { createHash } from 'node:crypto';
import type { World } from '../core/world.ts';
import { open, seal, withKeyFor } from './box.ts';
import { type Owner, type Upstream, type WrappedFile, WrappedFileError } from './wrappedfile.ts';

const PASSWORD_BYTES = 32;
const PURPOSE = 'upstream';

export function newUpstream(owner: Owner, master: Buffer, world: Pick<World, 'random'>): Upstream {
  const password = world.random(PASSWORD_BYTES).toString('base64url');
  const text = Buffer.from(JSON.stringify({ password }));
  const hash = hashOf(password);
  try {
    return { ...withKeyFor(PURPOSE, master, (key) => seal(key, text, dataOf(owner, hash), world)), hash };
  } finally {
    text.fill(0);
  }
}

/** Returns the password, or undefined if the file was changed, or its hash is that of another password. */
export function upstreamPassword(file: WrappedFile, master: Buffer): string | undefined {
  const { hash } = file.upstream;
  const text = withKeyFor(PURPOSE, master, (key) => open(key, file.upstream, dataOf(file, hash)));
  if (text === undefined) return undefined;
  const { password } = JSON.parse(text.toString()) as { readonly password: string }; // as we have sealed it
  text.fill(0);
  return hashOf(password).equals(hash) ? password : undefined;
}

/** Returns the user's line of a passwd-file for Dovecot, without its end. Throws WrappedFileError. */
export function dovecotLine({ address, upstream }: WrappedFile): string {
  // whose file it is has chosen the address in it, and must not write what Dovecot takes for a password
  if (/[:#]/.test(address)) throw new WrappedFileError(`${address} cannot be in a passwd-file of Dovecot`);
  return `${address}:{SHA256}${upstream.hash.toString('base64')}`;
}

function hashOf(password: string): Buffer {
  return createHash('sha256').update(password).digest();
}

function dataOf({ address, fingerprint }: Owner, hash: Buffer): Buffer {
  return Buffer.from(JSON.stringify(['sealdir upstream', address, fingerprint, hash.toString('base64')]));
}
