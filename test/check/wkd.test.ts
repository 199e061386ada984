// What `sealdir check` says of web key directories.

import assert from 'node:assert/strict';
import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { type CheckedSite, makeCheckedSite, needsUsers, SERVER_UID } from '../support/checking.ts';
import { makeKey } from '../support/testkeys.ts';

describe('check of web key directories', needsUsers(), () => {
  let site: CheckedSite;
  const configure = (keys: string, recipients = '') =>
    site.configure({ keys: `directory = "${site.at('keys')}"\n${keys}`, recipients });

  before(async () => {
    const { certificate } = await makeKey('alice@example.com');
    site = await makeCheckedSite({ 'alice@example.com': certificate });
    await mkdir(site.at('tree'), { mode: 0o755 });
    await writeFile(site.at('accounts'), 'bob@example.com:x\n');
  });
  after(() => site?.remove());

  test('a local one has to be readable, and open to nobody else', async () => {
    await configure(`wkd_directory = "${site.at('tree')}"`);
    assert.equal((await site.check()).code, 0);
    await chmod(site.at('tree'), 0o777);
    assert.match(
      (await site.check()).text,
      /keys\.wkd_directory: everybody may put another key below \S+tree/,
    );
    await chmod(site.at('tree'), 0o700);
    assert.match((await site.check()).text, /keys\.wkd_directory: \S+tree is closed to /);
    await rm(site.at('tree'), { recursive: true });
    assert.match((await site.check()).text, /keys\.wkd_directory: \S+tree does not exist/);
  });

  test('others are told that mail has come, and their keys need a place for pins', async () => {
    const accounts = `source = "accounts"\naccounts.file = "${site.at('accounts')}"`;
    const state = `state = "${site.at('run/pins')}"`;
    await mkdir(site.at('run/pins'), { mode: 0o700 });
    await chown(site.at('run/pins'), SERVER_UID, SERVER_UID);
    await configure(`wkd = "on"\n${state}`, accounts);
    const { code, text } = await site.check();
    assert.match(text, /keys\.wkd: whoever runs the web server of the domain of each recipient .* is told/);
    assert.doesNotMatch(text, /keys\.state/);
    assert.ok(code > 0);
    await configure(`wkd = "on"\nwkd_domains = ["example.com"]\nstate = "${site.at('missing')}"`, accounts);
    const { text: missing } = await site.check();
    assert.match(missing, /the web server of example\.com is told/);
    assert.match(
      missing,
      /keys\.state: \S+missing does not exist, so no key is taken from a web key directory/,
    );
    await configure(`wkd = "on"\n${state}\nwkd_ca_file = "${site.at('ca.pem')}"`);
    const { text: odd } = await site.check();
    assert.match(odd, /nobody is ever asked, since with recipients\.source = "keys"/);
    assert.match(odd, /keys\.wkd_ca_file: \S+ca\.pem does not exist/);
  });
});
