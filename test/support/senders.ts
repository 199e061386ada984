// Programs that encrypt a message to a certificate, as other people's mail programs do.

import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { openGnupgHome } from './gnupghome.ts';
import type { CollectedKey } from './keys.ts';
import { run } from './process.ts';

export type Encrypt = (
  key: Pick<CollectedKey, 'certificateFile'>,
  text: Buffer,
  directory: string,
) => Promise<string | undefined>;

/**
 * Each resolves to armor with LF line ends, or to undefined if the program does not encrypt to this key. What
 * they need is made in `directory`.
 */
export const SENDERS: Readonly<Record<string, Encrypt>> = {
  async gpg(key, text) {
    const home = await openGnupgHome();
    try {
      const args = ['--armor', '--encrypt', '--recipient-file', key.certificateFile];
      return (await home.gpg(args, text)).toString();
    } catch {
      return undefined;
    } finally {
      await home.close();
    }
  },
  sq: (key, text) => program('sq', ['encrypt', '--recipient-cert', key.certificateFile], text),
  async rnp(key, text, directory) {
    const home = await mkdtemp(join(directory, 'rnp-'));
    const imported = await run('rnpkeys', ['--homedir', home, '--notty', '--import', key.certificateFile]);
    if (imported.code !== 0) return undefined;
    const listed = await run('rnpkeys', ['--homedir', home, '--list-keys']);
    const [, id] = /^pub .* ([0-9a-f]{16})\b/m.exec(listed.stdout.toString()) ?? [];
    if (id === undefined) return undefined;
    const args = ['--homedir', home, '--notty', '--armor', '--encrypt', '-r', id, '--output', '-'];
    return program('rnp', args, text);
  },
};

async function program(name: string, args: readonly string[], stdin: Buffer): Promise<string | undefined> {
  const { code, stdout } = await run(name, args, { stdin });
  return code === 0 ? stdout.toString().replaceAll('\r\n', '\n') : undefined;
}
