// Trouble with one key is a warning about its owner; a file that cannot be read is an error with its own
// reason.

import assert from 'node:assert/strict';
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import * as openpgp from 'openpgp';
import { type CheckedSite, makeCheckedSite, needsUsers } from '../support/checking.ts';
import { FLAGS, madeCertificate, newSubkey } from '../support/handmade.ts';
import { shortOf } from '../support/long.ts';
import { run } from '../support/process.ts';
import { makeKey, type TestKey } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const BOB = 'keys/bob@example.com.asc';
const DAY_MS = 24 * 3600_000;

interface Case {
  readonly name: string;
  arrange(site: CheckedSite): Promise<unknown>;
  readonly says: RegExp;
  readonly code: 1 | 2;
}

/** Bob's key, to which another subkey for encryption was added. */
function withSecondSubkey(how: 'damaged' | 'without a binding'): Buffer {
  const at = Math.trunc(Date.now() / 1000) - 1000;
  const { owner, certificate } = madeCertificate(at, '<bob@example.com>');
  const subkey = newSubkey(at);
  if (how === 'without a binding') return Buffer.concat([certificate, subkey.packet]);
  const binding = owner.bind(subkey, { at, flags: FLAGS.communication });
  binding.writeUInt8(binding.readUInt8(binding.length - 1) ^ 1, binding.length - 1);
  return Buffer.concat([certificate, subkey.packet, binding]);
}

let expired: TestKey;
let lapsing: TestKey;
let alice: TestKey;
let bob: TestKey;
let signing = '';

