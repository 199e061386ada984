// Codes: what is printed is read again however it is typed, and a typing error is never taken for a code.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf, readCode } from '../../src/custody/code.ts';
import { Dice } from '../support/dice.ts';
import { isLong } from '../support/long.ts';
import { seededRandom } from '../support/sealing.ts';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

test('a code has seven groups of four, from letters that are not taken for others, and is always the same', () => {
  assert.equal(codeOf(Buffer.alloc(16)), '0000-0000-0000-0000-0000-0000-0000');
  const codes = Array.from({ length: 200 }, (_, n) => codeOf(seededRandom(`code ${n}`)(16)));
  for (const code of codes) assert.match(code, /^(?:[0-9A-HJKMNP-TV-Z]{4}-){6}[0-9A-HJKMNP-TV-Z]{4}$/);
  assert.equal(new Set(codes).size, codes.length);
  // 128 bits and two that are zero, in 26 characters
  assert.match(codeOf(Buffer.alloc(16, 0xff)), /^(ZZZZ-){6}ZW/);
  assert.throws(() => codeOf(Buffer.alloc(15)), RangeError);
});

const CASES = isLong ? 50_000 : 500;

test('it is read in any case, with blanks and dashes of any kind, and O, I and L for 0 and 1', () => {
  const dice = new Dice('typing');
  for (let n = 0; n < CASES; n++) {
    const code = codeOf(seededRandom(`typed ${n}`)(16));
    const between = dice.pick(['', ' ', '-', '\u2013', '\u00a0', '. ']);
    const ones = dice.pick(['1', 'I', 'L', 'l']);
    const typed = code
      .replaceAll('-', between)
      .replaceAll('1', ones)
      .replaceAll('0', dice.pick(['0', 'O', 'o']));
    const inCase = dice.below(2) === 0 ? typed : typed.toLowerCase();
    assert.deepEqual(readCode(` ${inCase} `), { kind: 'code', code });
  }
});

test('one or two wrong characters, and two that changed places, are always a typing error', () => {
  const dice = new Dice('errors');
  for (let n = 0; n < CASES; n++) {
    const code = codeOf(seededRandom(`wrong ${n}`)(16)).replaceAll('-', '');
    const [at, other] = [dice.below(28), dice.below(28)];
    const [replaced, swapped] = [[...code], [...code]];
    replaced[at] = `${ALPHABET}U`.charAt(dice.below(33));
    replaced[other] = ALPHABET.charAt(dice.below(32));
    swapped[at] = code.charAt(other);
    swapped[other] = code.charAt(at);
    for (const typed of [replaced.join(''), swapped.join('')])
      assert.equal(readCode(typed).kind, typed === code ? 'code' : 'mistyped', `${code} ${typed}`);
  }
});

test('every single wrong character of a code is found', () => {
  const code = codeOf(seededRandom('all')(16)).replaceAll('-', '');
  for (let at = 0; at < code.length; at++)
    for (const letter of ALPHABET)
      if (letter !== code[at])
        assert.equal(readCode(code.slice(0, at) + letter + code.slice(at + 1)).kind, 'mistyped');
});

test('of all else that has its form, one in four thousand is a code', () => {
  const random = seededRandom('forms');
  let codes = 0;
  for (let n = 0; n < 20_000; n++) {
    const text = Array.from(random(28), (byte) => ALPHABET.charAt(byte & 31)).join('');
    if (readCode(text).kind === 'code') codes++;
  }
  assert.ok(codes > 0 && codes < 20, `${codes}`);
});

test('a password is no code, and not taken for one with a typing error', () => {
  for (const text of [
    '',
    'correct horse battery staple',
    '0000',
    'ä'.repeat(28),
    '!'.repeat(28),
    'A'.repeat(27),
  ])
    assert.equal(readCode(text).kind, 'other', text);
});
