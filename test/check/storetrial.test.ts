// `check` does in the store what a delivery does. Here the store is on file systems that refuse one step of
// it, and on some that keep less than they promise.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import { dangersOf, glusterVolumeOf, isInMemory, mountIn } from '../../src/check/mounts.ts';
import { type CheckedSite, findingsOf, makeCheckedSite, needsUsers } from '../support/checking.ts';
import { needs } from '../support/peers.ts';
import { makeKey } from '../support/testkeys.ts';

const MOUNTINFO = `21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:40 / /mail rw,relatime - nfs4 nas:/mail rw,vers=4.2,soft,timeo=50
31 21 0:41 / /old rw,relatime - nfs nas:/old rw,vers=3,hard,nolock
32 21 8:2 / /disk\\040two rw - ext4 /dev/sdb1 rw,nobarrier
33 21 0:42 / /box rw - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w,volatile
34 21 0:43 / /memory rw - tmpfs tmpfs rw,size=1k
35 30 8:3 / /mail/good rw - xfs /dev/sdc1 rw
36 21 0:45 / /slow rw - nfs4 nas:/slow rw,vers=4.2,hard,nocto,acregmin=3,acdirmax=600
37 21 0:46 / /fine rw - nfs4 nas:/fine rw,vers=4.2,hard,acregmax=60,acdirmax=60
38 21 0:47 / /many rw - fuse.glusterfs one,two:/mail/below rw,user_id=0,max_read=131072
39 21 0:48 / /far rw - fuse.sshfs you@far:/mail rw,user_id=0`;

test('mount options that lose mail are named, by the last mount on the way to a path', () => {
  const dangers = (path: string) => {
    const mount = mountIn(MOUNTINFO, path);
    return mount === undefined ? ['no mount'] : dangersOf(mount);
  };
  assert.match(dangers('/mail/example.com').join(), /^is mounted with soft: writes .* are given up$/);
  assert.match(dangers('/old').join(), /^is mounted without locks/);
  assert.match(dangers('/disk two/mail').join(), /^is mounted with nobarrier: a power failure/);
  assert.match(dangers('/box/mail').join(), /^is mounted with volatile: fsync does nothing there$/);
  assert.match(dangers('/slow/mail').join(), /^is mounted with nocto: .*,is mounted with an age of 600 s: /);
  assert.match(dangers('/far').join(), /^is sshfs, /);
  for (const path of ['/', '/mailbox', '/mail/good/x', '/memory/x', '/fine/x', '/many/x'])
    assert.deepEqual(dangers(path), [], path);
  assert.deepEqual(
    [mountIn(MOUNTINFO, '/memory/x'), mountIn(MOUNTINFO, '/')].map((each) => each && isInMemory(each)),
    [true, false],
  );
  const volumes = ['/many/x', '/fine/x']
    .map((path) => mountIn(MOUNTINFO, path))
    .map((each) => each && glusterVolumeOf(each));
  assert.deepEqual(volumes, ['mail', undefined]);
});

describe('check, in the store', needsUsers(), () => {
  let certificate = '';
  before(async () => {
    ({ certificate } = await makeKey('alice@example.com'));
  });
  const fresh = () => makeCheckedSite({ 'alice@example.com': certificate });

  /** Has the store on a file system of its own, in a mount namespace that ends with the command. */
  const mounted = (site: CheckedSite, ...script: readonly string[]) => ({
    within: [
      'unshare',
      '-m',
      'sh',
      '-c',
      `${script.join(' && ')} && shift && exec "$@"`,
      'sh',
      site.at('mail'),
    ],
  });

  test(
    'a store that is mounted read-only is an error, and its fix mounts it for writing',
    needs('unshare'),
    async () => {
      const site = await fresh();
      const bind = ['mount --bind "$1" "$1"', 'mount -o remount,ro,bind "$1"'];
      const found = await findingsOf(site, mounted(site, ...bind));
      const [{ id, what, command } = { id: '', what: '', command: '' }] = found;
      assert.deepEqual([found.length, id], [1, 'store-unsafe'], JSON.stringify(found));
      assert.match(what, /mail is on a file system that is mounted read-only$/);
      assert.equal(command, `mount -o remount,rw '${site.at('mail')}'`);
      // a bind mount is one of two options; that of the file system itself is the usual case
      const own = ['mount -t tmpfs -o ro,mode=700,uid=47110 tmpfs "$1"', command ?? ''];
      const after = await findingsOf(site, mounted(site, ...own));
      await site.remove();
      assert.deepEqual(
        after.map((each) => [each.id, each.severity]),
        [['store-mount', 'note']],
      );
    },
  );

  test(
    'a file system without room or inodes is an error, and one in memory is noted',
    needs('unshare'),
    async () => {
      const site = await fresh();
      const filled = [
        'mount -t tmpfs -o size=8M,nr_inodes=3,mode=700,uid=47110 tmpfs "$1"',
        'mkdir "$1/a" "$1/b"',
      ];
      await site.configure({
        store: `maildir = "${site.at('mail/{domain}/{local}')}"\nstate = "${site.at('run/state')}"\nmin_free_space = "1MB"`,
      });
      const found = await findingsOf(site, mounted(site, ...filled));
      await site.remove();
      assert.deepEqual(found.map(({ id }) => id).sort(), ['store-full', 'store-mount']);
      assert.match(
        found.find(({ id }) => id === 'store-full')?.what ?? '',
        /mkdir fails in \S+mail \(ENOSPC\)/,
      );
    },
  );

  for (const [call, when, says] of [
    ['fsync', 1, /fsync fails in \S+mail \(EIO\)/],
    ['fsync', 2, /fsync of a directory fails in \S+mail \(EIO\)/],
    ['rename', 1, /rename fails in \S+mail \(EIO\)/],
  ] as const)
    test(
      `${call} number ${when} that fails is an error, and nothing is left behind`,
      needs('strace'),
      async () => {
        const site = await fresh();
        const calls = [`inject=${call}:error=EIO:when=${when}`, 'inject=io_uring_setup:error=ENOSYS'];
        const found = await findingsOf(site, {
          within: ['strace', '-f', '-q', '-o', '/dev/null', ...calls.flatMap((each) => ['-e', each])],
          // strace counts the calls of each thread on its own
          env: { ...site.withoutPostfix, UV_THREADPOOL_SIZE: '1' },
        });
        const left = await readdir(site.at('mail'));
        await site.remove();
        assert.deepEqual(
          found.map(({ id }) => id),
          ['store-unsafe'],
          JSON.stringify(found),
        );
        assert.match(found[0]?.what ?? '', says);
        assert.deepEqual(left, []);
      },
    );
});
