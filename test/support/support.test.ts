// The promises of the test support that need no foreign program.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCorpus } from './corpus.ts';
import { FIXTURES } from './fixtures.ts';
import { run, start } from './process.ts';
import { dotStuff, toWireForm } from './wireform.ts';

const corpus = openCorpus();

test('every fixture is in wire form and has a name of its own', () => {
  assert.equal(new Set(FIXTURES.map(({ name }) => name)).size, FIXTURES.length);
  for (const { name, bytes } of FIXTURES) assert.ok(isWireForm(bytes), name);
});

test('every message of the corpus ends in CRLF and has no mbox line', { skip: corpus.skip }, () => {
  assert.equal(corpus.messages.length, 1188);
  for (const message of corpus.messages) {
    const bytes = message.wire();
    assert.ok(isWireForm(bytes), message.name);
    assert.ok(!bytes.subarray(0, 5).equals(Buffer.from('From ')), message.name);
  }
});

test('wire form and dot-stuffing change only what they must', () => {
  assert.equal(toWireForm(Buffer.from('From a\n.b\rc\n\nd')).toString(), '.b\rc\r\n\r\nd\r\n');
  assert.equal(toWireForm(Buffer.from('a\nb\r\nc\n')).toString(), 'a\nb\r\nc\n\r\n');
  assert.equal(dotStuff(Buffer.from('.\r\n..\r\na\n.b\r\n.')).toString(), '..\r\n...\r\na\n.b\r\n..');
});

test('a program that ignores TERM is killed, and so are its children', async () => {
  const script = 'trap "" TERM; sleep 1000 & echo up; while :; do wait; done';
  const stubborn = await start('sh', ['-c', script], {
    ready: (output) => output.includes('up'),
    graceMs: 50,
  });
  assert.equal(await stubborn.stop(), 137);
  assert.equal(await stubborn.stop(), 137);
});

test('the error of a program that cannot start holds its output', async () => {
  await assert.rejects(
    start('sh', ['-c', 'echo no such luck; exit 3'], { ready: () => false }),
    /no such luck/,
  );
  await assert.rejects(run('sleep', ['1000'], { timeoutMs: 50 }), /did not end within 50 ms/);
});

function isWireForm(bytes: Buffer): boolean {
  return bytes.length === 0 || bytes.subarray(-2).equals(Buffer.from('\r\n'));
}
