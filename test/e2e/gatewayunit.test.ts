// The gateway as its unit starts it: as a user of its own, which may read neither the configuration nor
// anything else of the server.

import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { placeOf } from '../../src/custody/place.ts';
import { textOf } from '../../src/custody/wrappedfile.ts';
import { readTransferableKey } from '../../src/keys/transferable.ts';
import { commandOfUnit, needsUnits } from '../support/asunit.ts';
import { connectImap } from '../support/imapclient.ts';
import { freePort } from '../support/port.ts';
import { run, start } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { repositoryRoot } from '../support/shared.ts';
import { makeKey } from '../support/testkeys.ts';
import { enrolled } from '../support/wrapped.ts';

const ALICE = 'alice@example.com';
const GATEWAY = 47113;

test('the gateway starts with a configuration that its user may not read, as that user', {
  ...(await needsUnits()),
  timeout: 120_000,
}, async () => {
  const key = await makeKey(ALICE);
  const directory = await makeSite({ [ALICE]: key.certificate });
  const at = (name: string) => join(directory, name);
  const { secretKey, fingerprint } = await readTransferableKey(
    Buffer.from(key.secretKey),
    async () => undefined,
  );
  const { file, secrets } = await enrolled(ALICE, fingerprint, secretKey);
  for (const name of ['gateway', 'cache']) {
    await mkdir(at(name), { mode: 0o700 });
    await chown(at(name), GATEWAY, GATEWAY);
  }
  const { path } = placeOf(at('gateway'), ALICE);
  await writeFile(path, textOf(file), { mode: 0o600 });
  await chown(path, GATEWAY, GATEWAY);
  await chmod(directory, 0o711);
  const config = at('secret.toml');
  const closed = await freePort();
  await writeFile(
    config,
    `${tomlFor(directory)}
[gateway]
directory = "${at('gateway')}"
cache_directory = "${at('cache')}"
listen = ["127.0.0.1:0"]
upstream = "127.0.0.1:${closed}"
`,
    { mode: 0o600 },
  );
  const user = [`--reuid=${GATEWAY}`, `--regid=${GATEWAY}`, '--clear-groups'];
  assert.notEqual((await run('setpriv', [...user, 'cat', config])).code, 0);

  const unit = await readFile(join(repositoryRoot(), 'systemd/sealdir-gateway.service'), 'utf8');
  const [, args = ''] = /^ExecStart=\/usr\/bin\/env sealdir (.*)$/m.exec(unit) ?? [];
  const [program = '', ...rest] = await commandOfUnit({
    unit: 'sealdir-gateway.service',
    directory,
    args: args.split(' '),
    user: `${GATEWAY}:${GATEWAY}`,
    writable: [at('gateway'), at('cache'), tmpdir()],
    credentials: [`sealdir.toml:${config}`],
  });
  const gateway = await start(program, rest, {
    ready: (output) => output.includes('"msg":"gateway listening"'),
  });
  try {
    const [, port] = /"127\.0\.0\.1:(\d+)"/.exec(gateway.output()) ?? [];
    // the key opens, and then there is no server behind
    const gone = { responseText: 'the mail server does not answer' };
    await assert.rejects(connectImap(Number(port), ALICE, secrets.device), gone);
    await assert.rejects(connectImap(Number(port), ALICE, 'wrong'), {
      serverResponseCode: 'AUTHENTICATIONFAILED',
    });
  } finally {
    await gateway.stop();
    await rm(directory, { recursive: true, force: true });
  }
});
