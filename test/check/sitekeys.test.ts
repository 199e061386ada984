// What `check` says of the keys of the site itself: trouble with one is everybody's, so it is an error.

import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { type CheckedSite, makeCheckedSite } from '../support/checking.ts';
import { makeKey } from '../support/testkeys.ts';

const DAY = 86_400;
const past = { date: new Date(Date.now() - 3 * DAY * 1000), expiresAfter: DAY };
const [alice, escrow, expired, ending] = await Promise.all([
  makeKey('alice@example.com'),
  makeKey('escrow@example.com'),
  makeKey('escrow@example.com', past),
  makeKey('escrow@example.com', { expiresAfter: 5.5 * DAY }),
]);

async function openSite(t: TestContext, more = ''): Promise<CheckedSite> {
  const site = await makeCheckedSite({ 'alice@example.com': alice.certificate });
  t.after(() => site.remove());
  const keys = [
    `directory = "${site.at('keys')}"`,
    `also = ["${site.at('also.asc')}"]`,
    `hold = "${site.at('hold.asc')}"`,
  ];
  await site.configure({ keys: `${keys.join('\n')}\n${more}` });
  for (const name of ['also.asc', 'hold.asc']) await writeFile(site.at(name), escrow.certificate);
  return site;
}

test('keys of the site that are in order are notes, and nothing to mend', async (t) => {
  const site = await openSite(t, 'unusable = "hold"');
  const { code, text } = await site.check();
  assert.equal(code, 0, text);
  assert.match(
    text,
    /^note: keys\.also: every message is sealed as well to [0-9A-F]{40} \(<?escrow@example\.com>?\), .*also\.asc$/m,
  );
  assert.match(text, /^note: keys\.hold: mail that has to be held is sealed to [0-9A-F]{40} /m);
  assert.match(text, /: 0 errors, 0 warnings\n$/);
});

test('keys of the site that cannot be used are errors, and name whose mail waits', async (t) => {
  const site = await openSite(t);
  await writeFile(site.at('also.asc'), expired.certificate);
  await writeFile(site.at('hold.asc'), escrow.secretKey);
  const { code, text } = await site.check();
  assert.equal(code, 2);
  assert.match(
    text,
    /^error: keys\.also: [0-9A-F]{40} expired on [0-9-]+; all mail is deferred\n.*\n +fix: its owner /m,
  );
  assert.match(
    text,
    /^error: keys\.hold: hold\.asc holds a SECRET key; mail for recipients without a usable key is deferred\n.*\n +fix: remove it/m,
  );
  assert.match(text, /: 2 errors, 0 warnings\n$/);
});

test('the end of a key of the site is a warning a month before, and says what follows', async (t) => {
  const site = await openSite(t);
  await writeFile(site.at('also.asc'), ending.certificate);
  const { code, text } = await site.check();
  assert.equal(code, 1, text);
  assert.match(text, /^warning: keys\.also: [0-9A-F]{40} expires in 5 days; then all mail is deferred$/m);
});

test('who may exchange a key of the site can read mail, which is an error', async (t) => {
  const site = await openSite(t);
  await chmod(site.at('also.asc'), 0o666);
  const { code, text } = await site.check();
  assert.equal(code, 2);
  assert.match(text, /^error: keys\.also, keys\.hold: everybody may exchange keys by \S+also\.asc$/m);
  assert.match(text, /: 1 errors, 0 warnings\n$/);
});

for (const [unusable, then] of Object.entries({
  defer: 'its mail waits in the queue',
  reject: 'its mail is refused',
  'last-valid': 'its mail is sealed to it all the same',
  hold: 'its mail is sealed to keys.hold',
}))
  test(`the end of a recipient's key is followed by what the site has chosen: ${unusable}`, async (t) => {
    const site = await openSite(t, `unusable = "${unusable}"`);
    await writeFile(
      site.at('keys/alice@example.com.asc'),
      (await makeKey('alice@example.com', { expiresAfter: 5.5 * DAY })).certificate,
    );
    assert.ok((await site.check()).text.includes(`expires in 5 days; then ${then}\n`));
  });
