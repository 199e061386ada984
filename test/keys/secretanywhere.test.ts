// A secret key anywhere in a file refuses it as that, whatever stands around it and however it is spelled.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { KeyFileError } from '../../src/keys/blocks.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { holdsPacket, PUBLIC_TAGS, SECRET_TAGS } from '../../src/keys/keyscan.ts';
import { freshKey } from '../support/freshkey.ts';
import { armored, madeCertificate, oldPacket, packet } from '../support/handmade.ts';
import { repositoryRoot } from '../support/shared.ts';

const MADE = Math.trunc(Date.now() / 1000) - 86_400_000 / 1000;
const { certificate, secretKey, owner, subkey } = madeCertificate(MADE);
const library = await Promise.all(
  (['v4', 'v4-aead', 'v6'] as const).map(async (kind) => {
    const { secret } = await freshKey('bob@example.com', { kind });
    return Buffer.from(secret.write());
  }),
);
const secrets = [secretKey, owner.secretPacket, subkey.secretPacket, ...library];
const publicArmor = Buffer.from(armored(certificate));
const lines = (text: string) => text.split('\n');
const withoutFirst = (text: string) => lines(text).slice(1).join('\n');
const utf16 = (text: string) => Buffer.from(`\uFEFF${text}`, 'utf16le');

/** A packet as if its content had come in parts, which only data may. */
function inParts(tag: number, body: Buffer): Buffer {
  return Buffer.concat([
    Buffer.of(0xc0 | tag, 0xe0 | 5),
    body.subarray(0, 32),
    Buffer.of(body.length - 32),
    body.subarray(32),
  ]);
}

function hidingsOf(secret: Buffer): Record<string, Buffer> {
  const armor = armored(secret, { type: 'PRIVATE KEY BLOCK' });
  const disguised = armored(secret);
  const bodyOf = (text: string) => lines(text).slice(2, -2).join('\n');
  return {
    alone: secret,
    armored: Buffer.from(armor),
    'armored as a public key': Buffer.from(disguised),
    'after a certificate': Buffer.concat([certificate, secret]),
    'before a certificate': Buffer.concat([secret, certificate]),
    'after an armored certificate': Buffer.concat([publicArmor, secret]),
    'after an armored certificate and text': Buffer.concat([publicArmor, Buffer.from('Grüße\n\n'), secret]),
    'before an armored certificate': Buffer.concat([secret, publicArmor]),
    'in a second block': Buffer.concat([publicArmor, Buffer.from(armor)]),
    'in a second block as a public key': Buffer.concat([publicArmor, Buffer.from(disguised)]),
    'in the same armor': Buffer.from(armored(Buffer.concat([certificate, secret]))),
    'in a block without its BEGIN line': Buffer.concat([publicArmor, Buffer.from(withoutFirst(armor))]),
    'in a public block without its BEGIN line': Buffer.concat([
      publicArmor,
      Buffer.from(withoutFirst(disguised)),
    ]),
    'in bare base64': Buffer.concat([publicArmor, Buffer.from(`\n${bodyOf(armor)}\n`)]),
    'in bare base64 before the armor': Buffer.concat([Buffer.from(`${bodyOf(armor)}\n`), publicArmor]),
    'in a block without its END line': Buffer.from(armor.replace(/-----END.*\n/, '')),
    'in a public block without its END line': Buffer.concat([
      Buffer.from(disguised.replace(/-----END.*\n/, '')),
      publicArmor,
    ]),
    'after the checksum of a public block': Buffer.from(
      armored(certificate).replace('-----END', `=AAAA\n${bodyOf(armor)}\n-----END`),
    ),
    'with other blanks': Buffer.from(armor.replace('BLOCK-----\n\n', 'BLOCK-----\n\u00a0\n')),
    indented: Buffer.from(
      lines(armor)
        .map((line) => `    ${line}`)
        .join('\n'),
    ),
    quoted: Buffer.from(
      lines(armor)
        .map((line) => `> ${line}`)
        .join('\n'),
    ),
    'in UTF-16': utf16(armor),
    'as PEM': Buffer.concat([publicArmor, Buffer.from('-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n')]),
    'after junk': Buffer.concat([certificate, Buffer.alloc(3), secret]),
    'after a packet that is cut off': Buffer.concat([
      certificate.subarray(0, certificate.length - 7),
      secret,
    ]),
    'in a packet that may be ignored': Buffer.concat([certificate, packet(60, secret)]),
    'in other data': Buffer.concat([packet(11, secret), certificate]),
  };
}

