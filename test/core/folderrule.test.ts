// Rules for folders: what is one, and what is said of what is none.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foldedText, parseFolderRule, passes } from '../../src/core/folderrule.ts';

function ruleOf(text: string) {
  const rule = parseFolderRule(text);
  if ('problem' in rule) throw new Error(rule.problem);
  return rule;
}

test('a rule has a subject, a test, a value and a folder', () => {
  assert.deepEqual(parseFolderRule('header X-Spam-Flag is YES -> Junk'), {
    text: 'header X-Spam-Flag is YES -> Junk',
    owner: undefined,
    subject: { what: 'header', field: 'x-spam-flag' },
    test: 'is',
    value: 'yes',
    folder: 'Junk',
  });
  assert.deepEqual(ruleOf('sender ends @Shop.example -> Shopping').value, '@shop.example');
  assert.deepEqual(ruleOf('  detail   exists -> Lists.{detail} ').folder, 'Lists.{detail}');
  assert.deepEqual(ruleOf('sender is <> -> Bounces').value, '');
  assert.deepEqual(ruleOf('header Subject contains a -> b -> C').value, 'a -> b');
  assert.deepEqual(ruleOf('HEADER list-id CONTAINS Größe -> Lists').value, 'größe');
});

test('a rule may be for an account or a domain alone', () => {
  assert.deepEqual(ruleOf('for Alice@Example.com: detail exists -> A').owner, {
    local: 'Alice',
    domain: 'Example.com',
  });
  assert.deepEqual(ruleOf('for @example.com: detail exists -> A').owner, {
    local: '',
    domain: 'example.com',
  });
});

const bad: Record<string, string> = {
  '': 'has no " -> "',
  'header Subject is x': 'has no " -> "',
  'Subject is x -> A': 'begins with none of',
  'header Subject -> A': 'begins with none of',
  'header Subject: is x -> A': 'without a colon',
  'header Subject matches x -> A': '"matches" is none of is, contains, begins, ends, exists',
  'header Subject is -> A': '"is" needs a value',
  'header Subject exists x -> A': 'stands alone',
  'sender contains <> -> A': '"contains" needs a value',
  'header Date is x -> A': 'is a time',
  'for alice: detail exists -> A': 'neither an address',
  'for @: detail exists -> A': 'neither an address',
  'for @a_b..c: detail exists -> A': 'neither an address',
  'detail exists -> ../../etc': 'is no name of a folder',
  'detail exists -> INBOX.A': 'begins with INBOX',
  'detail exists -> {local}': 'only {detail} is known',
  'detail exists -> A{detail': 'only {detail} is known',
};
for (const [text, problem] of Object.entries(bad)) {
  test(`"${text}" is no rule: ${problem}`, () => {
    const rule = parseFolderRule(text);
    assert.ok('problem' in rule && rule.problem.includes(problem), JSON.stringify(rule));
  });
}

test('tests compare texts without their case, and any of several values counts', () => {
  const passed = (test: string, ...values: string[]) =>
    passes(ruleOf(`header X ${test} -> A`), values.map(foldedText));
  assert.ok(passed('is YES', 'no', 'Yes'));
  assert.ok(!passed('is YES', 'yes!'));
  assert.ok(passed('contains es', 'YES') && !passed('contains es', 'no'));
  assert.ok(passed('begins *****', '******') && !passed('begins *****', '****'));
  assert.ok(passed('ends .example', 'a@B.EXAMPLE') && !passed('ends .example', 'a@b.example.org'));
  assert.ok(passed('exists', '') && !passed('exists'));
  assert.ok(passed('is GRÖSSE', 'gro\u0308sse'));
  assert.ok(!passed('is YES') && !passed('contains x'));
});
