// What `sealdir check` finds about what hosts remember together.

import assert from 'node:assert/strict';
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { type CheckedSite, findingsOf, makeCheckedSite, SERVER_UID } from '../support/checking.ts';
import { needs } from '../support/peers.ts';
import { NEEDED, startRedis } from '../support/redis.ts';
import { makeKey } from '../support/testkeys.ts';

const SECRET = 'secret of all hosts, which is long enough\n';

async function write(site: CheckedSite, name: string, text: string, mode = 0o600): Promise<string> {
  await writeFile(site.at(name), text, { mode });
  await chown(site.at(name), SERVER_UID, SERVER_UID);
  return site.at(name);
}

test(
  'Redis has to be there, with its password, and the secret for the server alone',
  needs(...NEEDED),
  async (t) => {
    const { certificate } = await makeKey('alice@example.com');
    const site = await makeCheckedSite({ 'alice@example.com': certificate });
    t.after(() => site.remove());
    const redis = await startRedis({
      config: ['requirepass right', 'user weak on >right ~* -@all +ping +select'],
    });
    t.after(() => redis.stop());
    const secret = await write(site, 'secret', SECRET);
    const password = await write(site, 'password', 'right\n');
    const found = async (url: string, more = `state_password_file = "${password}"`) => {
      const state = JSON.stringify([site.at('run/state'), url]);
      const store = `maildir = "${site.at('mail/{local}')}"\nstate = ${state}\nstate_secret = "${secret}"\n${more}`;
      await site.configure({ store });
      const findings = await findingsOf(site);
      return findings
        .filter(({ id }) => id.startsWith('shared-'))
        .map(({ id, what }) => `${id}: ${what}`)
        .join('\n');
    };
    assert.equal(await found(redis.url), '');
    assert.match(
      await found('unix:/none/redis.sock'),
      /^shared-state-unreachable: store\.state: unix:\/none\S+: .*ENOENT/,
    );
    assert.match(await found(redis.url, ''), /^shared-state-unreachable: .*NOAUTH/);
    await write(site, 'password', 'wrong\n');
    assert.match(await found(redis.url), /^shared-state-unreachable: .*WRONGPASS/);
    await write(site, 'password', 'right\n');
    assert.match(await found(`unix://weak@${redis.path}`), /^shared-state-unreachable: .*NOPERM/);
    assert.match(await found('redis://0.0.0.0:1'), /^shared-state-in-clear: .*beyond the loopback/m);
    await write(site, 'secret', 'short\n');
    assert.match(await found(redis.url), /^shared-state-secret: .*fewer than 32 characters/);
    await write(site, 'secret', SECRET);
    await mkdir(site.at('mail'), { recursive: true });
    await chown(site.at('mail'), 0, 0);
    await chmod(site.at('mail'), 0o755);
    assert.match(await found(redis.url), /^shared-state-mark: .*\.sealdir-store cannot be made/);
  },
);
