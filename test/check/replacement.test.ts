// Who may put a key, or a socket, in the place of ours: modes and owners of files, directories, parents,
// links.

import assert from 'node:assert/strict';
import { chmod, chown, lchown, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import { type CheckedSite, makeCheckedSite, needsUsers } from '../support/checking.ts';
import { shortOf } from '../support/long.ts';
import { makeKey } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const STRANGER = 47111;

interface Gap {
  readonly name: string;
  arrange(site: CheckedSite): Promise<unknown>;
  /** In the report, or undefined where there must be no error. */
  readonly says?: RegExp;
}

const key = (site: CheckedSite) => site.at('keys', `${ALICE}.asc`);

/** Moves the key elsewhere and puts a link in its place. */
async function moveKey(site: CheckedSite, to: string): Promise<void> {
  await rename(key(site), site.at(to));
  await symlink(site.at(to), key(site));
}

const GAPS: readonly Gap[] = [
  { name: 'nothing', arrange: async () => undefined },
  {
    name: 'a key directory that everybody may write to',
    arrange: (site) => chmod(site.at('keys'), 0o757),
    says: /error: keys\.directory: everybody may put another key below \S+keys\n.*\n +fix: chmod go-w '\S+keys'/,
  },
  {
    name: 'one that everybody may write to, with the sticky bit: files can still be added',
    arrange: (site) => chmod(site.at('keys'), 0o1757),
    says: /error: keys\.directory: everybody may put another key below \S+keys/,
  },
  {
    name: 'a key directory that a group may write to',
    async arrange(site) {
      await chown(site.at('keys'), 0, STRANGER);
      await chmod(site.at('keys'), 0o775);
    },
    says: /error: keys\.directory: each member of the group with gid 47111 may put another key below \S+keys/,
  },
  {
    name: 'a key directory that the group root may write to',
    arrange: (site) => chmod(site.at('keys'), 0o775),
  },
  {
    name: 'a key directory of another user',
    arrange: (site) => chown(site.at('keys'), STRANGER, 0),
    says: /error: keys\.directory: the user with uid 47111 may put another key below \S+keys\n.*\n +fix: chown -h root '/,
  },
  {
    name: 'a parent of the key directory that everybody may write to',
    async arrange(site) {
      await mkdir(site.at('etc'));
      await rename(site.at('keys'), site.at('etc/keys'));
      await chmod(site.at('etc'), 0o757);
      await site.configure({ keys: `directory = "${site.at('etc/keys')}"` });
    },
    says: /error: keys\.directory: everybody may put another key below \S+etc/,
  },
  {
    name: 'a parent with the sticky bit',
    arrange: (site) => chmod(site.directory, 0o1757),
  },
  {
    name: 'a key file that everybody may write to',
    arrange: (site) => chmod(key(site), 0o646),
    says: /error: keys\.directory: everybody may exchange \S+alice@example\.com\.asc\n.*\n +fix: chmod go-w '/,
  },
  {
    name: 'a key file of another user',
    arrange: (site) => chown(key(site), STRANGER, 0),
    says: /error: keys\.directory: the user with uid 47111 may exchange \S+alice@example\.com\.asc/,
  },
  {
    name: 'a link to a key in the directory of another user',
    async arrange(site) {
      await mkdir(site.at('home'));
      await moveKey(site, 'home/key.asc');
      await chown(site.at('home'), STRANGER, 0);
    },
    says: /error: keys\.directory: the user with uid 47111 may exchange \S+home/,
  },
  {
    name: 'a link to a key that everybody may write to',
    async arrange(site) {
      await moveKey(site, 'key.asc');
      await chmod(site.at('key.asc'), 0o666);
    },
    says: /error: keys\.directory: everybody may exchange \S+key\.asc/,
  },
  {
    name: 'a link to a key that nobody may change',
    arrange: (site) => moveKey(site, 'key.asc'),
  },
  {
    name: 'a link on the way that its owner may exchange',
    async arrange(site) {
      await mkdir(site.at('shared'));
      await chmod(site.at('shared'), 0o1777);
      await rename(site.at('keys'), site.at('real'));
      await symlink('../real', site.at('shared/keys'));
      await lchown(site.at('shared/keys'), STRANGER, STRANGER);
      await site.configure({ keys: `directory = "${site.at('shared/keys')}"` });
    },
    says: /error: keys\.directory: the user with uid 47111 may put another key below \S+shared\/keys/,
  },
  {
    name: 'a configuration that everybody may write to',
    arrange: (site) => chmod(site.at('sealdir.toml'), 0o666),
    says: /error: configuration: everybody may change \S+sealdir\.toml/,
  },
  {
    name: 'a socket directory that everybody may write to',
    arrange: (site) => chmod(site.at('run'), 0o777),
    says: /error: lmtp\.listen: everybody may put a socket of their own below \S+run/,
  },
];

describe('check, of who may take the place of something', needsUsers(), () => {
  let certificate = '';

  before(async () => {
    ({ certificate } = await makeKey(ALICE));
  });

  for (const { name, arrange, says } of shortOf(GAPS, 5)) {
    test(`${name} ${says === undefined ? 'is no finding' : 'is an error'}`, async () => {
      const site = await makeCheckedSite({ [ALICE]: certificate });
      await arrange(site);
      const { code, text } = await site.check();
      await site.remove();
      if (says !== undefined) assert.match(text, says);
      assert.match(text, says === undefined ? /: 0 errors, 0 warnings\n$/ : /: 1 errors, 0 warnings\n$/);
      assert.equal(code, says === undefined ? 0 : 2);
    });
  }

  test('many files that the same people may change are one finding', async () => {
    const addresses = Array.from({ length: 20 }, (_, n) => `user${n}@example.com`);
    const site = await makeCheckedSite(Object.fromEntries(addresses.map((each) => [each, certificate])));
    for (const each of addresses) await chmod(site.at('keys', `${each}.asc`), 0o666);
    const { text } = await site.check();
    await site.remove();
    assert.match(text, /everybody may exchange \S+, \S+, \S+ and 17 more\n/);
    assert.match(text, /: 1 errors, 20 warnings\n$/, 'and a warning for each address the key does not name');
  });

  test('names of files and users in a finding hold no control characters', async () => {
    const site = await makeCheckedSite({ [ALICE]: certificate });
    await writeFile(site.at('keys/\u001b[2J\u202e@example.com.asc'), certificate);
    const { text } = await site.check();
    await site.remove();
    assert.match(text, /\\u001b\[2J\\u202e/);
    assert.doesNotMatch(text.replaceAll('\n', ''), /\p{C}/u);
  });

  test('a key directory that is not there is one finding, not two', async () => {
    const site = await makeCheckedSite({ [ALICE]: certificate });
    await rm(site.at('keys'), { recursive: true });
    const { text } = await site.check();
    await site.remove();
    assert.match(text, /: 1 errors, 0 warnings\n$/);
  });
});
