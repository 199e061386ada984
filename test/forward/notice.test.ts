// A notice of ours goes where the mail of its owner goes: to the next hop, sealed, from nobody.

import assert from 'node:assert/strict';
import { test } from 'node:test';
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
import { startNextHop } from '../support/nexthop.ts';

const ALICE = 'alice@example.com';

test('a notice is passed on to the next hop of its owner', async (t) => {
  const server = await startNextHop();
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
  const courier = new Courier(loaded.settings, { ...parts, places });
  const mail = { address: ALICE, keys: sealingKeysOf([usable]), text: 'Your key has changed.' };
  assert.equal(await courier.send({ ...mail, mailbox: 'make it' }), 'stored');
  const [taken] = server.taken;
  assert.match(taken?.mail ?? '', /^<> SIZE=\d+$/);
  assert.equal(taken?.rcpt, `<${ALICE}>`);
  const stored = (taken?.message ?? Buffer.alloc(0)).toString('latin1').replaceAll('\r\n', '\n');
  assert.match(stored, /^Delivered-To: alice@example\.com\n/);
  const { plaintext } = await openSealed(Buffer.from(stored, 'latin1'), [key.secret]);
  assert.match(plaintext.toString(), /Your key has changed\./);
});
