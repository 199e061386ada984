// Messages that their sender has encrypted, as mail programs send them, and the parts that they are made of.

import { Buffer } from 'node:buffer';
import * as openpgp from 'openpgp';
import type { FreshKey } from './freshkey.ts';

export const BOUNDARY = '------------enc0123456789';
export const FIELDS = [
  'From: a@example.org',
  'To: alice@example.com',
  'Subject: hello',
  'Date: Sat, 28 Nov 2026 10:00:00 +0000',
];

/** Encrypts with openpgp.js, as one more sender. Lines end in LF. */
export async function armored(
  text: string,
  keys: readonly FreshKey[],
  options: openpgp.PartialConfig = {},
): Promise<string> {
  const message = await openpgp.createMessage({ binary: Buffer.from(text) });
  const encryptionKeys = keys.map(({ secret }) => secret.toPublic());
  const made = await openpgp.encrypt({ message, encryptionKeys, format: 'armored', config: options });
  return made.replaceAll('\r\n', '\n');
}

/** Returns packets in armor without a checksum. */
export function armorOfPackets(packets: Buffer): string {
  const lines = packets.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN PGP MESSAGE-----', '', ...lines, '-----END PGP MESSAGE-----', ''].join('\n');
}

/** What a message is made of; each part may be another one. */
export interface MimeParts {
  readonly fields?: readonly string[];
  readonly type?: string;
  readonly preamble?: string;
  readonly versionFields?: readonly string[];
  readonly version?: string;
  readonly dataFields?: readonly string[];
  readonly afterArmor?: string;
  readonly epilogue?: string;
  readonly closing?: string;
}

/** Returns PGP/MIME as Thunderbird sends it but for its preamble, in wire form. */
export function pgpMime(armor: string, parts: MimeParts = {}): Buffer {
  const {
    fields = [],
    type = `multipart/encrypted; protocol="application/pgp-encrypted";\n boundary="${BOUNDARY}"`,
    preamble = '',
    versionFields = [
      'Content-Type: application/pgp-encrypted',
      'Content-Description: PGP/MIME version identification',
    ],
    version = 'Version: 1\n',
    dataFields = [
      'Content-Type: application/octet-stream; name="encrypted.asc"',
      'Content-Description: OpenPGP encrypted message',
      'Content-Disposition: inline; filename="encrypted.asc"',
    ],
    afterArmor = '',
    epilogue = '',
    closing = `--${BOUNDARY}--\n`,
  } = parts;
  const head = [...FIELDS, 'MIME-Version: 1.0', `Content-Type: ${type}`, ...fields].join('\n');
  const first = [`--${BOUNDARY}`, ...versionFields, '', version].join('\n');
  const second = [`--${BOUNDARY}`, ...dataFields, '', armor].join('\n');
  return wire(`${head}\n\n${preamble}${first}\n${second}${afterArmor}\n${closing}${epilogue}`);
}

/** Returns a text that is armor and nothing else, in wire form. */
export function inline(
  armor: string,
  fields: readonly string[] = ['MIME-Version: 1.0', 'Content-Type: text/plain; charset=utf-8'],
): Buffer {
  return wire(`${[...FIELDS, ...fields].join('\n')}\n\n${armor}`);
}

export function wire(text: string): Buffer {
  return Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1');
}

/** What a kept message ends with on disk: itself, with the line ends of a Maildir. */
export function asStored(message: Buffer): Buffer {
  return Buffer.from(message.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
}
