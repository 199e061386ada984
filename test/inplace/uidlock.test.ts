// Dovecot's lock of a folder: taken as Dovecot takes it, and from those who are no more.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { realWorld } from '../../src/edge/world.ts';
import { realCalls } from '../../src/inplace/calls.ts';
import { takeUidLock, type UidLock } from '../../src/inplace/uidlock.ts';

describe("Dovecot's lock", { timeout: 120_000 }, () => {
  let directory = '';
  let path = '';
  const take = (): Promise<UidLock> =>
    takeUidLock(path, {
      calls: realCalls,
      world: realWorld('host.example'),
      staged: join(directory, 'staged'),
    });
  const leave = async (text: string, ageSeconds: number) => {
    await writeFile(path, text);
    const then = new Date(Date.now() - ageSeconds * 1000);
    await utimes(path, then, then);
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-lock-'));
    path = join(directory, 'dovecot-uidlist.lock');
  });
  after(() => rm(directory, { recursive: true }));

  test('says whose it is, and is gone when it is given back', async () => {
    const lock = await take();
    assert.equal(await readFile(path, 'utf8'), `${process.pid}:${hostname()}`);
    await lock.release();
    assert.deepEqual(await readdir(directory), []);
  });

  test('is taken from a process that is no more', async () => {
    const child = spawn('true');
    await once(child, 'exit');
    await leave(`${child.pid}:${hostname()}`, 10);
    await (await take()).release();
    assert.deepEqual(await readdir(directory), []);
  });

  test('is waited for while its process lives, however old it is', async () => {
    await leave(`${process.ppid}:${hostname()}`, 1000);
    let isTaken = false;
    const taking = take().then((lock) => {
      isTaken = true;
      return lock;
    });
    // several tries go by
    for (let n = 0; n < 20; n++) await new Promise(setImmediate);
    await rm(path).then(() => assert.equal(isTaken, false));
    await (await taking).release();
  });

  test('what somebody else has put there is not removed when it is given back', async () => {
    const lock = await take();
    await rm(path);
    await writeFile(path, 'another');
    await lock.release();
    assert.equal(await readFile(path, 'utf8'), 'another');
  });
});
