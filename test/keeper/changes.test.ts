// What becomes of keys between two looks: it is logged, and the owner of the key of before is told in a
// message that this key opens, and no other.

import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { changeKeys } from '../../src/keylog/change.ts';
import { verify } from '../../src/keylog/verify.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { freshKey, revoked } from '../support/freshkey.ts';
import { HungMount, needsHungMount } from '../support/hungmount.ts';
import { Keeping } from '../support/keeping.ts';
import type { ServerOptions } from '../support/sealdir.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const FILE = `${ALICE}.asc`;
const DAY_MS = 24 * 60 * 60 * 1000;
const [OLD, NEW, THIRD] = [await makeKey(ALICE), await makeKey(ALICE), await makeKey(ALICE)];
const BOB = 'bob@example.com';
const BOBS = await makeKey(BOB);

async function keeping(
  t: TestContext,
  keys: ServerOptions['keys'],
  options?: ServerOptions,
): Promise<Keeping> {
  const site = await Keeping.make({ [BOB]: BOBS.certificate, ...keys }, options);
  t.after(() => site.remove());
  await site.round();
  return site;
}

const fingerprintOf = async ({ certificate }: TestKey) =>
  (await parseCertificates(Buffer.from(certificate)))[0]?.fingerprint ?? '';

/** Which of the keys open a message. */
async function openers(message: Buffer, keys: readonly TestKey[]): Promise<number[]> {
  const tried = await Promise.all(
    keys.map((key, n) =>
      readSealed(message, key).then(
        () => n,
        () => -1,
      ),
    ),
  );
  return tried.filter((n) => n >= 0);
}

test('a key that is exchanged is logged, and the notice opens with the key of before alone', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  await site.put(FILE, NEW.certificate);
  await site.round();
  const [, , entry] = await site.entries();
  assert.deepEqual((await site.events()).slice(2), [`changed ${ALICE} 1`]);
  assert.deepEqual(entry?.before.fingerprints, [await fingerprintOf(OLD)]);
  assert.deepEqual(entry?.after.fingerprints, [await fingerprintOf(NEW)]);
  const [notice = Buffer.alloc(0), ...others] = await site.mail(ALICE);
  assert.equal(others.length, 0);
  assert.deepEqual(await openers(notice, [OLD, NEW, BOBS]), [0]);
  const text = (await readSealed(notice, OLD)).toString();
  const spaced = (fingerprint: string) => fingerprint.replace(/(.{4})(?=.)/g, '$1 ');
  for (const key of [OLD, NEW]) assert.ok(text.includes(spaced(await fingerprintOf(key))), text);
  const [, head = ''] = /key log --verify --head ([0-9a-f]{64})/.exec(text) ?? [];
  assert.equal(verify(await readFile(site.state('key.log')), head).askedFor, 3);
  assert.deepEqual(await site.mail(BOB), []);
});

test('outside of its encryption a notice says no more than that it is a note about a key', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  await site.put(FILE, NEW.certificate);
  await site.round();
  const [notice = Buffer.alloc(0)] = await site.mail(ALICE);
  const text = notice.toString('latin1');
  const [header = ''] = text.split('\n\n');
  assert.match(header, /^Return-Path: <>\nDelivered-To: alice@example\.com\n/);
  assert.match(header, /^From: Sealdir <postmaster@mx\.example\.com>$/m);
  assert.match(header, /^Subject: A note about your encryption key$/m);
  assert.match(header, /^Auto-Submitted: auto-generated$/m);
  for (const key of [OLD, NEW]) assert.ok(!text.includes(await fingerprintOf(key)));
  assert.doesNotMatch(text, /changed|key log|--head/);
  const [name = ''] = await readdir(join(site.directory, 'mail/example.com/alice/new'));
  const lines = notice.filter((byte) => byte === 0x0a).length;
  assert.ok(name.endsWith(`,S=${notice.length},W=${notice.length + lines}`), name);
});

test('the sender is that of the settings', async (t) => {
  const toml = { rest: '[notices]\nfrom = "keys@{hostname}"' };
  const site = await keeping(t, { [ALICE]: OLD.certificate }, { toml });
  await site.put(FILE, NEW.certificate);
  await site.round();
  assert.match(String((await site.mail(ALICE))[0]), /^From: Sealdir <keys@mx\.example\.com>$/m);
});

