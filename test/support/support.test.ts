// The promises of the test support that need no foreign program.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openCorpus } from './corpus.ts';
import { FIXTURES } from './fixtures.ts';
import { isLong, shortOf, spread } from './long.ts';
import { documented } from './matrix.ts';
import { compactTable } from './matrixinshort.ts';
import { run, start } from './process.ts';
import { repositoryRoot } from './shared.ts';
import { startService } from './supervise.ts';
import { until } from './until.ts';
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

test('a file whose test fails stops what it has started, and ends', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  try {
    const support = JSON.stringify(join(repositoryRoot(), 'dist/test/support/process.js'));
    const code = `import { test } from 'node:test';
      import { start } from ${support};
      test('x', async () => {
        const { pid } = await start('sleep', ['1000'], { ready: () => true });
        throw new Error(\`started \${pid}.\`);
      });`;
    await writeFile(join(directory, 'x.test.mjs'), code);
    // without this variable it is a run of its own, and no part of this one
    const command = ['-u', 'NODE_TEST_CONTEXT', process.execPath, '--test', join(directory, 'x.test.mjs')];
    const failed = await run('env', command, { timeoutMs: 30_000 });
    assert.equal(failed.code, 1);
    const [, pid] = /started (\d+)\./.exec(failed.stdout.toString()) ?? [];
    assert.throws(() => process.kill(Number(pid), 0), { code: 'ESRCH' });
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('what a supervised program prints never divides a line of its supervisor', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  const tell = `import os, socket
told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for _ in range(300):
    told.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])
`;
  const print = 'while :; do echo x; done & python3 -c "$1"; kill $!; echo over; exec sleep 1000';
  const service = { sockets: [], notify: join(directory, 'notify') };
  const env = { PYTHONUNBUFFERED: '1' };
  const supervised = await startService(service, [], ['sh', '-c', print, 'sh', tell], env);
  try {
    await until('it is over', () => supervised.output().includes('over'));
    await until('all 300 are told', () => supervised.told('READY=1') === 300);
  } finally {
    await supervised.stop();
    await rm(directory, { recursive: true });
  }
});

test('a table in short has each row, column and outcome of the document, and each column leads to its test', () => {
  for (const table of ['servers', 'openpgp', 'clients'] as const) {
    const cells = documented(table);
    const lines = compactTable(table).split('\n');
    assert.ok(cells.length > 40 && lines.length < cells.length);
    for (const { row, column, outcome, file } of cells) {
      const [name = '', client = ''] =
        table === 'servers' ? [row, column] : [row, column.replace(/, .*/, '')];
      const told = lines.filter((line) =>
        line.includes(table === 'openpgp' ? name.replace(/,.*/, '') : name),
      );
      assert.ok(
        told.some((line) => line.includes(outcome)),
        `${row}: ${outcome}`,
      );
      assert.ok(
        lines.some((line) => line.includes(`[${client}](test/peers/${file})`)),
        column,
      );
    }
  }
});

function isWireForm(bytes: Buffer): boolean {
  return bytes.length === 0 || bytes.subarray(-2).equals(Buffer.from('\r\n'));
}

test('the short form of a table is spread evenly, and always the same; the long one is all of it', () => {
  const table = Array.from({ length: 10 }, (_, n) => n);
  assert.deepEqual(spread(table, 3), [0, 3, 6]);
  assert.deepEqual(spread(table, 10), table);
  assert.deepEqual(spread(table, 11), table);
  assert.deepEqual(spread([], 3), []);
  for (let count = 1; count <= 10; count++) assert.equal(spread(table, count).length, count);
  assert.deepEqual(shortOf(table, 3), isLong ? table : [0, 3, 6]);
});
