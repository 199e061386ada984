// The estimate of a password: a table of those that will do, and of those that will not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf } from '../../src/custody/code.ts';
import { bitsOf, LEAST_BITS, weaknessOf } from '../../src/custody/strength.ts';

const ADDRESS = 'alice.miller@kleinstadt.example';

const WEAK = [
  '',
  'a',
  'password',
  'P@ssw0rd2024!',
  'Tr0ub4dor&3',
  'correct horse battery staple',
  'correcthorsebatterystaple',
  '12345678901234567890',
  'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  'abcabcabcabcabcabcabcabcabcabc',
  'qwertyuiopasdfghjklzxcvbnm',
  'qwertzuiop1234567890',
  'Summer2025!Summer2025!',
  'alicemiller1987kleinstadt',
  'AliceMillerKleinstadtExample2026',
  'letmein-welcome-sunshine-2020',
  'x7!Kq9',
  'hello hello hello hello hello',
  '1qaz2wsx3edc4rfv5tgb6yhn',
  'December-November-October-1999',
  'ecoqjlemwt',
  'YwvlvTFZ',
  '31415926535897932384',
  '14.07.1985-20.11.1990',
  '+49 (30) 901820-23 24 25',
  'https://www.google.com/search',
];

const STRONG = [
  'gravel pocket lantern whistle oyster',
  'Kieselstein-Hosentasche-Laterne-Pfeife',
  'vK9#mQ2$xR7!pL4t',
  'x7Kq9mZp2LwB4tRv8sNc',
  '113XtXQjfizRN36O',
  'rjBRQnduhmVkvnarlwuW',
  'tcihuqaywmwpwjdizcex',
  'mein Hund bellt nur, wenn der Mond blau ist',
  '8203 1729 4926 5810 3974 6052 9418 30',
  'żółta gęś śpiewa pod mostem o świcie',
];

for (const password of WEAK)
  test(`"${password}" is too weak, and the reason says what would do`, () => {
    assert.match(weaknessOf(password, ADDRESS) ?? '', /^some 2\^\d+ guesses .* a code$/);
  });

for (const password of STRONG)
  test(`"${password}" will do`, () => {
    assert.equal(weaknessOf(password, ADDRESS), undefined);
    assert.ok(bitsOf(password, ADDRESS) < 128, 'nobody is told that it is as good as a code');
  });

test('a word of the address counts for next to nothing, and as a word elsewhere', () => {
  assert.ok(bitsOf('kleinstadt gravel', ADDRESS) + 8 < bitsOf('kleinstadt gravel', 'bob@example.org'));
});

test('more of the same is no better', () => {
  const once = bitsOf('gravel pocket ', ADDRESS);
  assert.ok(bitsOf('gravel pocket '.repeat(4), ADDRESS) < once + LEAST_BITS / 4);
});

test('what has the form of a code is refused as a password: it would be read as a code', () => {
  const code = codeOf(Buffer.alloc(16, 7));
  assert.match(weaknessOf(code, ADDRESS) ?? '', /form of a code/);
  assert.doesNotMatch(weaknessOf('gravel pocket lantern whistle up', ADDRESS) ?? '', /form of a code/);
  // with other check symbols it is read as a password, and may be one
  assert.doesNotMatch(weaknessOf(`${code.slice(0, -1)}0`, ADDRESS) ?? '', /form of a code/);
});

test('a text that is no password at all is refused without long work', () => {
  assert.match(weaknessOf('ab1!'.repeat(5000), ADDRESS) ?? '', /more than 256 characters/);
});
