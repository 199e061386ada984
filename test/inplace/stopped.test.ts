// A run that seals messages where they are, stopped at each of its calls; and calls that fail.

import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { realCalls } from '../../src/inplace/calls.ts';
import { DiskFull } from '../../src/inplace/staging.ts';
import { ClearMaildir } from '../support/clearmaildir.ts';
import { diskError } from '../support/fakedisk.ts';
import { shortOf, testLong } from '../support/long.ts';
import { newReader, type Reader } from '../support/sealing.ts';
import { stoppedCalls, troubledCalls } from '../support/stoppedcalls.ts';

const DAY = 24 * 3600 * 1000;
let reader: Reader;
let calls = 0;

before(async () => {
  reader = await newReader();
  const maildir = await ClearMaildir.make(reader);
  const { calls: counted, made } = troubledCalls({});
  assert.deepEqual(await maildir.seal(counted), { sealed: 6, left: 0, failed: [] });
  await maildir.checkDone();
  calls = made.length;
  await maildir.remove();
});

/** The numbers of all calls, or in the short form so many of them. */
function numbers(count: number): readonly number[] {
  const all = Array.from({ length: calls }, (_, n) => n + 1);
  return shortOf(all, count);
}

async function on(work: (maildir: ClearMaildir) => Promise<void>): Promise<void> {
  const maildir = await ClearMaildir.make(reader);
  try {
    await work(maildir);
  } finally {
    await maildir.remove();
  }
}

for (const when of ['before', 'after'] as const)
  test(`F42: killed ${when} any call, each message is there once and whole, and the next run finishes`, async () => {
    assert.ok(calls > 60);
    for (const at of numbers(30))
      await on(async (maildir) => {
        await maildir.seal(stoppedCalls(at, when)).catch(() => undefined);
        await maildir.check();
        const told = await maildir.seal(realCalls, { later: DAY });
        assert.deepEqual(told.failed, [], `call ${at}`);
        await maildir.checkDone().catch((error: Error) => {
          throw new Error(`call ${at}: ${error.message}`, { cause: error });
        });
      });
  });

testLong(
  'F42: any call that fails leaves each message there once and whole, and the next run finishes',
  async () => {
    for (const after of [false, true])
      for (const at of numbers(30))
        await on(async (maildir) => {
          const fail = (call: { number: number }) => {
            if (call.number === at) throw diskError('EIO');
          };
          const { calls: failing } = troubledCalls(after ? { after: fail } : { before: fail });
          await maildir.seal(failing, { later: DAY }).catch(() => undefined);
          await maildir.check();
          assert.deepEqual((await maildir.seal(realCalls, { later: DAY })).failed, [], `call ${at}`);
          await maildir.checkDone().catch((error: Error) => {
            throw new Error(`call ${at}: ${error.message}`, { cause: error });
          });
        });
  },
);

test('F43: a full disk ends the run, and what was staged before is in place', async () => {
  await on(async (maildir) => {
    let writes = 0;
    const { calls: full } = troubledCalls({
      before({ name }) {
        if (name === 'create.write' && ++writes > 3) throw diskError('ENOSPC');
      },
    });
    await assert.rejects(maildir.seal(full), DiskFull);
    await maildir.check();
    assert.deepEqual(await maildir.names('tmp'), []);
    await maildir.seal(realCalls);
    await maildir.checkDone();
  });
});

test('a message that cannot be read stays as it was, and the others are sealed', async () => {
  await on(async (maildir) => {
    let opened = 0;
    const { calls: failing } = troubledCalls({
      before({ name }) {
        if (name === 'open' && ++opened === 2) throw diskError('EIO');
      },
    });
    const { sealed, failed } = await maildir.seal(failing);
    assert.deepEqual([sealed, failed.length], [5, 1]);
    assert.deepEqual(await maildir.check(), { sealed: 5 });
  });
});

test('the index knows nothing of the messages any more, by the next number of its cache', async () => {
  await on(async (maildir) => {
    await maildir.seal(realCalls);
    const cache = await readFile(join(maildir.folder, 'dovecot.index.cache'));
    assert.deepEqual([cache.readUInt32LE(8), cache.readUInt32LE(16), cache.readUInt32LE(24)], [78, 0, 5]);
    const log = await readFile(join(maildir.folder, 'dovecot.index.log'));
    assert.equal(log.subarray(40).includes('cache'), true);
  });
});

for (const [file, text] of [
  ['dovecot-uidlist', '1 1000 14\n4 1.M1P1.host\n'],
  ['dovecot.index.log', 'something else'],
] as const)
  test(`a folder whose ${file} is of another form is left as it is, and that is told`, async () => {
    await on(async (maildir) => {
      await writeFile(join(maildir.folder, file), text);
      const { sealed, failed } = await maildir.seal(realCalls);
      assert.equal(sealed, 0);
      assert.match(failed.join(), new RegExp(`^undefined: .*${file} is of no known form$`));
      assert.deepEqual(await maildir.check(), { sealed: 0 });
      assert.deepEqual(await maildir.names('tmp'), []);
      assert.equal(await readFile(join(maildir.folder, file), 'utf8'), text);
      assert.deepEqual(
        (await readdir(maildir.folder)).filter((name) => /tmp$|lock$/.test(name)),
        ['tmp'],
      );
    });
  });
