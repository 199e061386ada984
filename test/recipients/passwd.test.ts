// The users of this system as recipients: whoever runs the tests is one of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PasswdSource } from '../../src/recipients/passwd.ts';
import { needs } from '../support/peers.ts';

const source = (minUid: number) => new PasswdSource({ domains: ['example.com'], minUid, waitMs: 5000 });

test('a user of the system is a recipient in the domains of the system', needs('getent'), async () => {
  assert.deepEqual(await source(1).find('nobody@example.com'), { address: 'nobody@example.com' });
  assert.equal(await source(1).find('nobody@example.org'), undefined);
  assert.equal(await source(1).find('no-such-user@example.com'), undefined);
});

test('the users of the system itself are none, and never root', needs('getent'), async () => {
  assert.equal(await source(1000).find('daemon@example.com'), undefined);
  assert.equal(await source(1).find('root@example.com'), undefined);
});

test('what is no name of a user is never asked for', needs('getent'), async () => {
  for (const local of [
    '0',
    '65534',
    '-s',
    '--help',
    'a b',
    'nobody\n',
    '../etc',
    '',
    'x'.repeat(10_000),
    '*',
  ])
    assert.equal(await source(1).find(`${local}@example.com`), undefined, local);
});