test('a secret key anywhere in a file refuses it', async () => {
  for (const [n, secret] of secrets.entries()) {
    for (const [how, file] of Object.entries(hidingsOf(secret))) {
      await assert.rejects(
        parseCertificates(file),
        (error) => error instanceof KeyFileError && /holds a SECRET key: remove it/.test(error.message),
        `secret key ${n} ${how}`,
      );
    }
  }
});

/** How people and programs write out bytes without an armor. */
function writingsOf(secret: Buffer): Record<string, string> {
  const base64 = secret.toString('base64');
  const each = (octets: number, before: string, after: string) =>
    base64.replace(new RegExp(`.{1,${octets}}`, 'g'), `${before}$&${after}`);
  const hex = secret.toString('hex');
  return {
    'on one line': base64,
    'in lines that end in CR': each(64, '', '\r'),
    'in lines of 12': each(12, '', '\n'),
    'in lines of 76, quoted-printable': each(75, '', '=\n'),
    'after bullets': each(64, '* ', '\n'),
    'after hyphens': each(64, '- ', '\n'),
    'after marks of a quotation with a name': each(64, 'AB> ', '\n'),
    'after numbers': each(64, '12: ', '\n'),
    'after slashes': each(64, '// ', '\n'),
    'before <br>': each(64, '', '<br>\n'),
    'in lines of 12 before <br>': each(12, '', '<br />'),
    'in cells of a table': each(20, '<tr><td class="a">', '</td></tr>'),
    'with &nbsp;': each(4, '', '&nbsp;'),
    'with escapes of a program': each(64, '', '\\n'),
    'with escapes of a URL': encodeURIComponent(each(64, '', '\r\n')),
    'one digit at a time': each(1, '', ' '),
    'after other words': `keydata=${base64}`,
    base64url: secret.toString('base64url'),
    'base64url in short lines': secret.toString('base64url').replace(/.{12}/g, '$&\n'),
    hexadecimal: hex,
    'in capitals': hex.toUpperCase(),
    'hexadecimal with colons': hex.replace(/../g, '$&:'),
    'hexadecimal with 0x': hex.replace(/../g, '0x$&, '),
    'as a dump': hex.replace(
      /.{32}/g,
      (line, at: number) => `${at.toString(16).padStart(8, '0')}: ${line}\n`,
    ),
    'base64 of an armor': Buffer.from(armored(secret, { type: 'PRIVATE KEY BLOCK' })).toString('base64'),
    'in UTF-16': Buffer.from(each(64, '', '\n'), 'utf16le').toString('latin1'),
  };
}

test('a secret key that is written out beside an armor refuses the file, however it is written', async () => {
  for (const [n, secret] of secrets.entries())
    for (const [how, text] of Object.entries(writingsOf(secret))) {
      const written = Buffer.from(text, 'latin1');
      const inHeader = publicArmor
        .toString()
        .replace('\n\n', `\nComment: ${text.replace(/[\r\n]/g, '')}\n\n`);
      const files = [
        Buffer.concat([publicArmor, written]),
        Buffer.concat([publicArmor, Buffer.from('See: \n'), written, Buffer.from('\nbye\n'), publicArmor]),
        Buffer.concat([written, Buffer.from('\n'), publicArmor]),
        ...(['in UTF-16', 'as a dump'].includes(how) ? [] : [Buffer.from(inHeader, 'latin1')]),
      ];
      for (const [m, file] of files.entries())
        await assert.rejects(
          parseCertificates(file),
          /holds a SECRET key/,
          `secret key ${n} ${how}, file ${m}`,
        );
    }
});

const PROSE = readdirSync(repositoryRoot())
  .filter((name) => name.endsWith('.md'))
  .map((name) => readFileSync(join(repositoryRoot(), name), 'utf8'));
