// Which messages of a folder are sealed now, and which later.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Waiting } from '../../src/folders/due.ts';
import { wantedOf } from '../../src/folders/wanted.ts';
import { Watches } from '../../src/folders/watches.ts';
import { until } from '../support/until.ts';

describe('messages of a folder', () => {
  let path = '';
  let changedMs = 0;

  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'sealdir-'));
    for (const part of ['new', 'cur']) await mkdir(join(path, part));
    for (const name of ['new/1', 'cur/2:2,S', 'cur/3:2,DS', 'cur/.hidden'])
      await writeFile(join(path, name), 'x');
    // its date is old, as of mail that was copied: it counts when it came
    await utimes(join(path, 'new/1'), 1, 1);
    changedMs = (await stat(join(path, 'cur/3:2,DS'))).ctimeMs;
  });
  afterEach(() => rm(path, { recursive: true }));

  function waiting(rest: Partial<Waiting> = {}, directory = '.Sent'): Waiting {
    const place = { address: 'a@example.com', mailbox: '/m', name: 'x', directory, path };
    return { place, names: undefined, sinceMs: 0, dueAt: 0, ...rest };
  }

  test('drafts wait for some time after their last change, all others do not', async () => {
    const { now, later, laterAt } = await wantedOf(waiting(), changedMs + 999, 1000);
    assert.deepEqual([[...now].sort(), [...later], laterAt], [['1', '2:2,S'], ['3:2,DS'], changedMs + 1000]);
    const after = await wantedOf(waiting(), changedMs + 1000, 1000);
    assert.deepEqual([after.now.size, after.later.size], [3, 0]);
    const drafts = await wantedOf(waiting({}, '.Drafts'), changedMs, 1000);
    assert.deepEqual([drafts.now.size, drafts.later.size], [0, 3]);
  });

  test('only the names that are asked for count, or what has changed since', async () => {
    const named = await wantedOf(waiting({ names: new Set(['1', 'gone']), sinceMs: 9e15 }), changedMs, 1000);
    assert.deepEqual([...named.now], ['1']);
    assert.equal((await wantedOf(waiting({ sinceMs: 9e15 }), changedMs + 1000, 1000)).now.size, 0);
  });

  test('watches are bounded: a folder in which something happens takes the place of one that is idle', async () => {
    const told: string[] = [];
    const watches = new Watches((folder, name) => told.push(`${folder.slice(-1)} ${name}`), 2);
    try {
      for (const name of ['a', 'b', 'c'])
        for (const part of ['new', 'cur']) await mkdir(join(path, name, part), { recursive: true });
      for (const name of ['a', 'b', 'c']) watches.add(join(path, name), 'idle');
      assert.deepEqual(
        ['a', 'b', 'c'].map((name) => watches.has(join(path, name))),
        [true, true, false],
      );
      watches.add(join(path, 'a'), 'active');
      assert.equal(watches.add(join(path, 'c'), 'active'), join(path, 'b'));
      await writeFile(join(path, 'c/cur/é'), '');
      await until('it is told', () => told.length > 0);
      assert.equal(told[0], `c ${Buffer.from('é').toString('latin1')}`);
      watches.add(join(path, 'nothing'), 'active');
      assert.equal(watches.has(join(path, 'nothing')), false);
    } finally {
      watches.close();
    }
  });
});
