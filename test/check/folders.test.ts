// What `check` says of rules for folders: those that never count, and names that are nearly the same.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkFolders } from '../../src/check/folders.ts';
import { parseSettings } from '../../src/config/load.ts';

function found(rules: readonly string[], more = ''): string[] {
  const text = `${more}[folders]\nrules = ${JSON.stringify(rules)}\n`;
  const loaded = parseSettings(text, 'f', { hostname: 'mx.example.com' });
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.errors[0]?.message);
  return checkFolders(loaded.settings).map(({ level, what }) => `${level} ${what}`);
}

const never: readonly (readonly [string, string])[] = [
  ['header X is a -> A', 'header x IS A -> B'],
  ['header X exists -> A', 'header X contains a -> B'],
  ['header X exists -> A', 'for a@example.com: header X exists -> B'],
  ['header X contains a -> A', 'header X is bab -> B'],
  ['header X contains a -> A', 'header X begins bab -> B'],
  ['header X contains a -> A', 'header X ends bab -> B'],
  ['header X contains a -> A', 'header X contains bab -> B'],
  ['header X begins a -> A', 'header X begins ab -> B'],
  ['sender ends @a.example -> A', 'sender is x@A.example -> B'],
  ['for @example.com: sender ends a -> A', 'for x@EXAMPLE.com: sender ends a -> B'],
];
for (const rules of never) {
  test(`no message comes to the second rule: ${rules.join(', ')}`, () => {
    const [first, second] = rules;
    assert.deepEqual(found(rules), [
      `warning folders.rules: no message comes to "${second}", since "${first}" takes them all`,
    ]);
  });
}

const both: readonly (readonly [string, string])[] = [
  ['header X is a -> A', 'header Y is a -> B'],
  ['header X is a -> A', 'header X contains a -> B'],
  ['header X begins a -> A', 'header X ends ab -> B'],
  ['header X begins a -> A', 'header X contains ab -> B'],
  ['header X contains a -> A', 'header X exists -> B'],
  ['header X contains ab -> A', 'header X contains a -> B'],
  ['for a@example.com: header X exists -> A', 'header X exists -> B'],
  ['for a@example.com: header X exists -> A', 'for b@example.com: header X exists -> B'],
  ['for @a.example: header X exists -> A', 'for x@b.a.example: header X exists -> B'],
  ['detail exists -> L.{detail}', 'detail is a -> A'],
  ['sender is a -> A', 'detail is a -> B'],
];
for (const rules of both) {
  test(`both rules count: ${rules.join(', ')}`, () => {
    assert.deepEqual(found(rules), []);
  });
}

test('folders that differ only in case, and details that lead everywhere, are told', () => {
  assert.deepEqual(found(['header X exists -> Junk', 'header Y exists -> junk', 'header Z exists -> Junk']), [
    'warning folders.rules: Junk and junk are two folders',
  ]);
  assert.match(found(['detail exists -> {detail}']).join(), /^note .* lets senders choose any folder/);
  assert.match(
    found(['detail is a -> A'], '[recipients]\ndelimiter = ""\n').join(),
    /^warning .* no address has a detail$/,
  );
});

test('a rule that is none is an error with its line', () => {
  const text =
    '[folders]\nrules = [\n  "header X is y -> Z",\n  "heder X is y -> Z",\n  "sender is a -> INBOX.b",\n]\n';
  const loaded = parseSettings(text, 'f', { hostname: 'mx.example.com' });
  assert.ok(!loaded.ok);
  assert.deepEqual(
    loaded.errors.map(({ line, message }) => [line, message.replace(/ \(write.*/, '')]),
    [
      [
        4,
        'folders.rules: "heder X is y -> Z" is no rule: begins with none of "header NAME", "sender" and "detail"',
      ],
      [
        5,
        'folders.rules: "sender is a -> INBOX.b" is no rule: "INBOX.b" is no name of a folder: it begins with INBOX: on disk folders stand beside it, so leave it out',
      ],
    ],
  );
});
