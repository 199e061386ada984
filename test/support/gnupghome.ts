// A private GnuPG home: never the user's key ring, never a question on a terminal, no agent left behind.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './process.ts';

export interface GnupgHome {
  path: string;
  /** Runs gpg with the passphrase of this home; resolves with its standard output, rejects with its complaint. */
  gpg(args: readonly string[], stdin?: Uint8Array | string): Promise<Buffer>;
  close(): Promise<void>;
}

// unix(7): a socket path holds at most 107 bytes, and `/S.gpg-agent.browser` comes on top of the home.
const MAX_HOME_LENGTH = 80;

export async function openGnupgHome(passphrase = ''): Promise<GnupgHome> {
  const parent = tmpdir().length + '/gpg-XXXXXX'.length > MAX_HOME_LENGTH ? '/tmp' : tmpdir();
  const path = await mkdtemp(join(parent, 'gpg-'));
  // Without this the agent first spends a second on finding out how many rounds take 100 ms here.
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
      // Where /run/user/<uid> exists the sockets are there and not in the home; where not, this fails harmlessly.
      await run('gpgconf', ['--homedir', path, '--remove-socketdir']);
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
