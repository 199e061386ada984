// An operator's query -> a driver's: what is a parameter, what is none, and that no value is ever text.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileQuery, valuesOf } from '../../src/recipients/query.ts';

const VALUES = valuesOf('alice@example.com');

test('each parameter becomes a placeholder of the driver, with its value in order', () => {
  const written = 'SELECT a FROM t WHERE l = :local AND d = :domain AND (x = :address OR y=:local)';
  const numbered = compileQuery(written, 'numbered');
  assert.equal(numbered.text, 'SELECT a FROM t WHERE l = $1 AND d = $2 AND (x = $3 OR y=$4)');
  assert.deepEqual(numbered.valuesFor(VALUES), ['alice', 'example.com', 'alice@example.com', 'alice']);
  const questions = compileQuery(written, 'questions');
  assert.equal(questions.text, 'SELECT a FROM t WHERE l = ? AND d = ? AND (x = ? OR y=?)');
});

test('what looks like a parameter in a string, a name, a comment or a cast is none', () => {
  for (const text of [
    "':address'",
    "'it''s :address'",
    "'\\' :address'",
    '":address"',
    '`:address`',
    '-- :address\n',
    '/* :address */',
    '$$ :address $$',
    '$tag$ :address $tag$',
    'x::address',
    ':addresses',
    ':other',
  ]) {
    const { text: compiled } = compileQuery(`SELECT ${text}, :address`, 'questions');
    assert.equal(compiled, `SELECT ${text}, ?`);
  }
});

test('a query that asks for nobody is refused', () => {
  assert.throws(() => compileQuery('SELECT 1', 'questions'), /none of :address/);
  assert.throws(() => compileQuery("SELECT ':address'", 'questions'), /none of :address/);
});
