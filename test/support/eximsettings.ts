// What a real Exim says of a configuration (`exim -bP`). Exim and Postfix cannot be installed together on
// Debian, so the program is taken from its packages, without installing it (test/exim.sh).

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EXIM } from './exim.ts';

/** Debian's Exim looks for its own user in /etc/passwd before it does anything. */
const OWN_USER = 'Debian-exim';
const OWN_UID = 47_199;

const PROGRAM = `#!/bin/sh
LD_LIBRARY_PATH=${EXIM}/usr/lib/$(uname -m)-linux-gnu exec ${EXIM}/usr/sbin/exim4 -C FILE "$@"
`;

/** Writes a program `exim4` into `bin` that is the real one with this configuration. */
export async function putExim(bin: string, configuration: string): Promise<void> {
  const file = join(bin, 'exim4.conf');
  await writeFile(file, configuration, { mode: 0o644 });
  await writeFile(join(bin, 'exim4'), PROGRAM.replace('FILE', file), { mode: 0o755 });
}

/** Returns a command that runs others where Exim's user exists: in a mount namespace of their own. */
export async function withEximUser(directory: string): Promise<readonly string[]> {
  const script = [
    `(cat /etc/passwd; echo '${OWN_USER}:x:${OWN_UID}:${OWN_UID}::/nonexistent:/usr/sbin/nologin') > "$1/passwd"`,
    `(cat /etc/group; echo '${OWN_USER}:x:${OWN_UID}:'; echo 'sealers:x:47110:') > "$1/group"`,
    'mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group && shift && exec "$@"',
  ].join('\n');
  return ['unshare', '-m', 'sh', '-c', script, 'sh', directory];
}
