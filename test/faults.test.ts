// The table of faults in src/README.md and the tests of faults must agree: each row has tests, each test of a
// fault has a row, and each reply in the table is one of Sealdir's and occurs in a test of its row.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { allReplies } from '../src/core/outcome.ts';
import { repositoryRoot } from './support/shared.ts';

const root = repositoryRoot();
const [, section = ''] =
  /## Faults\n([\s\S]*?)\n## /.exec(readFileSync(join(root, 'src/README.md'), 'utf8')) ?? [];
const quoted = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);
const rows = [...section.matchAll(/^\| (F\d+) \|(.*)\|$/gm)].map(([, id = '', rest = '']) => {
  const [, , reply = '', onDisk = '', tests = ''] = rest.split('|');
  return { id, replies: quoted(reply), onDisk, files: quoted(tests) };
});

const source = (file: string) => readFileSync(join(root, 'test', `${file}.test.ts`), 'utf8');
/** The titles that begin with the number of a row, as `F1 delivery/faults`. */
const tested = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.test.ts'))
  .map((path) => path.slice(0, -'.test.ts'.length))
  .flatMap((file) =>
    [...source(file).matchAll(/test(?:Long)?\(\s*['"`](F\d+): /g)].map(([, id = '']) => `${id} ${file}`),
  );

test('every row of the table of faults names the files of its tests, and every such test is in its row', () => {
  assert.ok(rows.length > 10);
  const named = rows.flatMap(({ id, files }) => files.map((file) => `${id} ${file}`));
  assert.deepEqual(named.sort(), [...new Set(tested)].sort());
  for (const { id, files } of rows) assert.ok(files.length > 0, id);
});

test('the rows are numbered in order, and their states are crash states', () => {
  for (const [n, { id, onDisk }] of rows.entries()) {
    assert.equal(id, `F${n + 1}`);
    assert.match(onDisk, /^ S[1-5]((, | to |; )S[1-5]| once it returns)* $/, id);
  }
});

test('every reply in the table is one of ours and occurs in a test of its row', () => {
  const ours = allReplies().map(({ code, enhanced }) => `${code} ${enhanced}`);
  for (const { id, replies, files } of rows) {
    assert.ok(replies.length > 0, id);
    if (replies.join() === '-') continue;
    const tests = files.map((file) => source(file).replaceAll('\\.', '.')).join();
    for (const reply of replies) {
      assert.ok(ours.includes(reply), `${id}: ${reply}`);
      assert.ok(tests.includes(reply), `${id}: no test speaks of ${reply}`);
    }
  }
});
