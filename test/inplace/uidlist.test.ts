// Dovecot's list of UIDs as text: which lines change, and how.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namesLost, withNames } from '../../src/inplace/uidlist.ts';

const HEADER = '3 V1000 N30 Gabcdef\n';

test('a line gets the new base name, loses sizes, and keeps id and POP3 UIDL of before', () => {
  const lines = ['1 :a,S=1', '2 W30 S20 :b', '3 P Gid :c,S=3', '4 Puidl :d,S=4', '5 :e,S=5'];
  const renamed = new Map([
    ['a,S=1', 'a,S=9'],
    ['b', 'b'],
    ['c,S=3', 'c,S=9'],
    ['d,S=4', 'd,S=9'],
  ]);
  assert.equal(
    withNames(`${HEADER}${lines.join('\n')}\n`, renamed),
    `${HEADER}1 Ga,S=1 :a,S=9\n2 :b\n3 Pc,S=3 Gid :c,S=9\n4 Puidl Gd,S=4 :d,S=9\n5 :e,S=5\n`,
  );
});

test('a base name with a blank gives no id, which would be two fields', () => {
  assert.equal(
    withNames(`${HEADER}1 :a b,S=1\n`, new Map([['a b,S=1', 'a b,S=2']])),
    `${HEADER}1 :a b,S=2\n`,
  );
});

test('a name is lost if it is in no directory and another that differs in sizes alone is in no line', () => {
  const list = `${HEADER}1 :a,S=1,W=2\n2 :b,S=1\n3 :gone,S=4\n4 :c,S=1\n`;
  const names = ['a,S=7,W=8:2,S', 'b,S=1:2,', 'new,S=3', 'c,S=1:2,F', 'c,S=2:2,F'];
  assert.deepEqual([...namesLost(list, names)], [['a,S=1,W=2', 'a,S=7,W=8']]);
});
