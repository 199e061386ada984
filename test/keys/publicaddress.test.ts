// Addresses that a stranger's name server must not make Sealdir connect to.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPublicAddress } from '../../src/keys/publicaddress.ts';

test('addresses of private networks, of this machine and of special purposes are not public', () => {
  for (const address of [
    ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254', '172.16.0.1'],
    ...[
      '172.31.255.255',
      '192.0.0.8',
      '192.168.1.1',
      '198.18.0.1',
      '203.0.113.1',
      '224.0.0.1',
      '255.255.255.255',
    ],
    ...['::', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:8.8.8.8', 'fe80::1', 'fc00::1', 'fd12::1'],
    ...['ff02::1', '64:ff9b::7f00:1', '2002:7f00:1::', '2001::1', '2001:db8::1', 'fec0::1'],
  ])
    assert.equal(isPublicAddress(address), false, address);
});

test('addresses of the Internet are public', () => {
  for (const address of [
    '8.8.8.8',
    '172.15.0.1',
    '172.32.0.1',
    '100.128.0.1',
    '2a00:1450::1',
    '2606:4700::1111',
  ])
    assert.equal(isPublicAddress(address), true, address);
});
