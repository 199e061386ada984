// Sockets of systemd on which TLS is spoken, and `deliver`, which speaks none.

import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startActivated } from '../support/activate.ts';
import { CLI } from '../support/child.ts';
import { deliver } from '../support/lmtp.ts';
import { isLong, shortOf } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { freePort } from '../support/port.ts';
import { run } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';
import { connectTls, openAuthority, startTls } from '../support/tls.ts';

const ALICE = 'alice@example.com';
const MESSAGE = Buffer.from('Subject: x\r\n\r\nx\r\n');

/** Makes a site with a certificate whose configuration listens as given. Resolves to its directory. */
async function siteListening(listen: string, processes = 1): Promise<string> {
  const site = await makeSite({ [ALICE]: (await makeKey(ALICE)).certificate });
  await (await openAuthority(site)).certify('own', { names: ['mx.example.com'] });
  const rest = '[tls]\ncertificate = ["DIR/own.pem"]\nkey = ["DIR/own.key"]';
  const toml = tomlFor(site, { toml: { processes, rest, lmtp: 'require_tls = true' } });
  await writeFile(join(site, 'sealdir.toml'), toml.replace(/^listen = \[.*$/m, `listen = ["${listen}"]`));
  return site;
}

for (const processes of isLong ? [1, 2] : [2]) {
  for (const listen of shortOf(['systemd', 'tls://systemd'], 1)) {
    test(`a TCP socket of systemd as "${listen}", ${processes} process(es)`, {
      ...needs('python3', 'openssl'),
      timeout: 240_000,
    }, async () => {
      const site = await siteListening(listen, processes);
      const port = await freePort();
      const server = await startActivated(port, [CLI, 'serve', '-c', join(site, 'sealdir.toml')]);
      try {
        const session = await (listen === 'systemd' ? startTls(port) : connectTls(port));
        await session.say('LHLO x');
        assert.match((await deliver(session, { to: [ALICE], message: MESSAGE })).final[0] ?? '', /^250 /);
        await session.vanish();
      } finally {
        assert.equal(await server.stop(), 0);
        await rm(site, { recursive: true, force: true });
      }
    });
  }
}

for (const listen of shortOf(['127.0.0.1:1', 'tls://127.0.0.1:1', 'tls://systemd'], 1)) {
  test(`deliver says that it speaks no TLS, and its mail may come later: ${listen}`, {
    ...needs('openssl'),
  }, async () => {
    const site = await siteListening(listen);
    const args = [CLI, 'deliver', '-c', join(site, 'sealdir.toml'), ALICE];
    const { code, stderr } = await run(process.execPath, args, { stdin: MESSAGE });
    await rm(site, { recursive: true, force: true });
    assert.equal(code, 75);
    assert.match(stderr, /the mail store cannot be reached/);
  });
}
