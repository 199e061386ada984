// Codes and keys that could not be printed: the exit code says so, and no file has a code that nobody saw.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { EXIT } from '../../src/commands/errors.ts';
import { textOf } from '../../src/custody/wrappedfile.ts';
import { readTransferableKey } from '../../src/keys/transferable.ts';
import { CLI } from '../support/child.ts';
import { isLong } from '../support/long.ts';
import { tomlFor } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';
import { type Enrolled, enrolled } from '../support/wrapped.ts';

const ALICE = 'alice@example.com';
/** How a shell sends standard output where it is lost. The pipe has no reader when something is written. */
const LOST = isLong ? ['>/dev/full', '>&-', '>/dev/null', '| exec 0<&-'] : ['>/dev/full', '>&-'];

describe('what cannot be printed', () => {
  let directory = '';
  let alice: Enrolled;
  const at = (...parts: string[]) => join(directory, ...parts);

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    const { secretKey } = await makeKey(ALICE);
    const key = await readTransferableKey(Buffer.from(secretKey), async () => undefined);
    alice = await enrolled(ALICE, key.fingerprint, key.secretKey);
    await writeFile(at('wrapped'), textOf(alice.file));
    await writeFile(at('code'), alice.secrets.device);
    await writeFile(
      at('sealdir.toml'),
      `${tomlFor(directory)}[gateway]\ndirectory = "${directory}/gateway"\n`,
    );
  });
  after(() => rm(directory, { recursive: true, force: true }));

  async function codeOf(command: string, lost: string): Promise<number> {
    const script = `set -o pipefail; "$0" "$1" ${command} ${lost}`;
    const child = spawn('bash', ['-c', script, process.execPath, CLI], { cwd: directory, stdio: 'ignore' });
    const [code] = await once(child, 'exit');
    return code;
  }

  for (const lost of LOST) {
    test(`a code is not lost: change and enroll ${lost} change nothing, and exit with 74`, async () => {
      const change = 'slots change --file wrapped --password-file code --print-codes';
      assert.equal(await codeOf(change, lost), EXIT.ioError);
      assert.equal(await readFile(at('wrapped'), 'utf8'), textOf(alice.file));
      assert.equal(await codeOf(`enroll --print-codes --into out ${ALICE}`, lost), EXIT.ioError);
      const names = await readdir(directory);
      assert.deepEqual(names.sort(), ['code', 'sealdir.toml', 'wrapped'].sort());
    });
  }

  test('a full disk is no success for what prints a key or a list', async () => {
    const commands = ['recover --no-passphrase --password-file code wrapped', 'slots list --file wrapped'];
    if (isLong)
      commands.push('key list -c sealdir.toml', 'lookup -c sealdir.toml alice@example.com', '--help');
    for (const command of commands) assert.equal(await codeOf(command, '>/dev/full'), EXIT.ioError, command);
  });
});
