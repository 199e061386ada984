/**
 * What is asked of the programs of GnuPG: where the agent listens, that it be started, and the public keys
 * of its user. Nothing is decrypted by them.
 */
import { execFile } from 'node:child_process';
import { AgentFault } from './assuan.ts';

/** A key ring may have all the keys of an office. */
const MOST_BYTES = 16 * 1024 * 1024;

/** Resolves to the path of the agent's socket. Throws AgentFault. */
export async function agentSocket(): Promise<string> {
  const path = (await output('gpgconf', ['--list-dirs', 'agent-socket'])).toString().trimEnd();
  if (path.startsWith('/')) return path;
  throw new AgentFault('gpgconf does not say where gpg-agent listens');
}

/** Starts the agent. One that cannot be started is not there afterwards. */
export async function launchAgent(): Promise<void> {
  await output('gpgconf', ['--launch', 'gpg-agent']).catch(() => undefined);
}

/** Resolves to the certificates that gpg has secret keys for, or none. Throws AgentFault. */
export async function ownCertificates(): Promise<Buffer> {
  const listing = await output('gpg', [...QUIET, '--with-colons', '--list-secret-keys']);
  const fingerprints = [
    ...listing.toString().matchAll(/^sec:.*\n(?:(?!fpr:).*\n)*fpr:+([0-9A-F]{32,64}):/gm),
  ];
  if (fingerprints.length === 0) return Buffer.alloc(0);
  const names = fingerprints.map(([, fingerprint = '']) => fingerprint);
  return output('gpg', [...QUIET, '--export-options', 'export-minimal', '--export', ...names]);
}

const QUIET = ['--batch', '--no-tty', '--quiet'] as const;

async function output(program: string, args: readonly string[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { encoding: 'buffer', maxBuffer: MOST_BYTES } as const;
    const child = execFile(program, args, options, (error, stdout) => {
      if (error === null) return resolve(stdout);
      const why = error.code === 'ENOENT' ? 'is not installed' : `failed: ${whyOf(error)}`;
      reject(new AgentFault(`${program} ${why}`));
    });
    child.stdin?.end();
  });
}

/** Returns the last line of what a program had to say. */
function whyOf({ message }: Error): string {
  return message.trimEnd().split('\n').at(-1) ?? '';
}
