// A private GnuPG home. It never uses the user's key ring, never asks on a terminal, and leaves no agent
// running.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './process.ts';

export interface GnupgHome {
  path: string;
  /**
   * Runs gpg with the passphrase of this home. Resolves to its standard output, rejects with its error
   * message.
   */
  gpg(args: readonly string[], stdin?: Uint8Array | string): Promise<Buffer>;
  close(): Promise<void>;
}

// unix(7): the path of a socket has at most 107 bytes, and `/S.gpg-agent.browser` is added to that of the
// home.
const MAX_HOME_LENGTH = 80;

export async function openGnupgHome(passphrase = ''): Promise<GnupgHome> {
  const parent = tmpdir().length + '/gpg-XXXXXX'.length > MAX_HOME_LENGTH ? '/tmp' : tmpdir();
  const path = await mkdtemp(join(parent, 'gpg-'));
  // Without this the agent first takes a second to find out how many rounds take 100 ms here.
  await writeFile(join(path, 'gpg-agent.conf'), 's2k-count 65536\n');
  const always = ['--homedir', path, '--batch', '--no-tty', '--quiet', '--trust-model', 'always'];
  const unlock = ['--pinentry-mode', 'loopback', '--passphrase', passphrase];

  return {
    path,
    async gpg(args, stdin = '') {
      const { code, stdout, stderr } = await run('gpg', [...always, ...unlock, ...args], { stdin });
      if (code !== 0) throw new Error(`gpg ${args.join(' ')}: exit ${code}: ${stderr}`);
      return stdout;
    },
    async close() {
      await run('gpgconf', ['--homedir', path, '--kill', 'all']);
      // If /run/user/<uid> exists, the sockets are there and not in the home. If not, this call fails without
      // harm.
      await run('gpgconf', ['--homedir', path, '--remove-socketdir']);
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
