// Thunderbird without any key, at `sealdir gateway`: it lists, shows and saves plain mail of what is sealed,
// and what it writes (a draft, the copy of what it sends) lies sealed in the store.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { holds } from '../support/canary.ts';
import { filesBelow } from '../support/delivery.ts';
import { COMPLAINTS, needsDovecot } from '../support/dovecot.ts';
import { ALICE, type GatewayProgram, NAME, startGatewayProgram } from '../support/gatewayprogram.ts';
import { type GnupgHome, openGnupgHome } from '../support/gnupghome.ts';
import { makeGpgKey } from '../support/gpgkey.ts';
import { isLong } from '../support/long.ts';
import { type MailKind, makeMailKinds } from '../support/mailkinds.ts';
import { openSmtpPort, type SmtpPort } from '../support/smtpport.ts';
import { readSealed } from '../support/testkeys.ts';
import { startThunderbird, type Thunderbird } from '../support/thunderbird.ts';
import { until } from '../support/until.ts';

/** What Thunderbird writes. */
const WRITTEN = 'written-canary';

const programs = ['thunderbird', 'Xvfb', 'gpg'] as const;
describe('Thunderbird at the gateway', {
  ...(await needsDovecot('2.3', ...programs)),
  timeout: 600_000,
}, () => {
  let directory = '';
  let gateway: GatewayProgram;
  let smtp: SmtpPort;
  let thunderbird: Thunderbird;
  let homeOfBob: GnupgHome | undefined;
  let kinds: MailKind[] = [];
  let account = '';

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    gateway = await startGatewayProgram();
    smtp = await openSmtpPort();
    const bob = await makeGpgKey({ kind: 'cv25519', address: 'bob@example.org', directory });
    homeOfBob = await openGnupgHome();
    await homeOfBob.gpg(['--import', bob.secretKeyFile]);
    kinds = (await makeMailKinds(homeOfBob, directory)).filter(
      ({ name }) => isLong || ['plain', 'attachment', 'reply'].includes(name),
    );
    for (const { bytes } of kinds) await gateway.store(bytes);
    await mkdir(join(directory, 'thunderbird'));
    thunderbird = await startThunderbird(join(directory, 'thunderbird'), [NAME]);
    await thunderbird.trustAuthority(readFileSync(gateway.authority.file, 'utf8'));
    account = await thunderbird.addAccount({
      ...{ address: ALICE, password: gateway.secrets.device, hostname: NAME, port: gateway.tlsPort },
      ...{ isTls: true, smtpPort: smtp.port },
    });
  });
  after(async () => {
    await thunderbird?.stop();
    await smtp?.stop();
    await gateway?.stop();
    await homeOfBob?.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** What lies in a folder of the Maildir. */
  const filesIn = async (folder: string) =>
    (await filesBelow(gateway.mailbox()))
      .filter(({ path }) => path.startsWith(`.${folder}/`) && /\/(new|cur)\//.test(path))
      .map(({ bytes }) => bytes);

  /** Waits for the only message of a folder, and reads it as its owner does. */
  const isSealedIn = async (folder: string) => {
    await until(`a message lies in ${folder}`, async () => (await filesIn(folder)).length === 1);
    const [bytes = Buffer.alloc(0)] = await filesIn(folder);
    assert.match(bytes.toString('latin1'), /^Content-Type: multipart\/encrypted;/m);
    assert.ok(!holds(bytes, WRITTEN));
    const opened = await readSealed(bytes, gateway.key);
    assert.match(opened.toString(), new RegExp(WRITTEN));
  };

  test('it has no key, and lists subjects, senders, threads and attachments', async () => {
    assert.equal(await thunderbird.countKeys(), 0);
    const rows = await thunderbird.list(account, 'INBOX', kinds.length);
    for (const { name, subject, attachment } of kinds) {
      const row = rows.find(({ messageId }) => messageId === `${name}@example.org`);
      assert.equal(row?.listed, subject);
      assert.equal(row.correspondent, 'Bob <bob@example.org>');
      assert.equal(row.level, name === 'reply' ? 1 : 0);
      if (attachment !== undefined) assert.ok(row.hasAttachment);
      if (name === 'plain') assert.ok(!row.hasAttachment);
    }
  });

  test('it shows what was sent, and saves an attachment byte for byte', async () => {
    for (const { name, subject, texts, attachment } of kinds) {
      const shown = await thunderbird.show(account, 'INBOX', `${name}@example.org`);
      assert.equal(shown.subject, subject);
      assert.match(shown.sender, /bob@example\.org/);
      assert.ok(!shown.isEncrypted, 'the message is plain to it');
      assert.match(shown.text, new RegExp(texts.join('|')), name);
      if (name === 'html') assert.deepEqual(shown.pictures, [3]);
      if (attachment === undefined) continue;
      assert.deepEqual(shown.attachments, [attachment.name]);
      assert.deepEqual(await thunderbird.save(attachment.name), attachment.bytes);
    }
  });

  test('a draft and a reply are sealed on their way to the store', async () => {
    await thunderbird.show(account, 'INBOX', 'plain@example.org');
    await thunderbird.draft(WRITTEN);
    await isSealedIn('Drafts');
    await thunderbird.send();
    await isSealedIn('Sent');
    const [received, ...others] = smtp.sent;
    assert.deepEqual(others, []);
    assert.match(received?.toString() ?? '', new RegExp(WRITTEN));
    // as Thunderbird shows the copy
    const rows = await thunderbird.list(account, 'Sent', 1);
    assert.equal(rows[0]?.listed, 'Re: Quarterly plain');
    const shown = await thunderbird.show(account, 'Sent', rows[0].messageId);
    assert.match(shown.text, new RegExp(WRITTEN));
  });

  test('nothing of it stands in clear in any file of the server', async () => {
    const places = ['mail', 'indexes', 'dovecot', 'cache'].map((name) => join(gateway.dir, name));
    const words = [...kinds.flatMap(({ texts }) => texts), WRITTEN];
    for (const place of places)
      for (const { path, bytes } of await filesBelow(place))
        for (const word of words) assert.ok(!holds(bytes, word), `${path} shows ${word}`);
    assert.doesNotMatch(gateway.running.output(), /canary|Quarterly/i);
    assert.doesNotMatch(gateway.dovecot.log(), COMPLAINTS);
  });
});
