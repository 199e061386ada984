// Which recipients are behind which next hop, and by which address it knows them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../src/core/address.ts';
import { UNMETERED } from '../../src/core/meter.ts';
import { type NextHop, parseNextHop } from '../../src/core/nexthop.ts';
import { ownPathOf } from '../../src/delivery/resolve.ts';
import { Hops } from '../../src/forward/hops.ts';
import { recipientOf } from '../../src/recipients/answer.ts';

const SAME = { localCase: 'ignore', defaultDomain: 'mx.example.com' } as const;
const hopOf = (text: string) => parseNextHop(text) as NextHop;
const ALICE = 'alice@example.com';

test('a recipient source says where the mail of a recipient goes, else the site says it', () => {
  const site = hopOf('lmtp:unix:/run/site');
  const options = { host: 'mx', ca: undefined, plainBeyondLoopback: false, connections: 1, meter: UNMETERED };
  const hops = new Hops({ ...options, hop: site, fault: () => undefined });
  const none = new Hops({ ...options, hop: undefined, fault: () => undefined });
  const said = (forward?: string) =>
    recipientOf([{ account: ALICE, forward }], ALICE, SAME) ?? { address: '' };
  const other = 'lmtps:inet:store.example.com:24';
  assert.equal(hops.placeOf(said())?.store.nextHop, 'lmtp:unix:/run/site');
  assert.equal(hops.placeOf(said(other))?.store.nextHop, other);
  assert.equal(hops.placeOf(said('off')), undefined);
  assert.equal(none.placeOf(said()), undefined);
  assert.equal(none.placeOf(said(other))?.mailbox, `${other}/${ALICE}`);
  assert.equal(
    none.placeOf(said(other))?.store,
    none.placeOf(said(other))?.store,
    'with the same connections',
  );
  assert.throws(() => said('store.example.com'), /a bad forward: "store\.example\.com"/);
});

test('it knows an account by its own address and the detail that was sent, whatever the alias', () => {
  const path = (sent: string, account: string) => {
    const address = parseAddress(sent);
    assert.ok(address !== undefined);
    return ownPathOf({ address, path: sent }, account, { same: SAME, delimiters: '+' });
  };
  assert.equal(path('Alice@EXAMPLE.com', ALICE), ALICE);
  assert.equal(path('Alice+Lists@example.com', ALICE), 'alice+Lists@example.com');
  assert.equal(path('info@example.com', ALICE), ALICE);
  assert.equal(path('info+x@example.com', ALICE), ALICE);
  assert.equal(path('alice', 'alice@mx.example.com'), 'alice@mx.example.com');
  assert.equal(path('anybody@example.com', '@example.com'), 'anybody@example.com');
  assert.equal(path('anybody', '@mx.example.com'), 'anybody@mx.example.com');
  assert.equal(path('a@bücher.example', 'a@xn--bcher-kva.example'), 'a@xn--bcher-kva.example');
  assert.equal(path('"a b"@example.com', 'a b@example.com'), '"a b"@example.com');
  assert.equal(path('"a\\"b"@example.com', 'a"b@example.com'), '"a\\"b"@example.com');
});
