// A server that starts logs what `sealdir check` would find.

import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { makeCheckedSite, needsUsers, SERVER_UID } from '../support/checking.ts';
import { CLI } from '../support/child.ts';
import { testLong } from '../support/long.ts';
import { start } from '../support/process.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';

describe('serve', needsUsers(), () => {
  test('logs the findings of check once it listens', async () => {
    const { certificate } = await makeKey(ALICE);
    const site = await makeCheckedSite({ [ALICE]: certificate });
    await chmod(site.at('mail'), 0o705);
    await chmod(site.at('keys', `${ALICE}.asc`), 0o666);
    const server = await start(process.execPath, [CLI, 'serve', '-c', site.at('sealdir.toml')], {
      uid: SERVER_UID,
      gid: SERVER_UID,
      env: site.withoutPostfix,
      ready: (output) => output.includes('"msg":"listening"'),
    });
    const lines = () =>
      server
        .output()
        .split('\n')
        .filter((line) => line.includes('"msg":"check"'))
        .map((line) => JSON.parse(line) as { level: number; what: string; why: string; fix: string });
    await until('both findings are logged', () => lines().length === 2);
    await server.stop();
    const { text } = await site.check();
    await site.remove();
    const [error, warning] = lines();
    assert.match(error?.what ?? '', /everybody may exchange \S+alice@example\.com\.asc/);
    assert.equal(error?.level, 50);
    assert.match(warning?.what ?? '', /others may look into \S+mail/);
    assert.equal(warning?.level, 40);
    for (const { what, why, fix } of lines())
      assert.ok(text.includes(`${what}\n    why: ${why}\n    fix: ${fix}\n`), what);
  });

  testLong('looks at no more than a thousand key files', async () => {
    const site = await makeCheckedSite({});
    for (let n = 0; n <= 1000; n++) await writeFile(site.at('keys', `user${n}@example.com.asc`), 'no key');
    const server = await start(process.execPath, [CLI, 'serve', '-c', site.at('sealdir.toml')], {
      uid: SERVER_UID,
      gid: SERVER_UID,
      env: site.withoutPostfix,
      ready: (output) => output.includes('"msg":"check"'),
    });
    await server.stop();
    await site.remove();
    const found = server.output().match(/"msg":"check"/g);
    assert.equal(found?.length, 1);
    assert.match(server.output(), /keys has 1001 files, more than are looked at while mail arrives/);
  });
});
