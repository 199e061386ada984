// A message that comes encrypted goes to a next hop in two ways, until it is known which one counts.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { armored, pgpMime } from '../support/encrypted.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { type FreshKey, freshKey } from '../support/freshkey.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { type NextHopOptions, OFFERS, startNextHop } from '../support/nexthop.ts';
import { startSealdir } from '../support/sealdir.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';

async function siteFor(t: TestContext, key: FreshKey, connections: number, options: NextHopOptions = {}) {
  const hop = await startNextHop(options);
  const sealdir = await startSealdir({
    keys: { [ALICE]: key.certificate },
    toml: { store: `forward = "${hop.address}"\nforward_connections = ${connections}` },
  });
  const session = await openSession(sealdir.socketPath);
  t.after(async () => {
    await session.vanish();
    await sealdir.stop();
    await hop.stop();
  });
  const send = async (message: Buffer) => (await deliver(session, { to: [ALICE], message })).final[0] ?? '';
  return { hop, sealdir, send };
}

test('of two ways the sealed one may fail, and trouble of the other defers', async (t) => {
  const key = await freshKey(ALICE);
  const message = pgpMime(await armored(randomBytes(600_000).toString('base64'), [key]));
  const small = async () => {
    const offers = [...OFFERS.filter((word) => word !== 'SIZE'), `SIZE ${message.length + 5000}`];
    const { hop, send } = await siteFor(t, key, 4, { offers });
    assert.match(await send(message), /^250 2\.0\.0 Encrypted to the recipient already/);
    assert.match(await send(messageOfSize(message.length)), /^552 5\.3\.4/);
    assert.equal(hop.taken.length, 1);
  };
  const narrow = async () => {
    const { hop, send } = await siteFor(t, key, 1);
    assert.match(await send(message), /^250 2\.0\.0 Encrypted to the recipient already/);
    assert.equal(hop.taken.length, 1);
  };
  const busy = async () => {
    const { hop, sealdir, send } = await siteFor(t, key, 2);
    const slow = await openSession(sealdir.socketPath);
    await slow.say('MAIL FROM:<sender@example.org>');
    await slow.say(`RCPT TO:<${ALICE}>`);
    await slow.say('DATA');
    slow.write(messageOfSize(400_000));
    await until('it is begun', () => hop.said.includes('DATA'));
    assert.match(await send(message), /^451 4\.4\.5/);
    assert.match(await send(messageOfSize(5000)), /^250 /);
    await slow.vanish();
    assert.equal(hop.taken.length, 1);
  };
  await Promise.all([small(), narrow(), busy()]);
});
