import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readToml } from '../../src/config/toml.ts';

function lineIn(text: string, ...path: string[]): number {
  const toml = readToml(text);
  assert.ok(toml.ok, text);
  return toml.lineOf(path);
}

test('keys are found under their tables, dotted or not', () => {
  const text = 'top = 1\n[a]\nx = 1\nb.y = 2\n\n[ a . c ]\nz = 3\n[d.e]\n';
  assert.equal(lineIn(text, 'top'), 1);
  assert.equal(lineIn(text, 'a'), 2);
  assert.equal(lineIn(text, 'a', 'x'), 3);
  assert.equal(lineIn(text, 'a', 'b'), 4);
  assert.equal(lineIn(text, 'a', 'b', 'y'), 4);
  assert.equal(lineIn(text, 'a', 'c', 'z'), 7);
  assert.equal(lineIn(text, 'd'), 8);
});

test('quoted keys are found by what they mean', () => {
  const text = '"a.b" = 1\n\'c"]\' = 2\n["d \\u0065 #"]\n"\\"=" = 3\n';
  assert.equal(lineIn(text, 'a.b'), 1);
  assert.equal(lineIn(text, 'c"]'), 2);
  assert.equal(lineIn(text, 'd e #', '"='), 4);
});

test('what looks like a key inside of strings, arrays and comments is none', () => {
  const text = `# x = 1
a = """
x = 2
[t]
\\"""
"""""
b = [ # x = 3 ]
  "x = 4 ]", '''
x = 5'''  ,
]
x = 'y = 6\\' # x = 7
`;
  assert.equal(lineIn(text, 'a'), 2);
  assert.equal(lineIn(text, 'b'), 7);
  assert.equal(lineIn(text, 'x'), 11);
});

test('elements of arrays and keys of inline tables have the line they stand on', () => {
  const text = 'a = [\n  1,\n\n  [2, 3], { x = 1 },\n]\nb = { c = 1, d.e = [ 2,\n 3] }\n';
  assert.equal(lineIn(text, 'a', '0'), 2);
  assert.equal(lineIn(text, 'a', '1'), 4);
  assert.equal(lineIn(text, 'a', '2'), 4);
  assert.equal(lineIn(text, 'b', 'd', 'e'), 6);
});

test('a path that is not in the text has the line of the nearest one around it', () => {
  assert.equal(lineIn('\n[a]\nb = 1\n', 'a', 'b', 'c'), 3);
  assert.equal(lineIn('\n[a]\nb = 1\n', 'a', 'c'), 2);
  assert.equal(lineIn('\n[a]\nb = 1\n', 'z'), 1);
});

test('an array of tables has the line of its first', () => {
  assert.equal(lineIn('\n[[a]]\nx = 1\n[[a]]\nx = 2\n', 'a'), 2);
});

const value = fc.constantFrom(
  '1',
  '1979-05-27 07:32:00 # k1 = 2',
  '"k1 = 2 # \\" ]"',
  "'\\'",
  '""',
  '"""\nk1 = 1\n[t1]\n""""',
  "'''\n]]\n'''''",
  '[]',
  '[1, [ "]", # ]\n 2 ],\n]',
  '{}',
  '{ k1 = "}", "k2".k3 = [\n] } # }',
);
const space = fc.constantFrom('', '\n', '  \r\n', '# k1 = 1\n', '# [t1] """\n\t');
const quote = fc.constantFrom('', '"', "'");

test('every key of a valid file is found on its line', () => {
  const pairs = fc.array(fc.record({ space, quote, value }), { maxLength: 5 });
  const tables = fc.array(fc.record({ space, quote, pairs }), { maxLength: 4 });
  fc.assert(
    fc.property(tables, (model) => {
      let text = '';
      const expected: { path: string[]; line: number }[] = [];
      const note = (...path: string[]) => expected.push({ path, line: text.split('\n').length });
      for (const [t, table] of model.entries()) {
        text += table.space;
        note(`t${t}`);
        text += `[${table.quote}t${t}${table.quote}]\n`;
        for (const [k, pair] of table.pairs.entries()) {
          text += pair.space;
          note(`t${t}`, `k${k}`);
          text += `${pair.quote}k${k}${pair.quote} = ${pair.value}\n`;
        }
      }
      for (const { path, line } of expected) assert.equal(lineIn(text, ...path), line, JSON.stringify(text));
    }),
  );
});
