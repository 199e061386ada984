// A web key directory in the file system, as gpg-wks-client and sq make it or as it is made by hand.

import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { realWorld } from '../../src/edge/world.ts';
import { SILENT_AFTER_MS } from '../../src/keys/calls.ts';
import { KeyDirectory } from '../../src/keys/directory.ts';
import { RecipientKeys } from '../../src/keys/recipientkeys.ts';
import { wkdHash } from '../../src/keys/wkdhash.ts';
import { WkdTree } from '../../src/keys/wkdtree.ts';
import { KeyFiles } from '../../src/recipients/keyfiles.ts';
import { binaryOf, freshKey } from '../support/freshkey.ts';
import { openGnupgHome } from '../support/gnupghome.ts';
import { FLAGS, madeCertificate, userId } from '../support/handmade.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { until } from '../support/until.ts';
import { needsWksClient, WKS_CLIENT } from '../support/wkd.ts';

const SAME = { localCase: 'ignore', defaultDomain: 'mx.example.com' } as const;
const ALICE = 'alice@example.com';
const WORLD = realWorld('mx.example.com');
const [alice, bob, atHost] = await Promise.all([
  freshKey(ALICE),
  freshKey('bob@example.com'),
  freshKey('alice@mx.example.com'),
]);

async function openTree(t: TestContext) {
  const base = await mkdtemp(join(tmpdir(), 'sealdir-tree-'));
  t.after(() => rm(base, { recursive: true, force: true }));
  const [root, files] = [join(base, 'openpgpkey'), join(base, 'keys')];
  await mkdir(root);
  await mkdir(files);
  const put = async (name: string, bytes: Buffer | string) => {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), bytes);
  };
  const tree = new WkdTree(root, SAME, WORLD);
  const directory = new KeyDirectory(files, SAME, WORLD);
  return { base, root, files, put, tree, directory, find: (address: string) => tree.keysOf({ address }) };
}

const advanced = (address: string) => {
  const [local = '', domain] = address.split('@');
  return `${domain}/hu/${wkdHash(local)}`;
};

test('a key is found below the domain, be it binary or armored, and follows each change', async (t) => {
  const { find, put, root } = await openTree(t);
  await put(advanced(ALICE), await binaryOf(alice.certificate));
  const [first] = (await find(ALICE))?.certificates ?? [];
  assert.equal(first?.fingerprint.length, 40);
  assert.equal(await find('nobody@example.com'), undefined);
  assert.equal(await find('alice@example.net'), undefined);
  await put(advanced(ALICE), alice.certificate);
  assert.equal((await find(ALICE))?.certificates[0]?.fingerprint, first?.fingerprint);
  await rm(join(root, advanced(ALICE)));
  assert.equal(await find(ALICE), undefined);
});

test('the direct place serves the hostname alone, unless a domain is a link to it', async (t) => {
  const { find, put, root } = await openTree(t);
  await put(`hu/${wkdHash('alice')}`, Buffer.concat([atHost.certificate, alice.certificate]));
  const [own] = (await find('alice@mx.example.com'))?.certificates ?? [];
  assert.deepEqual(own?.userIds, ['<alice@mx.example.com>']);
  assert.equal(await find(ALICE), undefined);
  await symlink('.', join(root, 'example.com'));
  assert.deepEqual((await find(ALICE))?.certificates[0]?.userIds, [`<${ALICE}>`]);
});

test('a file that has no key with the address, or cannot be used, is a problem and not "no key"', async (t) => {
  const { find, put, root } = await openTree(t);
  const name = `hu/${wkdHash('alice')}`;
  for (const [bytes, why] of [
    [bob.certificate, `${name} holds no key with a user ID for ${ALICE}: `],
    [alice.secretKey, 'holds a SECRET key'],
    ['', 'is empty'],
    [Buffer.alloc(300_000, 'x'), 'is too large'],
  ] as const) {
    await put(advanced(ALICE), bytes);
    const entry = await find(ALICE);
    assert.deepEqual(entry?.certificates, []);
    assert.ok(entry?.problems[0]?.includes(why), entry?.problems[0]);
  }
  await rm(join(root, advanced(ALICE)));
  await symlink('nowhere', join(root, advanced(ALICE)));
  assert.match((await find(ALICE))?.problems[0] ?? '', /link to nothing/);
});

test('a user ID that is revoked, or that the owner of the key has not certified, makes no key theirs', async (t) => {
  const { find, put } = await openTree(t);
  const at = Math.floor(Date.now() / 1000) - 1000;
  const [eve, forger] = [madeCertificate(at, '<eve@example.com>'), madeCertificate(at)];
  const id = `<${ALICE}>`;
  const certification = eve.owner.certify(id, { at });
  const withId = (...signatures: readonly Buffer[]) => {
    const subkey = [eve.subkey.packet, eve.owner.bind(eve.subkey, { at, flags: FLAGS.communication })];
    const own = [
      userId('<eve@example.com>'),
      eve.owner.certify('<eve@example.com>', { at, flags: FLAGS.certify }),
    ];
    return Buffer.concat([eve.owner.packet, ...own, userId(id), ...signatures, ...subkey]);
  };
  for (const [what, bytes, count] of [
    ['certified', withId(certification), 1],
    ['revoked', withId(certification, eve.owner.revokeUserId(id, { at: at + 1 })), 0],
    ['not certified', withId(), 0],
    ['certified by another', withId(forger.owner.certify(id, { at })), 0],
    ['over', withId(eve.owner.certify(id, { at, lasts: 10 })), 0],
  ] as const) {
    await put(advanced(ALICE), bytes);
    const { certificates = [], problems = [] } = (await find(ALICE)) ?? {};
    assert.equal(certificates.length, count, what);
    assert.equal(problems.length, 1 - count, what);
  }
});

