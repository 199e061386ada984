// A key of openpgp.js whose owner has given it a later end.

import * as openpgp from 'openpgp';
import type { FreshKey } from './freshkey.ts';

/** Resolves to the certificate, which ends so many seconds from now. */
export async function extended({ secret }: FreshKey, seconds: number): Promise<Buffer> {
  const lifetime = Math.floor((Date.now() - secret.getCreationTime().getTime()) / 1000) + seconds;
  const { publicKey } = await openpgp.reformatKey({
    privateKey: secret,
    userIDs: secret.getUserIDs().map((id) => ({ email: id.replace(/[<>]/g, '') })),
    keyExpirationTime: lifetime,
    date: new Date(Date.now() - 60_000),
    format: 'object',
  });
  return Buffer.from(publicKey.armor());
}
