// A notice of ours goes where the mail of its owner goes: to the next hop, sealed, from nobody.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parseSettings } from '../../src/config/load.ts';
import { UNMETERED } from '../../src/core/meter.ts';
import { parseNextHop } from '../../src/core/nexthop.ts';
import { Hops } from '../../src/forward/hops.ts';
import { Courier } from '../../src/keeper/courier.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';
import { sealingKeysOf } from '../../src/keys/sessionkeys.ts';
import { openSite } from '../support/delivery.ts';
import { freshKey, openSealed } from '../support/freshkey.ts';
import { type Script, startNextHop } from '../support/nexthop.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';

/** A courier whose mail goes to a next hop, and a note for it. */
async function courierTo(t: TestContext, stallMs: number, script: Script = () => undefined) {
  const server = await startNextHop({ script });
  const hop = parseNextHop(server.address);
  assert.ok(typeof hop !== 'string');
  const options = { host: 'mx', ca: undefined, plainBeyondLoopback: false, connections: 1, meter: UNMETERED };
  const hops = new Hops({ ...options, hop, fault: () => undefined });
  t.after(async () => {
    hops.close();
    await server.stop();
  });
  const key = await freshKey(ALICE);
  const [parsed] = await parseCertificates(key.certificate);
  assert.ok(parsed !== undefined);
  const usable = await judgeCertificate(parsed, new Date(), { subkeys: 'all' });
  assert.ok(!('reason' in usable));
  const { parts } = await openSite(t, { keys: [key] });
  const loaded = parseSettings('', 'test.toml', { hostname: 'mx.example.com' });
  assert.ok(loaded.ok);
  const places = { of: async (recipient: { address: string }) => hops.placeOf(recipient) };
  const courier = new Courier(loaded.settings, { ...parts, places, limits: { ...parts.limits, stallMs } });
  const mail = { address: ALICE, keys: sealingKeysOf([usable]), text: 'Your key has changed.' };
  const outcomes: string[] = [];
  const send = () => courier.send({ ...mail, mailbox: 'make it' }, (outcome) => outcomes.push(outcome));
  return { server, key, courier, send, outcomes };
}

test('a notice is passed on to the next hop of its owner', async (t) => {
  const { server, key, send, outcomes } = await courierTo(t, 10_000);
  await send();
  assert.deepEqual(outcomes, ['stored']);
  const [taken] = server.taken;
  assert.match(taken?.mail ?? '', /^<> SIZE=\d+$/);
  assert.equal(taken?.rcpt, `<${ALICE}>`);
  const stored = (taken?.message ?? Buffer.alloc(0)).toString('latin1').replaceAll('\r\n', '\n');
  assert.match(stored, /^Delivered-To: alice@example\.com\n/);
  const { plaintext } = await openSealed(Buffer.from(stored, 'latin1'), [key.secret]);
  assert.match(plaintext.toString(), /Your key has changed\./);
});

test('whoever has no mailbox at the next hop has none', async (t) => {
  const { send, outcomes } = await courierTo(t, 10_000, (step) =>
    step === 'RCPT' ? '550 5.1.1 unknown' : undefined,
  );
  await send();
  assert.deepEqual(outcomes, ['no mailbox']);
});

test('a notice that the next hop is slow to take is on its way, and known to be stored later', async (t) => {
  let letGo: (reply: undefined) => void = () => undefined;
  const gate = new Promise<undefined>((resolve) => {
    letGo = resolve;
  });
  const { server, courier, send, outcomes } = await courierTo(t, 50, (step) =>
    step === 'end' ? gate : undefined,
  );
  await assert.rejects(send(), /could not be stored in time/);
  assert.ok(courier.isOnItsWay(ALICE), 'no other is to be sent');
  assert.deepEqual(outcomes, []);
  letGo(undefined);
  await until('it is known', () => outcomes.length > 0);
  assert.deepEqual(outcomes, ['stored']);
  assert.equal(courier.isOnItsWay(ALICE), false);
  assert.equal(server.taken.length, 1);
});
