// What is shown of an encrypted message: all that is inside if Sealdir has sealed it, whatever its form is,
// and else the fields that came with it, whatever its sender has written.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as openpgp from 'openpgp';
import { HEADER_POLICIES } from '../../src/core/headerpolicy.ts';
import { UNMETERED } from '../../src/core/meter.ts';
import { sealMessage } from '../../src/delivery/sealmessage.ts';
import { type Account, accountOf } from '../../src/gateway/account.ts';
import { openStored } from '../../src/gateway/openstored.ts';
import { readTransferableKey } from '../../src/keys/transferable.ts';
import { deliver, openSite } from '../support/delivery.ts';
import { pgpMime, wire } from '../support/encrypted.ts';
import { freshKey } from '../support/freshkey.ts';
import { world } from '../support/gateway.ts';
import { type GnupgHome, openGnupgHome } from '../support/gnupghome.ts';
import { makeKey } from '../support/testkeys.ts';

const RULES = { rules: { subkeys: 'all', unusable: 'defer' }, world } as const;
const RECEIVED = 'Received: from far by near; Mon, 02 Nov 2026 10:00:00 +0000\r\n';
const DELIVERY = 'Return-Path: <joe@example.org>\nDelivered-To: alice@example.com\n';
const MESSAGES = {
  plain: `${RECEIVED.repeat(3)}From: joe@example.org\r\nTo: a@example.com\r\nSubject: s\r\n\r\ntext\r\n`,
  'with a type': `${RECEIVED.repeat(2)}Content-Type: text/plain; hp="no"\r\nSubject: s\r\n\r\ntext\r\n`,
  'with fields of ours': `${RECEIVED}Sealed-At-Delivery: by a; hop=tls;\r\nFrom: joe@example.org\r\n\r\ntext\r\n`,
  'with an uncertain header': 'Subject: s\r\nno field\r\nFrom: joe@example.org\r\n\r\ntext\r\n',
  'without a header': '\r\ntext\r\n',
};
const INNER = `From: boss@example.com
Subject: inside
Authentication-Results: mx.example.com; dkim=pass
Content-Type: text/plain

text
`;

describe('what is shown of a stored message', { timeout: 60_000 }, () => {
  let alice: Account;
  let home: GnupgHome;
  before(async () => {
    const { secretKey, certificate } = await makeKey('alice@example.com');
    const key = await readTransferableKey(Buffer.from(secretKey), async () => undefined);
    alice = await accountOf(key.secretKey, key.certificate, RULES);
    home = await openGnupgHome();
    await home.gpg(['--import'], certificate);
  });
  after(async () => {
    alice.close();
    await home.close();
  });

  const shown = async (stored: Buffer | string) => {
    assert.ok(alice.opener !== undefined);
    return (await openStored(Buffer.from(stored), alice.opener)).toString('latin1');
  };

  for (const headerPolicy of HEADER_POLICIES)
    for (const from of [undefined, 'the store'] as const)
      test(`sealed here, ${headerPolicy}, ${from ?? 'on its way'}: as it was received`, async () => {
        for (const [name, message] of Object.entries(MESSAGES)) {
          async function* whole() {
            yield Buffer.from(message);
          }
          const keys = await alice.keys();
          const options = { headerPolicy, maxHeaderBytes: 2 ** 20, world, meter: UNMETERED, keys };
          const pieces: Buffer[] = [];
          for await (const piece of sealMessage(whole(), { ...options, ...(from && { from }) }))
            pieces.push(piece);
          const sealed = Buffer.concat(pieces).toString('latin1');
          assert.equal(await shown(sealed), message, name);
          // as a delivery stores it
          const delivered = `${DELIVERY}${RECEIVED.replace('\r', '')}${sealed}`;
          assert.equal(await shown(delivered), message, name);
          assert.equal(await shown(delivered.replaceAll('\n', '\r\n')), message, name);
        }
      });

  test('encrypted by its sender, under any name, it keeps the fields that came with it', async () => {
    const names = ['', 'mutt-host-1000-1-2', 'sealdir', 'sealdir-added:0+5', 'sealdir-added:0+24,30+2'];
    const ours = 'Sealed-At-Delivery: by mx.example.com; hop=plain;\n Mon, 02 Nov 2026 10:00:00 +0000\n';
    for (const name of names) {
      const encrypt = ['--armor', '--set-filename', name, '-r', 'alice@example.com', '--encrypt'];
      const armor = await home.gpg(encrypt, `${INNER}`.replaceAll('\n', '\r\n'));
      for (const written of ['', ours]) {
        const bytes =
          await shown(`${DELIVERY}${RECEIVED.repeat(2).replaceAll('\r', '')}${written}MIME-Version: 1.0
Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="b"
From: eve@example.org
Subject: outside

--b
Content-Type: application/pgp-encrypted

Version: 1

--b
Content-Type: application/octet-stream

${armor}
--b--
`);
        assert.match(bytes, /^From: eve@example\.org$/m, name);
        assert.match(bytes, /^Subject: outside$/m, name);
        assert.doesNotMatch(bytes, /boss@|Authentication-Results|multipart\/encrypted/, name);
        assert.match(bytes, /\r\n\r\ntext\r\n$/, name);
      }
    }
  });

  test('delivered without any Received but ours, it does so too', async (t) => {
    const key = await freshKey('alice@example.com');
    const own = await accountOf(
      Buffer.from(key.secret.write()),
      Buffer.from(key.secret.toPublic().write()),
      RULES,
    );
    t.after(() => own.close());
    const ours = 'Sealed-At-Delivery: by mx.example.com; hop=plain;\n Mon, 02 Nov 2026 10:00:00 +0000';
    for (const filename of ['', 'sealdir-added:0+0', 'sealdir-added:0+24'])
      for (const written of [[], [ours]]) {
        const message = await openpgp.createMessage({ binary: Buffer.from(INNER), filename });
        const armor = await openpgp.encrypt({ message, encryptionKeys: key.secret.toPublic() });
        const site = await openSite(t, { keys: [key] });
        const sent = Buffer.concat([
          wire(written.map((field) => `${field}\n`).join('')),
          pgpMime(armor.replaceAll('\r\n', '\n')),
        ]);
        const { replies } = await deliver(site.transaction(), ['alice@example.com'], sent);
        assert.equal(replies[0]?.why, 'storedAsCame');
        const [file] = await site.files();
        assert.ok(file !== undefined && own.opener !== undefined);
        const bytes = (await openStored(file.bytes, own.opener)).toString('latin1');
        assert.match(bytes, /^From: a@example\.org$/m, filename);
        assert.doesNotMatch(bytes, /boss@|Authentication-Results|multipart\/encrypted/, filename);
      }
  });
});
