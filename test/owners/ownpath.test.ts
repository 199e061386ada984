// Which directories count as a user's own.

import assert from 'node:assert/strict';
import { chmod, chown, lchown, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { mustBeOwn } from '../../src/owners/ownpath.ts';
import { needs } from '../support/peers.ts';

const OWN = 64_001;
const OTHER = 64_002;

test(
  "a directory is a user's own if nobody but root and the user has a hand in its path",
  needs('root'),
  async (t) => {
    const root = await mkdtemp(join(tmpdir(), 'sealdir-own-'));
    t.after(() => rm(root, { recursive: true }));
    const make = async (path: string, uid: number, mode = 0o700) => {
      await mkdir(join(root, path));
      await chown(join(root, path), uid, uid);
      await chmod(join(root, path), mode);
    };
    const link = async (path: string, target: string, uid: number) => {
      await symlink(target, join(root, path));
      await lchown(join(root, path), uid, uid);
    };
    await make('own', OWN);
    await make('own/Maildir', OWN);
    await make('own/open', OWN, 0o770);
    await make('own/world', OWN, 0o707);
    await make('own/other', OTHER);
    await make('own/other/own', OWN);
    await make('group', 0, 0o2775);
    await make('group/own', OWN);
    await make('sticky', 0, 0o1777);
    await make('sticky/own', OWN);
    await make('free', 0, 0o777);
    await make('free/own', OWN);
    await writeFile(join(root, 'own/file'), '');
    await link('own/inside', 'Maildir', OWN);
    await link('of-root', 'own', 0);
    await link('of-other', 'own', OTHER);
    await link('circle', 'circle', 0);
    await link('away', `${root}/sticky`, 0);
    const table: readonly (readonly [string, RegExp | undefined])[] = [
      ['own', undefined],
      ['own/Maildir', undefined],
      ['own/Maildir/new/not/there', undefined],
      ['not-there', undefined],
      ['own/open', /own\/open is writable by its group$/],
      ['own/open/Maildir', /own\/open is writable by its group$/],
      ['own/world', /is writable by everybody$/],
      ['own/other', /belongs to user 64002, not to user 64001$/],
      ['own/other/own', /belongs to user 64002/],
      ['group/own', undefined],
      ['sticky/own', undefined],
      ['free/own', /free is writable by everybody$/],
      ['own/file', /own\/file is no directory$/],
      ['own/inside', /own\/inside is a symbolic link$/],
      ['own/inside/new', /own\/inside is a symbolic link$/],
      ['of-root', undefined],
      ['of-root/Maildir', undefined],
      ['of-root/open', /own\/open is writable by its group$/],
      ['of-other', /of-other is a symbolic link$/],
      ['away/own', undefined],
      ['circle', /ELOOP|too many/],
    ];
    for (const [path, wanted] of table) {
      const look = () => mustBeOwn(`${root}/${path}`, OWN);
      if (wanted === undefined) look();
      else assert.throws(look, wanted, path);
    }
  },
);