const FINGERPRINT = '3F76 441E 65B6 BA4F 55FB  D98A 93C6 20A5 5740 EA44';
const SURROUNDINGS: Record<string, string> = {
  prose: PROSE.join('\n'),
  'a program': readFileSync(join(repositoryRoot(), 'package-lock.json'), 'utf8').slice(0, 200_000),
  'mail headers': [
    'Received: from mx.example.com (mx.example.com [2001:db8::1]) by mail.example.org (Postfix) with ESMTPS',
    '\tid 4F3A21C0D5; Tue, 24 Nov 2026 10:11:12 +0000 (UTC)',
    'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=x; h=from:to; ',
    `\tbh=${randomBytes(32).toString('base64')}; b=${randomBytes(256).toString('base64')}`,
    `Message-ID: <${randomBytes(16).toString('hex')}@example.com>`,
  ].join('\r\n'),
  'what gpg prints': `pub   ed25519 2026-11-28 [SC]\n      ${FINGERPRINT}\nuid           Bob <bob@example.com>\n`,
  HTML: `<!DOCTYPE html><html><body>${'<p class="x">Bob&rsquo;s key &amp; more</p>\n'.repeat(500)}</body></html>`,
  'the base64 of an image': randomBytes(12_000).toString('base64').replace(/.{76}/g, '$&\n'),
  'hashes of files': Array.from(
    { length: 100 },
    (_, n) => `${randomBytes(32).toString('hex')}  file${n}\n`,
  ).join(''),
  'a certificate of X.509': `-----BEGIN CERTIFICATE-----\n${randomBytes(900).toString('base64')}\n-----END CERTIFICATE-----`,
};

test('what stands around an armor is hardly ever taken for a key', async () => {
  for (const [what, text] of Object.entries(SURROUNDINGS))
    for (const file of [`${text}\n${publicArmor}`, `${publicArmor}\n${text}`])
      assert.equal((await parseCertificates(Buffer.from(file))).length, 1, what);
});

test('of 16 MiB of random bytes, hardly any look like a key', () => {
  let mistakes = 0;
  for (let n = 0; n < 16; n++) {
    const bytes = randomBytes(1024 * 1024);
    mistakes += [SECRET_TAGS, PUBLIC_TAGS].filter((tags) => holdsPacket(bytes, tags)).length;
  }
  assert.ok(mistakes <= 3, `${mistakes} mistakes`);
});

test('a secret key is found in every form of a packet', async () => {
  const body = owner.secretPacket.subarray(2);
  const long = Buffer.alloc(4);
  long.writeUInt32BE(body.length);
  const forms = {
    'old format': oldPacket(5, body),
    'old format, one octet of length': Buffer.concat([Buffer.of(0x80 | (5 << 2), body.length), body]),
    'old format, four octets of length': Buffer.concat([Buffer.of(0x82 | (5 << 2)), long, body]),
    'old format without a length': Buffer.concat([Buffer.of(0x83 | (5 << 2)), body]),
    'new format, five octets of length': Buffer.concat([Buffer.of(0xc5, 0xff), long, body]),
    'in parts': inParts(5, body),
    'after the numbers of a public key': packet(6, Buffer.concat([owner.body, owner.secretPacket])),
  };
  for (const [how, secret] of Object.entries(forms))
    for (const file of [secret, Buffer.concat([certificate, secret]), Buffer.concat([publicArmor, secret])])
      await assert.rejects(parseCertificates(file), /holds a SECRET key/, how);
});

test('of a thousand certificates that lack their beginning, hardly any is taken for a secret key', async () => {
  let mistakes = 0;
  for (let n = 0; n < 1000; n++) {
    // without its beginning, it is looked through octet by octet
    const cut = madeCertificate(MADE).certificate.subarray(1 + (n % 40));
    await parseCertificates(cut).catch((error: Error) => {
      if (error.message.includes('SECRET')) mistakes++;
    });
  }
  assert.ok(mistakes <= 3, `${mistakes} mistakes`);
});

test('a secret key of an algorithm that nobody knows is a secret key', async () => {
  const body = Buffer.concat([Buffer.of(4), owner.body.subarray(1, 5), Buffer.of(35), Buffer.alloc(100, 7)]);
  for (const file of [
    packet(5, body),
    Buffer.concat([certificate, packet(7, body)]),
    Buffer.from(armored(packet(5, body))),
  ])
    await assert.rejects(parseCertificates(file), /holds a SECRET key/);
});