test('a tree that is missing or empty is an error: it may not be mounted', async (t) => {
  const { find, root, put } = await openTree(t);
  await assert.rejects(find(ALICE), /is empty/);
  await put('policy', '');
  assert.equal(await find(ALICE), undefined);
  await rename(root, `${root}.away`);
  await assert.rejects(find(ALICE), /ENOENT/);
});

test('an address literal or an odd local part leads to no place outside of the tree', async (t) => {
  const { find, put } = await openTree(t);
  await put('policy', '');
  for (const address of ['x@[::1]', '../../x@example.com', '@example.com', 'a/b@hu'])
    assert.equal(await find(address), undefined);
});

test('F29: while the tree hangs, keys that were read before are used (250 2.1.5)', async (t) => {
  const { put, root } = await openTree(t);
  await put(advanced(ALICE), alice.certificate);
  let hangs = false;
  const told: string[] = [];
  const hanging = new WkdTree(root, SAME, WORLD, {
    run: (_, call) => (hangs ? new Promise(() => {}) : call()),
    onSilence: (message) => told.push(message),
  });
  const timer = setInterval(() => {}, 1000); // as the sockets of a server, it keeps the process alive
  t.after(() => clearInterval(timer));
  assert.equal((await hanging.keysOf({ address: ALICE }))?.certificates.length, 1);
  hangs = true;
  const started = performance.now();
  assert.equal((await hanging.keysOf({ address: ALICE }))?.certificates.length, 1);
  await until('it is known to hang', () => performance.now() - started > SILENT_AFTER_MS + 50);
  await assert.rejects(hanging.keysOf({ address: 'bob@example.com' }), /does not answer/);
  assert.match(told[0] ?? '', /does not answer: keys that were read before are used/);
});

test('the chain: an own file comes before the tree, the tree before the file of the domain', async (t) => {
  const { put, files, tree, directory } = await openTree(t);
  const keys = new RecipientKeys({ directory, tree, remote: undefined });
  const found = async (address: string) => {
    const { entry, origin } = (await keys.find({ address })) ?? {};
    return [origin, entry?.certificates.map(({ userIds }) => userIds.join()).join()];
  };
  await put(advanced(ALICE), alice.certificate);
  assert.deepEqual(await found(ALICE), ['keys.wkd_directory', `<${ALICE}>`]);
  await assert.rejects(found('bob@example.com'), /holds no key file/);
  await writeFile(join(files, '@example.com.asc'), bob.certificate);
  assert.deepEqual(await found(ALICE), ['keys.wkd_directory', `<${ALICE}>`]);
  assert.deepEqual(await found('bob@example.com'), ['keys.directory, of the domain', '<bob@example.com>']);
  await writeFile(join(files, `${ALICE}.asc`), atHost.certificate);
  assert.deepEqual(await found(ALICE), ['keys.directory', '<alice@mx.example.com>']);
  const [column] = (await keys.find({ address: ALICE, keys: [bob.certificate] }))?.entry.certificates ?? [];
  assert.deepEqual(column?.userIds, ['<bob@example.com>']);
});

test('an address with a key in the tree exists; of others an empty key directory says nothing', async (t) => {
  const { put, files, tree, directory, base } = await openTree(t);
  const source = new KeyFiles(directory, tree);
  await put(advanced(ALICE), alice.certificate);
  assert.deepEqual(await source.find(ALICE), { address: ALICE });
  await assert.rejects(source.find('bob@example.com'), /holds no key file/);
  await writeFile(join(files, 'bob@example.com.asc'), bob.certificate);
  assert.deepEqual(await source.find('bob@example.com'), { address: 'bob@example.com' });
  assert.equal(await source.find('nobody@example.com'), undefined);
  await rename(files, join(base, 'away'));
  await assert.rejects(source.find(ALICE), /ENOENT/);
});

test('a tree that gpg-wks-client made is read', needsWksClient(), async (t) => {
  const { base, root, find } = await openTree(t);
  const home = await openGnupgHome();
  t.after(() => home.close());
  await home.gpg(['--quick-generate-key', 'Joe Doe <Joe.Doe@example.org>', 'default', 'default', 'never']);
  const listing = (await home.gpg(['--list-keys', '--with-colons'])).toString();
  const [, fingerprint = ''] = /^fpr:+([0-9A-F]{40}):/m.exec(listing) ?? [];
  await mkdir(join(root, 'example.org'));
  await chmod(root, 0o755);
  const args = ['-C', root, '--install-key', fingerprint, 'joe.doe@example.org'];
  const { code, stderr } = await run(WKS_CLIENT, args, { env: { GNUPGHOME: home.path } });
  assert.equal(code, 0, stderr.toString());
  const entry = await find('joe.doe@example.org');
  assert.deepEqual(
    entry?.certificates.map((each) => each.fingerprint),
    [fingerprint],
  );
  assert.ok(base);
});

test('a tree that sq made is read', needs('sq'), async (t) => {
  const { root, base, find } = await openTree(t);
  const file = join(base, 'certificate.asc');
  await writeFile(file, alice.certificate);
  const { code, stderr } = await run('sq', ['wkd', 'generate', join(base, 'made'), 'example.com', file]);
  assert.equal(code, 0, stderr.toString());
  await rm(root, { recursive: true });
  await rename(join(base, 'made/.well-known/openpgpkey'), root);
  assert.ok((await readdir(root)).length > 0);
  assert.equal((await find(ALICE))?.certificates.length, 1);
});
