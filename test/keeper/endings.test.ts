// Keys that end soon, with the clock moved: each notice once, and one opinion of the notices, the metrics,
// the log of each day and `check`.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { checkKeys } from '../../src/check/keys.ts';
import { createMetrics } from '../../src/edge/metrics.ts';
import { watchKeys } from '../../src/edge/servermetrics.ts';
import { extended } from '../support/extendedkey.ts';
import { freshKey, revoked } from '../support/freshkey.ts';
import { Keeping } from '../support/keeping.ts';
import type { ServerOptions } from '../support/sealdir.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
const DAY = 24 * 60 * 60;
const DAY_MS = DAY * 1000;
const MADE = new Date(Math.floor(Date.now() / 1000) * 1000 - DAY_MS);
/** Ends in 40 days. */
const KEY = await makeKey(ALICE, { date: MADE, expiresAfter: 41 * DAY });
const ENDLESS = await makeKey(BOB);

async function keeping(
  t: TestContext,
  keys: ServerOptions['keys'],
  options?: ServerOptions,
): Promise<Keeping> {
  const site = await Keeping.make(keys, options);
  t.after(() => site.remove());
  await site.round();
  return site;
}

/** What the notices for Alice say is left. */
async function told(site: Keeping, key: TestKey = KEY): Promise<string[]> {
  const texts = await Promise.all((await site.mail(ALICE)).map((each) => readSealed(each, key)));
  return texts.map((text) => /with ends in (.*)\./.exec(text.toString())?.[1] ?? 'something else');
}