test('what happens while no keeper runs is found at the next start', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  site.reopen();
  await site.put(FILE, NEW.certificate);
  await site.put('carol@example.com.asc', THIRD.certificate);
  await unlink(site.keyFile(`${BOB}.asc`));
  await site.round();
  const events = (await site.events()).slice(2).sort();
  assert.deepEqual(events, [`came carol@example.com 1`, `changed ${ALICE} 1`, `went ${BOB} 0`]);
  assert.deepEqual(await openers((await site.mail(ALICE))[0] ?? Buffer.alloc(0), [OLD, NEW]), [0]);
});

test('nothing is logged or told twice, however often keys are looked at', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  await site.put(FILE, NEW.certificate);
  for (let n = 0; n < 3; n++) {
    await site.round();
    site.pass(2 * DAY_MS); // then all files are read again
    site.reopen();
  }
  assert.equal((await site.events()).length, 3);
  assert.equal((await site.mail(ALICE)).length, 1);
});

test('a key that goes is told to its owner; the one that comes in its place, too, and it alone', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  await mkdir(join(site.directory, 'mail/example.com/alice/new'), { recursive: true });
  await unlink(site.keyFile(FILE));
  await site.round();
  await site.put(FILE, NEW.certificate);
  await site.round();
  assert.deepEqual((await site.events()).slice(2), [`went ${ALICE} 0`, `came ${ALICE} 1`]);
  const mail = await site.mail(ALICE);
  assert.equal(mail.length, 2);
  for (const notice of mail) assert.deepEqual(await openers(notice, [OLD, NEW]), [0]);
  assert.match(String(await readSealed(mail[0] ?? Buffer.alloc(0), OLD)), /has no key for alice/);
});

test('a key that comes back is logged, and no news', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  await mkdir(join(site.directory, 'mail/example.com/alice/new'), { recursive: true });
  await unlink(site.keyFile(FILE));
  await site.round();
  await site.put(FILE, OLD.certificate);
  await site.round();
  assert.deepEqual((await site.events()).slice(2), [`went ${ALICE} 0`, `came ${ALICE} 1`]);
  assert.equal((await site.mail(ALICE)).length, 1);
});

test('no mailbox is made for somebody who has gone with their key', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  await unlink(site.keyFile(FILE));
  await site.round();
  assert.deepEqual(await readdir(join(site.directory, 'mail')), []);
  assert.ok(site.said.some(({ detail }) => detail.outcome === 'no mailbox'));
});

test('a key that is added beside the one of before is told to the owner of that', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  await site.put(FILE, `${OLD.certificate}\n${NEW.certificate}`);
  await site.round();
  assert.deepEqual((await site.events()).slice(2), [`changed ${ALICE} 2`]);
  assert.deepEqual(await openers((await site.mail(ALICE))[0] ?? Buffer.alloc(0), [OLD, NEW]), [0]);
});

test('a file in a usual spelling that hides the one of before is a change', async (t) => {
  const site = await keeping(t, { 'Alice@Example.com': OLD.certificate });
  await site.put(FILE, NEW.certificate);
  await site.round();
  assert.deepEqual((await site.events()).slice(2), [`changed ${ALICE} 1`]);
  assert.deepEqual(await openers((await site.mail(ALICE))[0] ?? Buffer.alloc(0), [OLD, NEW]), [0]);
});

test('an exchange through a link, in another directory, is found', async (t) => {
  const site = await keeping(t, {});
  await mkdir(join(site.directory, 'elsewhere'));
  await writeFile(join(site.directory, 'elsewhere/a'), OLD.certificate);
  await symlink('../elsewhere/a', site.keyFile(FILE));
  await site.round();
  await writeFile(join(site.directory, 'elsewhere/a'), NEW.certificate);
  await site.round();
  assert.deepEqual((await site.events()).slice(1), [`came ${ALICE} 1`, `changed ${ALICE} 1`]);
  assert.equal((await site.mail(ALICE)).length, 1);
});

