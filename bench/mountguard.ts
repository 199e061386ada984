// Takes a mounted disk apart again, by a process of its own that waits for the end of a pipe: so it happens
// at the end of a bench, after an interruption, and also when the bench itself was killed. Ends programs by
// their pids only.

import { spawn } from 'node:child_process';
import { once } from 'node:events';

// $1 is the mount point; $2, where the disk is made of programs, has fuse/disk, nbdfuse.pid and nbdkit.pid.
// A server that is ending has files open for a moment, so unmounting is tried for a while.
const GUARD = `read -r _
exec 2>/dev/null
tries=0
while mountpoint -q "$1" && ! umount "$1" && [ $tries -lt 60 ]; do tries=$((tries + 1)); sleep 0.25; done
umount -l "$1"
[ -n "$2" ] || exit 0
for loop in $(losetup --noheadings --output NAME --associated "$2/fuse/disk"); do losetup -d "$loop"; done
tries=0
while mountpoint -q "$2/fuse" && ! umount "$2/fuse" && [ $tries -lt 20 ]; do tries=$((tries + 1)); sleep 0.25; done
umount -l "$2/fuse"
for program in nbdfuse nbdkit; do kill "$(cat "$2/$program.pid")"; done`;

/** Starts the guard, before anything is mounted. The result unmounts and may be called twice. */
export function guardMount(mountPoint: string, programsDirectory = ''): () => Promise<void> {
  const guard = spawn('sh', ['-c', GUARD, 'guard', mountPoint, programsDirectory], {
    detached: true, // an interruption from the terminal is for the bench alone
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  const ended = once(guard, 'exit');
  return async () => {
    guard.stdin.end();
    guard.ref();
    await ended;
  };
}
