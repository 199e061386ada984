// Names of keys in a web key directory, compared with the draft and with the programs that make such trees.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { wkdHash } from '../../src/keys/wkdhash.ts';
import { Dice } from '../support/dice.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { needsWksClient, WKS_CLIENT } from '../support/wkd.ts';

// sq lowers the letters of all scripts, the draft those of ASCII only
const SOME = [
  'a',
  'Joe.Doe',
  'JOE.DOE',
  "o'brien",
  'a=b{c}',
  'bücher',
  'ärger',
  'x'.repeat(64),
  '日本',
] as const;

test('the name for Joe.Doe is that of the draft, whatever the case of its letters', () => {
  assert.equal(wkdHash('Joe.Doe'), 'iy9q119eutrkn8s1mk4r39qejnbu3n5q');
  assert.equal(wkdHash('joe.doe'), wkdHash('JOE.DOE'));
  assert.notEqual(wkdHash('joe.doe'), wkdHash('joedoe'));
});

test('letters outside of ASCII keep their case', () => {
  assert.notEqual(wkdHash('ä'), wkdHash('Ä'));
  assert.notEqual(wkdHash('k'), wkdHash('\u212a')); // the sign of Kelvin, k in lower case
});

describe('as others name them', () => {
  test('sq names the same files', needs('sq'), async () => {
    for (const local of SOME) {
      const { code, stdout } = await run('sq', ['wkd', 'url', `${local}@example.org`]);
      if (code !== 0) continue; // it takes no such address
      assert.ok(stdout.toString().includes(`/hu/${wkdHash(local)}?`), `${local}: ${stdout}`);
    }
  });

  test('gpg-wks-client names the same files', needsWksClient(), async () => {
    const dice = new Dice('names');
    const random = Array.from({ length: 20 }, () =>
      Array.from({ length: 1 + dice.below(20) }, () => dice.pick(['a', 'K', 'z', '7', '_', '+'])).join(''),
    );
    for (const local of ['Joe.Doe', ...random]) {
      const { stdout } = await run(WKS_CLIENT, ['--print-wkd-hash', `${local}@example.org`]);
      assert.equal(stdout.toString().split(/\s/)[0], wkdHash(local));
    }
  });
});