test('a file that cannot be read as a key right now has not gone, and what it becomes is compared with before', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  for (const trouble of [OLD.certificate.slice(0, 300), '', 'no key', NEW.secretKey]) {
    await site.put(FILE, trouble);
    await site.round();
    assert.equal((await site.events()).length, 2, trouble);
    assert.equal(site.figures.at(-1)?.states.unusable, 1);
  }
  await unlink(site.keyFile(FILE));
  await symlink('nowhere', site.keyFile(FILE));
  await site.round();
  assert.equal((await site.events()).length, 2);
  await unlink(site.keyFile(FILE));
  await site.put(FILE, NEW.certificate);
  await site.round();
  assert.deepEqual((await site.events()).slice(2), [`changed ${ALICE} 1`]);
  assert.deepEqual(await openers((await site.mail(ALICE))[0] ?? Buffer.alloc(0), [OLD, NEW]), [0]);
});

test('a key directory that is missing or empty is one that is not mounted: nothing has gone, and it is said', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  const [keys, aside] = [join(site.directory, 'keys'), join(site.directory, 'aside')];
  await rename(keys, aside);
  await site.round();
  await mkdir(keys);
  await site.round();
  site.reopen();
  await site.round();
  assert.equal((await site.events()).length, 2);
  const said = site.said.map(({ detail }) => String(detail.error)).join('\n');
  assert.match(said, /keys cannot be listed \(ENOENT\)/);
  assert.match(said, /keys holds no key file/);
  await rm(keys, { recursive: true });
  await rename(aside, keys);
  await site.put(FILE, NEW.certificate);
  await site.round();
  assert.deepEqual((await site.events()).slice(2), [`changed ${ALICE} 1`]);
});

test('an expired key of before is still written to; a revoked one is not, and the log has it', async (t) => {
  const date = new Date(Date.now() - 3 * DAY_MS);
  const expired = await makeKey(ALICE, { date, expiresAfter: 2 * 24 * 3600 });
  const dave = await freshKey('dave@example.com');
  const site = await keeping(t, { [ALICE]: expired.certificate, 'dave@example.com': await revoked(dave) });
  await site.put(FILE, NEW.certificate);
  await site.put('dave@example.com.asc', THIRD.certificate);
  await site.round();
  assert.equal((await site.events()).length, 5);
  const [notice = Buffer.alloc(0)] = await site.mail(ALICE);
  assert.deepEqual(await openers(notice, [expired, NEW]), [0]);
  assert.deepEqual(await site.mail('dave@example.com'), []);
  assert.ok(site.said.some(({ detail }) => detail.outcome === 'no usable key'));
});

test('a key whose revocation comes with the new one is not written to', async (t) => {
  const dave = await freshKey('dave@example.com');
  const site = await keeping(t, { 'dave@example.com': dave.certificate });
  await site.put('dave@example.com.asc', `${await revoked(dave)}\n${THIRD.certificate}`);
  await site.round();
  assert.deepEqual(await site.mail('dave@example.com'), []);
});

test('while a mailbox cannot be written to, its notice waits, with the key of before, over changes and starts', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  await writeFile(join(site.directory, 'mail/example.com'), 'in the way');
  await site.put(FILE, NEW.certificate);
  await site.round();
  await site.put(FILE, THIRD.certificate);
  site.pass(2 * DAY_MS);
  await site.round();
  site.reopen();
  await site.round();
  await unlink(join(site.directory, 'mail/example.com'));
  await site.round();
  const opened = await Promise.all(
    (await site.mail(ALICE)).map((notice) => openers(notice, [OLD, NEW, THIRD])),
  );
  assert.deepEqual(opened.sort(), [[0], [1]]);
  assert.equal((await readdir(site.state('known'))).length, 2, 'copies that nobody needs are removed');
});

test('a change by a command is logged once, with who made it, and the owner of before is told', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  const { log, copies } = site.command();
  const content = async (key: TestKey) => {
    const bytes = Buffer.from(key.certificate);
    return { bytes, certificates: await parseCertificates(bytes) };
  };
  await changeKeys(log, copies, {
    address: ALICE,
    by: { how: 'key add', uid: 1000, user: 'root' },
    before: [await content(OLD)],
    after: [await content(NEW)],
    now: new Date(),
    change: () => site.put(FILE, NEW.certificate),
  });
  await site.round();
  const [entry, ...others] = (await site.entries()).slice(2);
  assert.equal(others.length, 0);
  assert.deepEqual(entry?.by, { how: 'key add', uid: 1000, user: 'root' });
  const [notice = Buffer.alloc(0)] = await site.mail(ALICE);
  assert.match(String(await readSealed(notice, OLD)), /how {6}"sealdir key add" by root/);
});

