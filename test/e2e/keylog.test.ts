// What `sealdir key log` says when there is nothing to print, or when it was asked what it cannot answer.

import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CLI } from '../support/child.ts';
import { run } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';

test('key log says what it was asked in vain, with the exit code for it', async (t) => {
  const directory = await makeSite();
  t.after(() => rm(directory, { recursive: true, force: true }));
  const config = join(directory, 'sealdir.toml');
  await writeFile(config, tomlFor(directory));
  const hash = '0'.repeat(64);
  for (const [args, code, said] of [
    [['log'], 66, /keys\.state: \S+keystate cannot be read: ENOENT/],
    [['log', '--verify'], 66, /keys\.state: \S+keystate cannot be read: ENOENT/],
    [['log', '--verify', '--head', 'abc'], 64, /--head takes a hash of 64 hexadecimal digits/],
    [['log', '--head', hash], 64, /--head goes with --verify/],
    [['log', '--verify', 'alice@example.com'], 64, /is about the whole log/],
    [['log', 'a@b', 'c@d'], 64, /what is "c@d"\?/],
    [['lag'], 64, /sealdir key log/],
    [[], 64, /sealdir key log/],
  ] as const) {
    const ran = await run(process.execPath, [CLI, 'key', ...args, '-c', config]);
    assert.match(ran.stderr, said, args.join(' '));
    assert.equal(ran.code, code, args.join(' '));
  }
});
