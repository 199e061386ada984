// The key of a user in their process.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Derivations } from '../../src/custody/kdf.ts';
import { placeOf } from '../../src/custody/place.ts';
import { textOf } from '../../src/custody/wrappedfile.ts';
import { sealingAccount } from '../../src/gateway/account.ts';
import { ReplacedError, Unlocking } from '../../src/gateway/unlocking.ts';
import { readTransferableKey } from '../../src/keys/transferable.ts';
import { makeKey } from '../support/testkeys.ts';
import { enrolled, world } from '../support/wrapped.ts';

const ALICE = 'alice@example.com';

test('while a key is open, nobody is given it because their wrapped file has gone', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-unlocking-'));
  try {
    const key = await makeKey(ALICE);
    const { secretKey, fingerprint } = await readTransferableKey(
      Buffer.from(key.secretKey),
      async () => undefined,
    );
    const { file, secrets } = await enrolled(ALICE, fingerprint, secretKey);
    const place = placeOf(directory, ALICE);
    const rules = { rules: { subkeys: 'all', unusable: 'defer' }, world } as const;
    const unlocking = new Unlocking({
      ...rules,
      place,
      derivations: new Derivations(),
      withoutKey: () => sealingAccount(async () => undefined, rules),
    });
    const withoutFile = await unlocking.unlock(Buffer.from('for the server behind'));
    assert.equal(withoutFile?.opener, undefined);
    await writeFile(place.path, textOf(file), { mode: 0o600 });
    assert.equal(await unlocking.unlock(Buffer.from('anything at all')), undefined);
    const opened = await unlocking.unlock(Buffer.from(secrets.device));
    assert.ok(opened?.opener !== undefined);
    await rm(place.path);
    await assert.rejects(unlocking.unlock(Buffer.from('anything at all')), ReplacedError);
    unlocking.close();
  } finally {
    await rm(directory, { recursive: true });
  }
});