test('a key that ends is told of 30, 14, 7 and 1 days before, once each, and never when it has ended', async (t) => {
  const site = await keeping(t, { [ALICE]: KEY.certificate, [BOB]: ENDLESS.certificate });
  const after: Record<number, number> = {};
  for (let hour = 0; hour <= 42 * 24; hour += 6) {
    await site.round();
    if (hour % 24 === 0) after[hour / 24] = (await site.mail(ALICE)).length;
    if (hour % 60 === 0) site.reopen();
    site.pass(6 * 3600 * 1000);
  }
  assert.deepEqual(await told(site), ['29 days', '13 days', '6 days', 'less than a day']);
  const counts = [9, 10, 11, 25, 26, 27, 32, 33, 34, 38, 39, 40, 42].map((day) => after[day]);
  assert.deepEqual(counts, [0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
  assert.deepEqual(await site.mail(BOB), []);
  assert.equal(site.figures.at(-1)?.states.expired, 1);
});

test('of thresholds that passed while the server was down the nearest alone is told of', async (t) => {
  const site = await keeping(t, { [ALICE]: KEY.certificate });
  site.pass(35 * DAY_MS);
  site.reopen();
  await site.round();
  await site.round();
  assert.deepEqual(await told(site), ['4 days']);
});

test('a key that was prolonged is told of anew when it ends, and the one of before no more', async (t) => {
  const soon = await freshKey(ALICE, { lifetimeSeconds: 5 * DAY });
  const site = await keeping(t, { [ALICE]: soon.certificate });
  const count = async () => (await site.mail(ALICE)).length;
  assert.equal(await count(), 1);
  await site.put(`${ALICE}.asc`, await extended(soon, 100 * DAY));
  await site.round();
  assert.equal(await count(), 1);
  site.pass(4 * DAY_MS);
  await site.round();
  assert.equal(await count(), 1);
  site.pass(80 * DAY_MS);
  await site.round();
  assert.equal(await count(), 2);
});

test('what was judged, told and said while the clock ran 70 days ahead does not count once it is right', async (t) => {
  const site = await keeping(t, { [ALICE]: KEY.certificate, [BOB]: ENDLESS.certificate });
  const daily = () => site.said.filter(({ what }) => what === 'keys').length;
  site.pass(34 * DAY_MS);
  await site.round();
  assert.deepEqual(await told(site), ['5 days']);
  site.pass(36 * DAY_MS);
  await site.round();
  assert.equal(site.figures.at(-1)?.states.expired, 1);
  site.reopen();
  site.pass(-70 * DAY_MS);
  await site.round();
  assert.equal(site.figures.at(-1)?.states.valid, 2);
  const said = daily();
  site.pass(-60_000);
  await site.round();
  assert.equal(daily(), said + 1, 'the line of the day does not wait either');
  site.pass(12 * DAY_MS);
  await site.round();
  assert.deepEqual(await told(site), ['28 days', '5 days'], 'by the clock');
});

test('with notices.expiry = false nobody is told that a key ends', async (t) => {
  const toml = { rest: '[notices]\nexpiry = false' };
  const site = await keeping(t, { [ALICE]: KEY.certificate }, { toml });
  site.pass(39 * DAY_MS);
  await site.round();
  assert.deepEqual(await site.mail(ALICE), []);
});

test('figures, metrics, the line of each day and check are of one opinion, at any time', async (t) => {
  const gone = await makeKey('gone@example.com', { date: MADE, expiresAfter: DAY / 2 });
  const withdrawn = await revoked(await freshKey('withdrawn@example.com'));
  const site = await keeping(t, {
    [ALICE]: KEY.certificate,
    [BOB]: ENDLESS.certificate,
    'gone@example.com': gone.certificate,
    'withdrawn@example.com': withdrawn,
    'broken@example.com': 'no key',
  });
  const ends = MADE.getTime() + 41 * DAY_MS;
  for (const [days, states, earliest] of [
    [0, { valid: 2, expiring: 0, expired: 1, revoked: 1, unusable: 1 }, ends],
    [12, { valid: 1, expiring: 1, expired: 1, revoked: 1, unusable: 1 }, ends],
    [30, { valid: 1, expiring: 0, expired: 2, revoked: 1, unusable: 1 }, undefined],
  ] as const) {
    site.pass(days * DAY_MS);
    site.said.length = 0;
    await site.round();
    const figures = site.figures.at(-1);
    assert.deepEqual(figures?.states, states);
    assert.equal(figures?.earliest?.at, earliest);
    const daily = site.said.find(({ what }) => what === 'keys')?.detail;
    const { valid, expiring, expired, revoked, unusable } = daily ?? {};
    if (days > 0) assert.deepEqual({ valid, expiring, expired, revoked, unusable }, states);
    const log = { entries: 4, head: figures?.head };
    if (days > 0) assert.deepEqual(daily?.log, log, 'the file without a key is in no line');
    const metrics = createMetrics();
    if (figures !== undefined) watchKeys(metrics.registry)(figures);
    const text = await metrics.text();
    for (const [state, count] of Object.entries(states))
      assert.ok(text.includes(`\nsealdir_keys{state="${state}"} ${count}\n`), state);
    const [, shown] = /^sealdir_key_expiry_timestamp_seconds (.*)$/m.exec(text) ?? [];
    assert.equal(shown === undefined ? undefined : Number(shown) * 1000, earliest);
    const found = await checkKeys(site.settings, new Date(site.now()), 100);
    const saying = (pattern: RegExp) => found.filter(({ what }) => pattern.test(what)).length;
    assert.equal(saying(/ expires in \d+ days; /), states.expiring);
    assert.equal(saying(/ expired on /), states.expired);
    assert.equal(saying(/ is revoked/), states.revoked);
    assert.equal(saying(/broken@/), states.unusable);
  }
});

test('keys are judged anew when the rules are others, and nothing is judged twice in a day otherwise', async (t) => {
  const site = await keeping(t, { [BOB]: ENDLESS.certificate });
  const seen = async () => JSON.parse((await readFile(site.state('seen'), 'utf8')).trimEnd());
  await site.round(); // by now the file has not changed for a moment
  const first = await seen();
  await site.round();
  site.reopen();
  await site.round();
  assert.deepEqual((await seen()).keys, first.keys);
  site.close();
  await writeFile(site.state('seen'), `${JSON.stringify({ ...first, rules: 'others', keys: [] })}\n`);
  site.open();
  await site.round();
  assert.equal(site.figures.at(-1)?.states.valid, 1);
});
