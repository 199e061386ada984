// `sealdir reseal` beside a real Dovecot: UIDs, flags and dates stay for a client that is logged in, and gpg
// opens with the new key what it opened with the old one.

import assert from 'node:assert/strict';
import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CLI } from '../support/child.ts';
import { type Dovecot, startDovecotImap } from '../support/dovecot.ts';
import { openGnupgHome } from '../support/gnupghome.ts';
import { isLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { type Ran, run } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { complaints, connectClient, fill, sampleMessages, snapshotOf } from '../support/storedmail.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const FOLDERS = ['INBOX', 'Sent', 'Lists/sealdir', 'Entwürfe'];
const MESSAGES = isLong ? 2000 : 100;

describe('sealdir reseal beside Dovecot', { ...needs('dovecot', 'doveadm', 'gpg'), timeout: 900_000 }, () => {
  let directory = '';
  let dovecot: Dovecot;
  let old: TestKey;
  let fresh: TestKey;
  const at = (name: string) => join(directory, name);
  const sealdir = (...args: string[]): Promise<Ran> =>
    run(process.execPath, [CLI, ...args], { timeoutMs: 480_000 });

  before(async () => {
    old = await makeKey(ALICE);
    fresh = await makeKey(ALICE);
    directory = await makeSite({ [ALICE]: old.certificate });
    await writeFile(
      at('sealdir.toml'),
      tomlFor(directory, { toml: { rest: '[headers]\npolicy = "baseline"' } }),
    );
    await writeFile(at('old.secret'), old.secretKey);
    await writeFile(at('new.asc'), fresh.certificate);
    dovecot = await startDovecotImap({
      dir: directory,
      maildir: `${directory}/mail/%d/%n`,
      more: 'namespace inbox {\n  inbox = yes\n  separator = /\n}\n',
    });
    await dovecot.adopt(directory);
  });
  after(async () => {
    await dovecot?.stop();
    await rm(directory, { recursive: true });
  });

  test('each message keeps its UID, flags and date, and opens with the new key to the same bytes', async () => {
    const client = await connectClient(dovecot.port, ALICE);
    await fill(client, FOLDERS, sampleMessages(MESSAGES));
    const migrated = await sealdir('migrate', '-c', at('sealdir.toml'), '--mailbox', ALICE);
    assert.equal(migrated.code, 0, migrated.stderr);
    const was = await snapshotOf(client, FOLDERS);
    const maildir = at('mail/example.com/alice');
    const { uid } = await stat(maildir);

    const { code, stdout, stderr } = await sealdir(
      'reseal',
      '-k',
      at('old.secret'),
      '--to',
      at('new.asc'),
      maildir,
    );
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout.toString(), new RegExp(`resealed ${MESSAGES}, failed 0`));

    const is = await snapshotOf(client, FOLDERS);
    for (const [folder, messages] of was) {
      const now = is.get(folder);
      assert.deepEqual([...(now?.keys() ?? [])], [...messages.keys()], folder);
      for (const [number, { flags, date, source }] of messages) {
        const found = now?.get(number);
        assert.ok(found !== undefined);
        assert.deepEqual([found.flags, found.date], [flags, date], `${folder} ${number}`);
        const [before, later] = [await readSealed(source, old), await readSealed(found.source, fresh)];
        assert.ok(later.equals(before), `${folder} ${number}`);
        await assert.rejects(readSealed(found.source, old));
      }
    }
    assert.equal((await stat(maildir)).uid, uid);
    const home = await openGnupgHome();
    try {
      await home.gpg(['--import'], fresh.secretKey);
      for (const [number, { source }] of [...(is.get('Sent') ?? [])].slice(0, 10)) {
        const [armor = ''] = /-----BEGIN[\s\S]*-----END[^\r\n]*\r?\n/.exec(String(source)) ?? [];
        const text = await home.gpg(['--decrypt'], armor);
        assert.ok(text.equals(await readSealed(source, fresh)), `${number}`);
      }
    } finally {
      await home.close();
    }
    const again = await sealdir('reseal', '-k', at('old.secret'), '--to', at('new.asc'), maildir);
    assert.match(
      again.stdout.toString(),
      new RegExp(`resealed 0, left ${MESSAGES} \\(sealed already\\), failed 0`),
    );
    await client.append('INBOX', 'Subject: goes on\r\n\r\nhello\r\n');
    await client.logout();
    assert.deepEqual(complaints(dovecot.log()), []);
  });
});
