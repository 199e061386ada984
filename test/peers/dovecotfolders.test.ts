// A real Dovecot, with config/dovecot/sealdir.conf, serves the folders that Sealdir makes by the rules of
// README, while mail comes.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import type { ImapFlow } from 'imapflow';
import {
  COMPLAINTS,
  DOVECOT_VERSIONS,
  type Dovecot,
  needsDovecot,
  shippedDovecot,
  startDovecotImap,
} from '../support/dovecot.ts';
import { examples } from '../support/examples.ts';
import { connectImap, fetchMessage } from '../support/imapclient.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const ODD = "o'brien&sons@example.com";
const MOST_MS = 240_000;

/** The rules of README's example. */
function rules(): string {
  const [found = ''] = examples().filter((text) => text.includes('[folders]'));
  assert.match(found, /X-Spam-Flag/);
  return found;
}

for (const version of DOVECOT_VERSIONS)
  describe(`folders with Dovecot ${version}`, { ...(await needsDovecot(version)), timeout: MOST_MS }, () => {
    let server: TestServer;
    let dovecot: Dovecot;
    let alice: TestKey;
    let imap: ImapFlow;
    let goBack = () => {};

    before(async () => {
      alice = await makeKey(ALICE);
      const odd = await makeKey('odd@example.com');
      server = await startSealdir({
        keys: { [ALICE]: alice.certificate, [ODD]: odd.certificate },
        toml: { store: 'maildirsize = true', rest: rules() },
      });
      const dir = server.directory;
      await mkdir(join(dir, 'indexes'));
      dovecot = await startDovecotImap({ dir, version, more: shippedDovecot(dir, version) });
      for (const name of ['mail', 'indexes']) await dovecot.adopt(join(dir, name));
      goBack = dovecot.actAsOwner();
      await send('Subject: first');
      imap = await connectImap(dovecot.port, ALICE);
    });
    after(async () => {
      await imap?.logout().catch(() => {});
      goBack();
      await dovecot?.stop();
      await server?.stop();
    });
    afterEach(() => assert.doesNotMatch(dovecot.log(), COMPLAINTS));

    /** Delivers a message and returns the line of its outcome. */
    async function send(header: string, to = ALICE) {
      const message = Buffer.from(`${header}\r\n\r\nbody\r\n`);
      const session = await openSession(server.socketPath);
      const { rcpt, final } = await deliver(session, { to: [to], message });
      await session.vanish();
      assert.match(final[0] ?? rcpt[0] ?? '', /^250 2\.0\.0 /);
      const line = server.outcomes().at(-1);
      assert.ok(line !== undefined);
      return line;
    }
    const open = async (folder: string, client = imap) => (await client.mailboxOpen(folder)).exists;
    const mailbox = (below = '') => join(server.directory, 'mail/example.com/alice', below);

    test('folders made by rules are listed with their names, and those with auto = subscribe are subscribed', async () => {
      assert.equal((await send('X-Spam-Flag: YES')).folder, 'Junk');
      assert.equal((await send('List-Id: "A list" <sealdir.lists.example>')).folder, 'Lists.sealdir');
      assert.equal((await send('X-Invoice: yes')).folder, 'Rechnungen & Belege.Größere');
      const all = await imap.list();
      const paths = all.map(({ path }) => path);
      for (const path of ['INBOX', 'Junk', 'Lists/sealdir', 'Rechnungen & Belege/Größere'])
        assert.ok(paths.includes(path), `${path} in ${paths.join(', ')}`);
      const junk = all.find(({ path }) => path === 'Junk');
      assert.deepEqual([junk?.specialUse, junk?.specialUseSource], ['\\Junk', 'extension']);
      const subscribed = all.filter((each) => each.subscribed && each.path !== 'INBOX');
      assert.deepEqual(subscribed.map(({ path }) => path).sort(), [
        'Drafts',
        'Junk',
        'Lists/sealdir',
        'Sent',
        'Trash',
      ]);
      assert.ok(!existsSync(mailbox('subscriptions')));
      assert.deepEqual(
        (await readdir(mailbox())).filter((name) => name.startsWith('.')).sort(),
        ['.Junk', '.Lists.sealdir', '.Rechnungen &- Belege.Gr&APYA3w-ere'].sort(),
      );
      const told = await dovecot.doveadm('mailbox', 'list', '-u', ALICE);
      assert.match(told, /^Rechnungen & Belege\/Größere$/m);
    });

    test('messages in a folder are seen as they are stored, with true sizes', async () => {
      const { file = '' } = await send('X-Spam-Flag: YES\r\nSubject: to be read');
      const { size, bytes } = await fetchMessage(imap, await open('Junk'));
      const stored = readFileSync(mailbox(`.Junk/cur/${file}:2,`));
      assert.equal(bytes.toString('latin1'), stored.toString('latin1').replaceAll('\n', '\r\n'));
      assert.equal(size, bytes.length);
      assert.match(file, new RegExp(`,S=${stored.length},W=${size}$`));
      assert.match((await readSealed(bytes, alice)).toString(), /Subject: to be read/);
    });

    test('flags stay, and a message can be moved between folders that Sealdir made', async () => {
      const count = await open('Junk');
      await imap.messageFlagsAdd(count, ['\\Flagged', '\\Seen']);
      await imap.messageMove(count, 'Lists/sealdir');
      await open('Lists/sealdir');
      assert.equal(((await imap.search({ flagged: true, seen: true })) || []).length, 1);
      assert.equal(await open('Junk'), count - 1);
      await imap.mailboxCreate('Made by a client');
      assert.equal((await send('Subject: x', 'alice+Made_by_nobody@example.com')).folder, 'INBOX');
    });

    test('a detail finds a folder that a client has made', async () => {
      for (const [name, detail] of [
        ['sewing', 'sewing'],
        ['Nähen & Stricken', '"alice+Nähen & Stricken"@example.com'],
        ['日本', 'alice+日本@example.com'],
      ] as const) {
        await imap.mailboxCreate(`Lists/${name}`);
        const to = detail.includes('@') ? detail : `alice+${detail}@example.com`;
        assert.equal((await send('Subject: x', to)).folder, `Lists.${name}`);
        assert.equal(await open(`Lists/${name}`), 1);
      }
      assert.equal((await send('Subject: x', 'alice+knitting@example.com')).folder, 'INBOX');
      assert.ok(!(await imap.list()).some(({ path }) => path === 'Lists/knitting'));
    });

    test('a folder that a client renames or deletes is made anew by its rule', async () => {
      await send('X-Invoice: yes');
      const before = await open('Rechnungen & Belege/Größere');
      await imap.mailboxClose();
      await imap.mailboxRename('Rechnungen & Belege/Größere', 'Belege/Alte & große');
      await send('X-Invoice: yes');
      assert.equal(await open('Rechnungen & Belege/Größere'), 1);
      assert.equal(await open('Belege/Alte & große'), before);
      await imap.mailboxClose();
      await imap.mailboxDelete('Rechnungen & Belege/Größere');
      await send('X-Invoice: yes');
      assert.equal(await open('Rechnungen & Belege/Größere'), 1);
    });

    test('mail comes to a folder while clients read it, move out of it and expunge', async () => {
      const before = await open('Junk');
      const other = await connectImap(dovecot.port, ALICE);
      await open('Junk', other);
      let isOver = false;
      const reading = (async () => {
        while (!isOver) {
          const exists = await open('Junk', other);
          if (exists > 0) await fetchMessage(other, exists);
          await other.fetchAll('1:*', { uid: true, flags: true, size: true });
        }
      })();
      let moved = 0;
      for (let n = 0; n < 40; n++) {
        await send(`X-Spam-Flag: YES\r\nSubject: ${n}`);
        if (n % 10 !== 5) continue;
        if ((await open('Junk')) > 0) {
          await imap.messageMove(1, 'INBOX');
          moved++;
        }
      }
      isOver = true;
      await reading;
      await other.logout();
      assert.equal(await open('Junk'), before + 40 - moved);
    });

    test('an address with odd characters logs in and finds its mail', async () => {
      assert.equal((await send('X-Spam-Flag: YES', ODD)).folder, 'Junk');
      const client = await connectImap(dovecot.port, ODD.toUpperCase());
      assert.equal(await open('Junk', client), 1);
      await client.logout();
    });

    test('messages in folders count in the quota that Dovecot and Sealdir keep together', async () => {
      await writeFile(mailbox('maildirsize'), '1000000S\n');
      const { file = '' } = await send('X-Spam-Flag: YES');
      const [, size] = /,S=(\d+),/.exec(file) ?? [];
      await until('it is noted', async () => {
        return readFileSync(mailbox('maildirsize'), 'utf8') === `1000000S\n${size} 1\n`;
      });
      assert.ok(!existsSync(mailbox('.Junk/maildirsize')));
    });
  });
