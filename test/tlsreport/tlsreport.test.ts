// The counts of a server on disk: across restarts, and whatever lies in their place.

import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Row } from '../../src/tlsreport/counts.ts';
import { readReport } from '../../src/tlsreport/reportfile.ts';
import { TlsReport } from '../../src/tlsreport/tlsreport.ts';
import { run } from '../support/process.ts';

const NOW = Date.parse('2026-11-29T05:00:00Z');
const DAY = 24 * 60 * 60 * 1000;
const ROW: Row = { domain: 'a.example', version: 'none', cipher: 'none', count: 1, last: NOW };

async function site(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const faults: string[] = [];
  const at = (now: number) =>
    TlsReport.open({
      directory,
      world: { now: () => now },
      fault: (error) => faults.push((error as Error).message),
    });
  return { directory, faults, open: (now = NOW) => at(now), file: join(directory, 'tls-report') };
}

test('what was counted is there after a restart, for the owner only, and goes on', async (t) => {
  const { directory, open, file, faults } = await site(t);
  for (let n = 0; n < 3; n++) {
    const report = await open(NOW + n);
    report.add([ROW, { ...ROW, domain: 'b.example' }]);
    await report.stop();
  }
  assert.deepEqual(await readReport(directory), {
    since: NOW,
    rows: [
      { ...ROW, count: 3 },
      { ...ROW, domain: 'b.example', count: 3 },
    ],
  });
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(directory), ['tls-report']);
  assert.deepEqual(faults, []);
});

test('what was last seen 90 days ago is forgotten', async (t) => {
  const { directory, open } = await site(t);
  const report = await open();
  report.add([ROW, { ...ROW, domain: 'b.example', last: NOW + 10 * DAY }]);
  await report.stop();
  const later = await open(NOW + 91 * DAY);
  later.add([{ ...ROW, domain: 'c.example', last: NOW + 91 * DAY }]);
  await later.stop();
  const domains = (await readReport(directory))?.rows.map(({ domain }) => domain);
  assert.deepEqual(domains, ['b.example', 'c.example']);
});

for (const [name, text] of [
  ['cut off', '{"format":1,"since":"2026-11-29T05:00:00.000Z","rows":[\n{"domain":"a'],
  ['empty', ''],
  ['of another format', '{"format":2,"since":"2026-11-29T05:00:00.000Z","rows":[]}'],
  ['null', 'null'],
  ['with a row that makes no sense', '{"format":1,"since":"2026-11-29T05:00:00.000Z","rows":[{"domain":1}]}'],
  [
    'with a negative count',
    '{"format":1,"since":"2026-11-29T05:00:00.000Z","rows":[{"domain":"a","version":"none","cipher":"none","count":-1,"last":"2026-11-29T05:00:00.000Z"}]}',
  ],
  ['of NULs, as a power cut leaves it', '\0'.repeat(4096)],
] as const)
  test(`a file ${name} is set aside with one line, and counting begins anew`, async (t) => {
    const { directory, open, file, faults } = await site(t);
    await writeFile(file, text);
    const report = await open();
    assert.deepEqual(faults, [`${file} is damaged`]);
    assert.equal(await readFile(`${file}.damaged`, 'utf8'), text);
    report.add([ROW]);
    await report.stop();
    assert.deepEqual((await readReport(directory))?.rows, [ROW]);
  });

test('a FIFO, a link or a directory in its place holds nobody up, and no link is followed', async (t) => {
  for (const plant of [
    async (path: string) => void (await run('mkfifo', [path])),
    (path: string) => symlink('/etc/passwd', path),
    (path: string) => mkdir(path),
  ]) {
    const { directory, open, file, faults } = await site(t);
    await plant(file);
    await plant(`${file}.draft`).catch(() => {});
    const report = await open();
    assert.equal(faults.length, 1);
    assert.match(faults[0] ?? '', /is no (?:regular file|report)$/);
    report.add([ROW]);
    await report.stop();
    const isDirectory = (await stat(`${file}.damaged`)).isDirectory();
    if (!isDirectory) assert.deepEqual((await readReport(directory))?.rows, [ROW]);
    assert.ok((await readFile('/etc/passwd', 'utf8')).startsWith('root'));
  }
});

test('a directory that cannot be written is told once, and nothing is lost', async (t) => {
  const { directory, open, faults } = await site(t);
  const report = await open();
  await rm(directory, { recursive: true });
  for (let n = 0; n < 3; n++) {
    report.add([ROW]);
    await report.stop();
  }
  assert.equal(faults.length, 1);
  await mkdir(directory);
  await chmod(directory, 0o700);
  report.add([ROW]);
  await report.stop();
  assert.deepEqual((await readReport(directory))?.rows, [{ ...ROW, count: 4 }]);
});

test('without a directory nothing is written', async () => {
  const report = await TlsReport.open({
    directory: undefined,
    world: { now: () => NOW },
    fault: (error) => assert.fail(String(error)),
  });
  report.add([ROW]);
  await report.stop();
});
