// The names that folders may have, and their directories: those that Dovecot gives them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BadFolder, folderDirectory } from '../../src/core/foldername.ts';

test('a folder is a directory with its levels between dots, and INBOX is the Maildir itself', () => {
  const directories: Record<string, string> = {
    Junk: '.Junk',
    'Lists.sealdir': '.Lists.sealdir',
    'Lists/sealdir': '.Lists.sealdir',
    'My Mail': '.My Mail',
    "O'Reilly & Söhne": ".O'Reilly &- S&APY-hne",
    'Gelöschte Elemente': '.Gel&APY-schte Elemente',
    台北: '.&U,BTFw-',
    '💌': '.&2D3cjA-',
    INBOX: '',
    Inbox: '',
  };
  for (const [name, directory] of Object.entries(directories))
    assert.equal(folderDirectory(name, 'utf-7'), directory, name);
});

test('with UTF-8 on disk a name is its directory, and one that is composed is the same as one that is not', () => {
  assert.equal(folderDirectory('Gelöscht & weg', 'utf-8'), '.Gelöscht & weg');
  assert.equal(folderDirectory('Gelo\u0308scht', 'utf-8'), '.Gel\u00f6scht');
});

const bad: Record<string, readonly string[]> = {
  'nothing before, after or between': ['', '.', 'a..b', '.a', 'a.', '/a', 'a/', '../x', '..', 'a/../b'],
  'a blank at an end': [' a', 'a ', 'a. b'],
  'a character that cannot be seen': [
    'a\u0000',
    'a\nb',
    'a\u007f',
    'a\u200bb',
    'a\u202eb',
    '\ud800',
    'a\u2028b',
  ],
  'means something else': ['a*', '%', 'a"b', 'a\\b', '~alice', '#shared.a', 'a.~b'],
  'Maildirs use themselves': ['cur', 'a.new', 'TMP'],
  'begins with INBOX': ['INBOX.Junk', 'inbox/a'],
  'more than 10 levels': ['a.a.a.a.a.a.a.a.a.a.a'],
  'more than 200 bytes': ['a'.repeat(200), 'ö'.repeat(80)],
};
for (const [why, names] of Object.entries(bad)) {
  test(`a name that has or is this is no folder's: ${why}`, () => {
    for (const name of names)
      assert.throws(
        () => folderDirectory(name, 'utf-7'),
        (error) => error instanceof BadFolder && error.message.includes(why),
        JSON.stringify(name),
      );
  });
}

test('no text at all makes a path of more than one directory, or one that is hidden from IMAP', () => {
  for (let code = 0; code < 0x3000; code++) {
    for (const name of [String.fromCharCode(code), `a${String.fromCharCode(code)}b`]) {
      let directory: string;
      try {
        directory = folderDirectory(name, 'utf-8');
      } catch {
        continue;
      }
      // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be in a name
      assert.match(directory, /^(\.[^./\x00-\x1f]+)+$/, JSON.stringify(name));
    }
  }
});
