// What `sealdir check` says about keys.state.

import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { type CheckedSite, makeCheckedSite, SERVER_UID } from '../support/checking.ts';
import { Keeping } from '../support/keeping.ts';
import { makeKey } from '../support/testkeys.ts';

const { certificate } = await makeKey('alice@example.com');

async function site(work: (site: CheckedSite, path: string) => Promise<void>): Promise<void> {
  const checked = await makeCheckedSite({ 'alice@example.com': certificate });
  try {
    await work(checked, checked.at('run/keystate'));
  } finally {
    await checked.remove();
  }
}

const own = async (path: string) => {
  if (process.getuid?.() === 0) await chown(path, SERVER_UID, SERVER_UID);
};

test('a missing keys.state is no finding where the server can make it, and an error elsewhere', () =>
  site(async ({ check, configure, at }) => {
    assert.equal((await check()).code, 0);
    await configure({ keys: `directory = "${at('keys')}"\nstate = "${at('nowhere/keystate')}"` });
    const { code, text } = await check();
    assert.equal(code, 2);
    assert.match(
      text,
      /error: keys\.state: \S+ does not exist, and cannot be made: .*\n.*\n.*StateDirectory=/,
    );
  }));

test('a keys.state that others may write to is an error, one that they may look into a warning', () =>
  site(async ({ check }, path) => {
    await mkdir(path);
    await own(path);
    for (const [mode, code, said] of [
      [0o700, 0, /0 errors, 0 warnings/],
      [0o755, 1, /warning: keys\.state: others may look into/],
      [0o770, 2, /error: keys\.state: \S+ can be written by others/],
    ] as const) {
      await chmod(path, mode);
      const found = await check();
      assert.match(found.text, said);
      assert.equal(found.code, code);
    }
  }));

test(
  'what belongs to another user is an error, with the chown that mends it',
  {
    skip: process.getuid?.() === 0 ? false : 'only root can give files away',
  },
  () =>
    site(async ({ check }, path) => {
      const fix = new RegExp(`chown -R ${SERVER_UID} \\S*keystate`);
      await mkdir(path, { mode: 0o700 });
      const closed = await check();
      assert.equal(closed.code, 2);
      assert.match(closed.text, /error: keys\.state: \S+keystate is closed to/);
      assert.match(closed.text, fix);
      await own(path);
      await mkdir(`${path}/former`);
      const inside = await check();
      assert.equal(inside.code, 2);
      assert.match(inside.text, /error: keys\.state: \S+keystate\/former belongs to user root/);
      assert.match(inside.text, fix);
      await own(`${path}/former`);
      assert.equal((await check()).code, 0);
    }),
);

test('a key log that was edited is an error with the line; what a crash has left is not', async (t) => {
  const keeping = await Keeping.make({ 'alice@example.com': certificate, 'bob@example.com': certificate });
  t.after(() => keeping.remove());
  await keeping.round();
  const log = await readFile(keeping.state('key.log'), 'utf8');
  await site(async ({ check }, path) => {
    await mkdir(path, { mode: 0o700 });
    await own(path);
    for (const [text, code, said] of [
      [log, 0, /0 errors/],
      [log.slice(0, -10), 0, /0 errors/],
      [
        log.replace('first-look', 'came'),
        2,
        /error: keys\.state: \S+key\.log: line 2 does not continue line 1/,
      ],
    ] as const) {
      await writeFile(`${path}/key.log`, text);
      await own(`${path}/key.log`);
      const found = await check();
      assert.match(found.text, said);
      assert.equal(found.code, code, found.text);
    }
  });
});
