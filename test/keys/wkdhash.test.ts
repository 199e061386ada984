import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wkdHash } from '../../src/keys/wkdhash.ts';

test('the hash of the example in the draft is as it has it, in any case', () => {
  // draft-koch-openpgp-webkey-service §3.1
  assert.equal(wkdHash('Joe.Doe'), 'iy9q119eutrkn8s1mk4r39qejnbu3n5q');
  assert.equal(wkdHash('joe.doe'), 'iy9q119eutrkn8s1mk4r39qejnbu3n5q');
});

test('letters that are not ASCII are hashed as they are', () => {
  assert.notEqual(wkdHash('É'), wkdHash('é'));
  assert.match(wkdHash('é'), /^[a-z1-9]{32}$/);
});
