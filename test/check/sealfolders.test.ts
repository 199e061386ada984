// What `check` says of folders that are to be sealed: where Dovecot has its indexes, whose mailboxes are
// left, and names that no mailbox has.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { checkSealFolders } from '../../src/check/sealfolders.ts';
import { parseSettings } from '../../src/config/load.ts';

describe('check of folders that are to be sealed', () => {
  let directory = '';
  const { PATH } = process.env;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    for (const name of ['cur', 'new', 'tmp', '.Sent'])
      await mkdir(join(directory, 'mail/example.com/alice', name), { recursive: true });
    await doveconf({ mail_location: 'maildir:~/Maildir' });
  });
  afterEach(async () => {
    process.env.PATH = PATH;
    await rm(directory, { recursive: true });
  });

  /** Has Dovecot say this of itself. It has no other settings. */
  async function doveconf(settings: Readonly<Record<string, string>>): Promise<void> {
    const cases = Object.entries(settings).map(([name, value]) => `${name}) echo '${value}' ;;\n`);
    const script = `#!/bin/sh\ncase "$2" in\n${cases.join('')}*) exit 89 ;;\nesac\n`;
    await writeFile(join(directory, 'doveconf'), script, { mode: 0o755 });
    process.env.PATH = `${directory}${delimiter}${PATH}`;
  }

  async function found(store: string, more = ''): Promise<string[]> {
    const text = `[store]\nmaildir = "${directory}/mail/{domain}/{local}"\n${store}\n${more}`;
    const loaded = parseSettings(text, 'f', { hostname: 'mx.example.com' });
    assert.ok(loaded.ok, loaded.ok ? '' : loaded.errors[0]?.message);
    return (await checkSealFolders(loaded.settings)).map(({ id, level, what }) => `${level} ${id} ${what}`);
  }

  test('without the setting nothing is looked at, and a folder that is there is fine', async () => {
    await doveconf({ mail_location: 'maildir:~/Maildir:CONTROL=/c' });
    assert.deepEqual(await found(''), []);
    await doveconf({ mail_location: 'maildir:~/Maildir' });
    assert.deepEqual(await found('seal_folders = ["Sent", "INBOX"]'), []);
  });

  test('a folder that no mailbox has is told', async () => {
    assert.deepEqual(await found('seal_folders = ["Sent", "Gesendet"]'), [
      'warning seal-folders-name store.seal_folders: no mailbox has a folder "Gesendet"',
    ]);
  });

  test('indexes elsewhere have to be named, and UIDs elsewhere cannot be kept', async () => {
    await doveconf({ mail_location: 'maildir:/m/%d/%n:INDEX=/var/lib/dovecot/x/%d/%n' });
    assert.match(
      (await found('seal_folders = ["Sent"]')).join(),
      /^error seal-folders-dovecot .*set store\.seal_index = "\/var\/lib\/dovecot\/x\/\{domain\}\/\{local\}"$/,
    );
    assert.deepEqual(
      await found('seal_folders = ["Sent"]\nseal_index = "/var/lib/dovecot/x/{domain}/{local}"'),
      [],
    );
    await doveconf({ mail_location: 'maildir:/m/%d/%n:CONTROL=/c/%d' });
    assert.match(
      (await found('seal_folders = ["Sent"]')).join(),
      /^error seal-folders-dovecot .*in \/c\/%d, /,
    );
  });

  test('Dovecot 2.4 says the same in settings of their own', async () => {
    await doveconf({
      mail_index_path: '/x/%{user | domain | lower}/%{user|username}',
      mail_control_path: '',
    });
    assert.match((await found('seal_folders = ["Sent"]')).join(), /"\/x\/\{domain\}\/\{local\}"$/);
    await doveconf({ mail_index_path: '/x', mail_control_path: '/c/%{user}' });
    assert.match((await found('seal_folders = ["Sent"]')).join(), /in \/c\/%\{user\}, /);
  });

  test('mailboxes of users, and those that a source places, are told as left', async () => {
    const owned = await found('seal_folders = ["Sent"]', '[owners]\nsocket = "/run/x"\n');
    assert.match(owned.join(), /^warning seal-folders-elsewhere /);
  });
});