test('a key that was exchanged without a running server is logged before what a command makes of it', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  await site.put(FILE, NEW.certificate);
  const { log, copies } = site.command();
  const content = async (key: TestKey) => {
    const bytes = Buffer.from(key.certificate);
    return { bytes, certificates: await parseCertificates(bytes) };
  };
  await changeKeys(log, copies, {
    address: ALICE,
    by: { how: 'key add' },
    before: [await content(NEW)],
    after: [await content(OLD)],
    now: new Date(),
    change: () => site.put(FILE, OLD.certificate),
  });
  await site.round();
  const [found, made, ...others] = (await site.entries()).slice(2);
  assert.equal(others.length, 0);
  assert.deepEqual([found?.event, found?.by.how], ['changed', 'directory']);
  assert.deepEqual([made?.event, made?.by.how], ['changed', 'key add']);
  const notices = await site.mail(ALICE);
  const opened = await Promise.all(notices.map((notice) => openers(notice, [OLD, NEW])));
  assert.deepEqual(opened.sort(), [[0], [1]]);
});

for (const others of [[], ['ALICE@Example.com.asc']])
  test(`a file that gets another unusual name has not gone (${others.length} more)`, async (t) => {
    const site = await keeping(t, {});
    for (const name of others) await site.put(name, THIRD.certificate);
    await site.put('Alice@Example.com.asc', OLD.certificate);
    await site.round();
    const before = await site.events();
    await rename(site.keyFile('Alice@Example.com.asc'), site.keyFile('aLICE@example.COM.asc'));
    await site.lookAt('Alice@Example.com.asc');
    await site.lookAt('aLICE@example.COM.asc');
    await site.round();
    assert.deepEqual(await site.events(), before);
    assert.deepEqual(await site.mail(ALICE), []);
  });

test('a key that is exchanged again and again fills no mailbox, and each owner is told in the end', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  for (let n = 0; n < 10; n++)
    for (const key of [NEW, OLD]) {
      await site.put(FILE, key.certificate);
      await site.round();
    }
  assert.equal((await site.entries()).length, 22, 'each change is logged');
  assert.equal((await site.mail(ALICE)).length, 5);
  site.pass(59 * 60 * 1000);
  await site.round();
  assert.equal((await site.mail(ALICE)).length, 5);
  site.pass(2 * 60 * 1000);
  await site.round();
  await site.round();
  assert.equal((await site.mail(ALICE)).length, 7);
  await site.put(FILE, THIRD.certificate);
  await site.round();
  const notices = await site.mail(ALICE);
  const opened = await Promise.all(notices.map((notice) => openers(notice, [OLD, NEW, THIRD])));
  assert.deepEqual(opened.sort(), [[0], [0], [0], [0], [0], [1], [1], [1]].sort());
  const texts = await Promise.all(
    notices.map((notice) => readSealed(notice, OLD).catch(() => readSealed(notice, NEW))),
  );
  const gathered = texts.filter((text) =>
    /earlier {2}\d more changes of it, since entry \d+ \(\d/.test(String(text)),
  );
  assert.equal(gathered.length, 2);
});

test('a command before the first look begins the log, and the look logs the others as they came', async (t) => {
  const site = await Keeping.make({ [ALICE]: OLD.certificate, [BOB]: BOBS.certificate });
  t.after(() => site.remove());
  const { log, copies } = site.command();
  await changeKeys(log, copies, {
    address: ALICE,
    by: { how: 'key remove' },
    before: [
      {
        bytes: Buffer.from(OLD.certificate),
        certificates: await parseCertificates(Buffer.from(OLD.certificate)),
      },
    ],
    after: [],
    now: new Date(),
    change: () => unlink(site.keyFile(FILE)),
  });
  await site.round();
  assert.deepEqual(await site.events(), [`went ${ALICE} 0`, `came ${BOB} 1`]);
});

