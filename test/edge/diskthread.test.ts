// A disk thread that ends: its job fails, and the next one has a new thread. In a process it happens out of memory, or by
// a bug; here by a job that is none, which it does not expect.

import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { replyOf, whyOfDiskError } from '../../src/core/outcome.ts';
import { DiskThread, type Job } from '../../src/edge/diskthread.ts';

const NO_JOB = undefined as unknown as Job;

test('F15: a disk thread that ends fails its job, and the jobs after it are done by a new one', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-thread-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const thread = new DiskThread();
  const write = (name: string) =>
    thread.perform({ kind: 'writeWhole', path: join(root, name), mode: 0o600, bytes: 3 }, [
      Buffer.from('abc'),
    ]);
  for (const name of ['a', 'b', 'c']) {
    const error = await thread.perform(NO_JOB)?.catch((reason: unknown) => reason);
    assert.ok(error instanceof SyntaxError);
    const { code, enhanced } = replyOf(whyOfDiskError(error));
    assert.equal(`${code} ${enhanced}`, '451 4.3.0');
    // at once, while the end of the old thread is still to be told
    assert.equal(typeof (await write(name)), 'number');
    assert.equal(typeof (await thread.perform({ kind: 'syncDirectory', path: root })), 'number');
  }
  assert.deepEqual(await readdir(root), ['a', 'b', 'c']);
});
