// How long wrong logins are held back, and who is taken for somebody who guesses.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Delays } from '../../src/gateway/delays.ts';
import { networkOf, siteOf } from '../../src/gateway/peer.ts';

function delaysAt(start = 0) {
  let now = start;
  const pass = (ms: number) => {
    now += ms;
  };
  return { delays: new Delays({ now: () => now }), pass };
}

test('the same user from many places, and many users from the same one, wait longer and longer', () => {
  const { delays } = delaysAt();
  const fromMany = Array.from({ length: 8 }, (_, n) => delays.wrong(`192.0.2.${n}`, 'a@example.com'));
  assert.deepEqual(fromMany, [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  const ofMany = Array.from({ length: 3 }, (_, n) => delays.wrong('198.51.100.1', `${n}@example.com`));
  assert.deepEqual(ofMany, [250, 500, 1000]);
});

test('a right login of somebody else does not make up for wrong ones', () => {
  const { delays } = delaysAt();
  delays.wrong('192.0.2.1', 'a@example.com');
  delays.right('192.0.2.1', 'own@example.com');
  assert.equal(delays.wrong('192.0.2.1', 'b@example.com'), 500);
});

test('many names do not drive out what is known of a network', () => {
  const { delays } = delaysAt();
  for (let n = 0; n < 20_000; n++) delays.wrong('192.0.2.1', `${n}@example.com`);
  assert.equal(delays.wrong('192.0.2.1', 'one-more@example.com'), 15_000);
});

test('an owner is known where they have logged in before; who was wrong is forgotten in the end', () => {
  const { delays, pass } = delaysAt();
  delays.right('192.0.2.7', 'a@example.com');
  delays.right(undefined, 'b@example.com');
  delays.wrong('198.51.100.1', 'a@example.com');
  const known = (network: string | undefined) =>
    ['a@example.com', 'b@example.com'].map((user) => delays.isKnown(network, user));
  assert.deepEqual(['192.0.2.7', undefined, '198.51.100.1'].map(known), [
    [true, false],
    [false, true],
    [false, false],
  ]);
  assert.equal(delays.isDoubtful('203.0.113.1', 'a@example.com'), true);
  assert.equal(delays.isDoubtful(undefined, 'a@example.com'), true);
  assert.equal(delays.isDoubtful('198.51.100.1', 'b@example.com'), true);
  assert.equal(delays.isDoubtful('203.0.113.1', 'b@example.com'), false);
  pass(15 * 60_000 + 1);
  assert.equal(delays.isDoubtful('203.0.113.1', 'a@example.com'), false);
  assert.equal(delays.wrong('198.51.100.1', 'a@example.com'), 250);
});

test('a network is an IPv4 address or a /64 of IPv6; this machine is none', () => {
  for (const here of ['unix', '::1', '127.0.0.1', '127.3.2.1']) assert.equal(networkOf(here), undefined);
  assert.equal(networkOf('192.0.2.1'), '192.0.2.1');
  const same = ['2001:db8:1:2::1', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::', '2001:db8:1:2:ffff::%eth0'];
  assert.deepEqual(new Set(same.map(networkOf)), new Set(['2001:db8:1:2::/64']));
  assert.equal(networkOf('2001:db8::5'), '2001:db8:0:0::/64');
  assert.notEqual(networkOf('2001:db8:1:3::1'), networkOf('2001:db8:1:2::1'));
  assert.deepEqual(['2001:db8:1:2::/64', '192.0.2.1', undefined].map(siteOf), [
    '2001:db8:1',
    '192.0.2.1',
    '',
  ]);
});