const CASES: readonly Case[] = [
  {
    name: 'a mailbox in the former spelling of its name',
    arrange: async (site) => {
      const { certificate } = await makeKey("o'brien@example.com");
      await writeFile(site.at("keys/o'brien@example.com.asc"), certificate);
      await mkdir(site.at('mail/example.com/o%27brien'), { recursive: true });
    },
    says: /warning: store\.maildir: \S+o%27brien is the mailbox of o'brien@example\.com, .*\n.*\n +fix: stop Sealdir, mv /,
    code: 1,
  },
  {
    name: 'a mailbox that is a link to nothing',
    async arrange(site) {
      await mkdir(site.at('mail/example.com'));
      await symlink('/not-mounted', site.at('mail/example.com/alice'));
    },
    says: /warning: store\.maildir: \S+mail\/example\.com\/alice is a link to nothing/,
    code: 1,
  },
  {
    name: 'a domain that is a link to nothing, with two mailboxes',
    async arrange(site) {
      await writeFile(site.at(BOB), bob.certificate);
      await symlink('/not-mounted', site.at('mail/example.com'));
    },
    says: /warning: store\.maildir: \S+mail\/example\.com is a link to nothing/,
    code: 1,
  },
  {
    name: 'a file in the place of a mailbox',
    async arrange(site) {
      await mkdir(site.at('mail/example.com'));
      await writeFile(site.at('mail/example.com/alice'), '');
    },
    says: /warning: store\.maildir: \S+alice is a file, not a directory/,
    code: 1,
  },
  {
    name: 'a recipient whose mailbox no file system can have',
    async arrange(site) {
      const address = `${'%'.repeat(90)}@example.com`;
      await writeFile(site.at(`keys/${address}.asc`), (await makeKey(address)).certificate);
    },
    says: /warning: store\.maildir: %+@example\.com is refused, since no file can have the name/,
    code: 1,
  },
  {
    name: 'two recipients who share a mailbox',
    async arrange(site) {
      const { certificate } = await makeKey('alice@example.org');
      await writeFile(site.at('keys/alice@example.org.asc'), certificate);
      await site.configure({
        store: `maildir = "${site.at('mail/{local}')}"\nstate = "${site.at('run/state')}"`,
      });
    },
    says: /warning: store\.maildir: alice@example\.(com|org) and alice@example\.(com|org) have one mailbox/,
    code: 1,
  },
  {
    name: 'a key that has expired',
    arrange: (site) => writeFile(site.at(BOB), expired.certificate),
    says: /warning: \S+bob@example\.com\.asc: no usable key: .*expired/,
    code: 1,
  },
  {
    name: 'a key that soon expires',
    arrange: (site) => writeFile(site.at(BOB), lapsing.certificate),
    says: /warning: \S+bob@example\.com\.asc: [0-9A-F]{40} expires in 9 days/,
    code: 1,
  },
  {
    name: 'a key for another address',
    arrange: (site) => writeFile(site.at(BOB), alice.certificate),
    says: /warning: \S+bob@example\.com\.asc: no user ID of [0-9A-F]{40} names this address/,
    code: 1,
  },
  ...['@example.com.pub', '@example.com.gpg', '@example.com_0xABCD', '%40example.com', ''].map((end) => ({
    name: `a key in a file with the name bob${end}.asc, which means another address than the key`,
    arrange: (site: CheckedSite) => writeFile(site.at(`keys/bob${end}.asc`), bob.certificate),
    says: /warning: .* names this address \(.*\)\n.*\n +fix: make sure that it is the right key, or rename it to bob@example\.com\.asc/,
    code: 1 as const,
  })),
  {
    name: 'a key in a file that means another address, beside one with the name that it should have',
    arrange: async (site) => {
      await writeFile(site.at(BOB), bob.certificate);
      await writeFile(site.at('keys/bob@example.com.pub.asc'), bob.certificate);
    },
    says: /right key, or remove it and add its keys to bob@example\.com\.asc/,
    code: 1,
  },
  {
    name: 'a key for an address that ends alike',
    arrange: (site) => writeFile(site.at('keys/ob@example.com.asc'), bob.certificate),
    says: /warning: \S+ob@example\.com\.asc: no user ID of [0-9A-F]{40} names this address/,
    code: 1,
  },
  {
    name: 'a secret key in a file that makes no recipient',
    arrange: (site) => writeFile(site.at('keys/secring.gpg'), alice.secretKey),
    says: /error: \S+secring\.gpg holds a SECRET key\n.*\n +fix: remove it, and treat that key as exposed/,
    code: 2,
  },
  {
    name: 'a key in a file that begins with a dot',
    arrange: (site) => writeFile(site.at('keys/.bob@example.com.asc'), bob.certificate),
    says: /warning: \S+\.bob@example\.com\.asc makes no recipient: it begins with a dot.*\n.*\n +fix: rename it to bob@example\.com\.asc/,
    code: 1,
  },
  {
    name: 'a good key beside one that has expired',
    arrange: (site) => writeFile(site.at(BOB), `${bob.certificate}\n${expired.certificate}`),
    says: /warning: \S+bob@example\.com\.asc: [0-9A-F]{40} expired on [\d-]+, and is not used; mail is sealed to another/,
    code: 1,
  },
  {
    name: 'a good key beside one that can only sign',
    arrange: (site) => writeFile(site.at(BOB), `${bob.certificate}\n${signing}`),
    says: /warning: \S+bob@example\.com\.asc: [0-9A-F]{40} can only sign, and is not used; .*\n.*\n +fix: its owner has to add/,
    code: 1,
  },
  {
    name: 'a subkey that nobody has bound to its key',
    arrange: (site) => writeFile(site.at(BOB), withSecondSubkey('without a binding')),
    says: /warning: \S+bob@example\.com\.asc: [0-9A-F]{40}: a subkey without a valid binding signature .* is not used/,
    code: 1,
  },
  {
    name: 'a subkey whose binding is damaged',
    arrange: (site) => writeFile(site.at(BOB), withSecondSubkey('damaged')),
    says: /error: \S+bob@example\.com\.asc: .* is damaged, and is not used without it; mail for its owner is deferred\n.*\n +fix: export it again/,
    code: 2,
  },
  ...['.gpg', '.ASC', '.pub', '.key', '.txt', ''].map((extension) => ({
    name: `a key in a file that ends in "${extension}"`,
    arrange: (site: CheckedSite) => writeFile(site.at(`keys/bob@example.com${extension}`), bob.certificate),
    says: /warning: \S+bob@example\.com\S* makes no recipient: it does not end in .*\n.*\n +fix: rename it to bob@example\.com\.asc/,
    code: 1 as const,
  })),
  {
    name: 'a file whose name is Latin-1',
    arrange: (site) =>
      writeFile(Buffer.from(site.at('keys/j\u00f6rg@example.com.asc'), 'latin1'), bob.certificate),
    says: /warning: \S+j\u00f6rg@example\.com\.asc makes no recipient: it has a name that is not UTF-8/,
    code: 1,
  },
  {
    name: 'a file that is no key',
    arrange: (site) => writeFile(site.at(BOB), 'hello'),
    says: /warning: \S+bob@example\.com\.asc holds no OpenPGP public key\n.*\n +fix: put the exported public key there/,
    code: 1,
  },
  {
    name: 'a secret key',
    arrange: (site) => writeFile(site.at(BOB), alice.secretKey),
    says: /error: \S+bob@example\.com\.asc holds a SECRET key\n.*\n +fix: remove it, and treat that key as exposed/,
    code: 2,
  },
  {
    name: 'a file that is closed to the server',
    async arrange(site) {
      await writeFile(site.at(BOB), alice.certificate);
      await chmod(site.at(BOB), 0o600);
    },
    says: /error: \S+bob@example\.com\.asc is closed to the user with uid 47110\n.*\n +fix: chmod a\+r '/,
    code: 2,
  },
  {
    name: 'a link to a file behind a closed directory',
    async arrange(site) {
      await mkdir(site.at('vault'), { mode: 0o700 });
      await writeFile(site.at('vault/key'), alice.certificate);
      await symlink(site.at('vault/key'), site.at(BOB));
    },
    says: /error: \S+bob@example\.com\.asc is behind \S+vault, which is closed to .*\n.*\n +fix: chmod a\+x '\S+vault'/,
    code: 2,
  },
  {
    name: 'a link to nothing',
    arrange: (site) => symlink('nowhere', site.at(BOB)),
    says: /error: \S+bob@example\.com\.asc is a link to nothing/,
    code: 2,
  },
  {
    name: 'a link to itself',
    arrange: (site) => symlink('bob@example.com.asc', site.at(BOB)),
    says: /error: \S+bob@example\.com\.asc is a link that leads back to itself/,
    code: 2,
  },
  {
    name: 'a directory',
    arrange: (site) => mkdir(site.at(BOB)),
    says: /error: \S+bob@example\.com\.asc is a directory, not a key file\n.*\n +fix: move it elsewhere/,
    code: 2,
  },
  {
    name: 'a named pipe',
    arrange: (site) => run('mkfifo', [site.at(BOB)]),
    says: /error: \S+bob@example\.com\.asc is a named pipe, not a key file/,
    code: 2,
  },
  {
    name: 'a key directory that cannot be listed',
    arrange: (site) => chmod(site.at('keys'), 0o711),
    says: /error: keys\.directory: \S+keys is closed to the user with uid 47110\n.*\n +fix: chmod a\+rx '/,
    code: 2,
  },
  {
    name: 'a key directory without keys',
    arrange: (site) => rm(site.at('keys', `${ALICE}.asc`)),
    says: /warning: keys\.directory: \S+keys holds no key, so every recipient is deferred/,
    code: 1,
  },
];

describe('check, of key files', needsUsers(), () => {
  before(async () => {
    const longAgo = { date: new Date(Date.now() - 100 * DAY_MS) };
    alice = await makeKey(ALICE);
    bob = await makeKey('bob@example.com');
    const userIDs = [{ email: 'bob@example.com' }];
    const subkeys = [{ sign: true }];
    signing = (await openpgp.generateKey({ type: 'ecc', userIDs, subkeys, format: 'armored' })).publicKey;
    expired = await makeKey('bob@example.com', { ...longAgo, expiresAfter: 10 * 24 * 3600 });
    lapsing = await makeKey('bob@example.com', { ...longAgo, expiresAfter: 110 * 24 * 3600 - 60 });
  });

  for (const { name, arrange, says, code } of shortOf(CASES, 6)) {
    test(`${name}: ${code === 1 ? 'a warning' : 'an error'}, and one only`, async () => {
      const site = await makeCheckedSite({ [ALICE]: alice.certificate });
      await arrange(site);
      const found = await site.check();
      await site.remove();
      assert.match(found.text, says);
      assert.match(found.text, code === 1 ? /: 0 errors, 1 warnings\n$/ : /: 1 errors, 0 warnings\n$/);
      assert.equal(found.code, code);
    });
  }
});