test('a log that is gone at a start is told of, and begins anew', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  site.close();
  await unlink(site.state('key.log'));
  site.open();
  await site.round();
  assert.ok(site.said.some(({ detail }) => /key\.log was removed/.test(String(detail.what))));
  assert.equal((await site.events()).length, 2);
});

test('a mailbox that hangs holds up no look: its notice waits', {
  timeout: 240_000,
  ...(await needsHungMount()),
}, async (t) => {
  const site = await keeping(
    t,
    { [ALICE]: OLD.certificate, 'dave@slow.example': OLD.certificate },
    {
      toml: { lmtp: 'stall_timeout = "1s"' },
    },
  );
  await mkdir(join(site.directory, 'mail/slow.example'));
  const mount = await HungMount.open(join(site.directory, 'mail/slow.example'));
  try {
    mount.hang();
    await site.put('dave@slow.example.asc', NEW.certificate);
    await site.put(FILE, NEW.certificate);
    await site.round();
    assert.equal((await site.mail(ALICE)).length, 1);
    mount.resume();
    await until('it is stored', async () => {
      await site.round();
      return (await site.mail('dave@slow.example')).length > 0;
    });
  } finally {
    await mount.close();
  }
});

test('where another source says who exists, it says whose mailbox it is; one that is down is asked again', async (t) => {
  const recipients = 'source = "accounts"\naccounts.file = "DIR/accounts"\ncache = "1s"';
  const carol = 'carol@example.com';
  const site = await keeping(
    t,
    { [ALICE]: OLD.certificate, [carol]: OLD.certificate },
    { toml: { recipients } },
  );
  for (const address of [ALICE, carol]) await site.put(`${address}.asc`, NEW.certificate);
  await site.round();
  assert.deepEqual(await site.mail(ALICE), [], 'there is no file of accounts');
  assert.ok(site.said.some(({ what, level }) => what === 'key notice' && level === 'error'));
  await writeFile(join(site.directory, 'accounts'), `${ALICE}|x\n`);
  await until('it is told', async () => {
    await site.round();
    return (await site.mail(ALICE)).length === 1;
  });
  assert.deepEqual(await site.mail(carol), []);
  const outcomes = site.said.flatMap(({ detail }) =>
    detail.outcome ? [`${detail.address} ${detail.outcome}`] : [],
  );
  assert.deepEqual(outcomes.sort(), [`${ALICE} stored`, `${carol} no mailbox`]);
});

test('the key of a whole domain is an address of its own, and is told in its own mailbox', async (t) => {
  const site = await keeping(t, { '@example.com': OLD.certificate });
  await site.put('@example.com.asc', NEW.certificate);
  await site.round();
  assert.equal((await site.events()).at(-1), 'changed @example.com 1');
  const [notice = Buffer.alloc(0)] = await site.mail('%all@example.com');
  assert.match(notice.toString(), /^To: <postmaster@example\.com>$/m);
  assert.deepEqual(await openers(notice, [OLD, NEW]), [0]);
});

test('a name with a line end in it makes no header field', async (t) => {
  const file = 'x%0ABcc:%20eve@example.com.asc';
  const site = await keeping(t, {});
  await site.put(file, OLD.certificate);
  await site.round();
  await site.put(file, NEW.certificate);
  await site.round();
  const folder = join(site.directory, 'mail/example.com');
  const [user = ''] = await readdir(folder);
  const [name = ''] = await readdir(join(folder, user, 'new'));
  const header = (await readFile(join(folder, user, 'new', name), 'latin1')).split('\n\n')[0] ?? '';
  assert.doesNotMatch(header, /^Bcc/m);
  assert.match(header, /^To: <"x\\u000abcc: eve"@example\.com>$/m);
});

test('a state directory that could not be used is used once it can be, by the same process', async (t) => {
  const site = await keeping(t, { [ALICE]: OLD.certificate });
  site.close();
  await rename(site.state('notices'), site.state('aside'));
  await mkdir(site.state('notices'));
  assert.throws(() => site.open(), /notices is no regular file/);
  await rm(site.state('notices'), { recursive: true });
  site.open();
  await site.round();
});
