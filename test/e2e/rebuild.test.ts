// An installation whose compiled package does not fit its Node, as after an upgrade of Node.

import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { repositoryRoot } from '../support/shared.ts';

/** Copies this installation, with a binary of fs-ext that no Node can load. */
async function brokenInstallation(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  const modules = join(directory, 'node_modules');
  await mkdir(modules);
  await cp(join(repositoryRoot(), 'dist/src'), join(directory, 'dist/src'), { recursive: true });
  await cp(join(repositoryRoot(), 'package.json'), join(directory, 'package.json'));
  for (const name of await readdir(join(repositoryRoot(), 'node_modules')))
    if (name !== 'fs-ext') await symlink(join(repositoryRoot(), 'node_modules', name), join(modules, name));
  await cp(join(repositoryRoot(), 'node_modules/fs-ext'), join(modules, 'fs-ext'), { recursive: true });
  await writeFile(join(modules, 'fs-ext/build/Release/fs_ext.node'), 'of another Node');
  return directory;
}

test('a package built for another Node is told in one sentence, by serve and check alike', async () => {
  const installation = await brokenInstallation();
  const site = await makeSite();
  const config = join(site, 'sealdir.toml');
  await writeFile(config, tomlFor(site));
  const sealdir = (command: string) =>
    run(process.execPath, [join(installation, 'dist/src/sealdir.cjs'), command, '-c', config]);
  const served = await sealdir('serve');
  const checked = await sealdir('check');
  await rm(installation, { recursive: true });
  await rm(site, { recursive: true });
  assert.match(
    served.stderr,
    /^sealdir: fs-ext is not built for Node v[\d.]+: run "npm rebuild fs-ext" in \S+\n$/,
  );
  assert.equal(served.code, 70);
  assert.match(
    checked.stdout.toString(),
    /^error: fs-ext is not built for Node v\S+ run "npm rebuild fs-ext"/m,
  );
  assert.equal(checked.code, 2);
});
