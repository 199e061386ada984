// `sealdir bridge` on the user's own machine, before an IMAP server with TLS elsewhere: the server gets
// nothing in clear, and the bridge believes no other server. The key is in a file, or with gpg-agent.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as openpgp from 'openpgp';
import { type AgentHome, CURVE25519, openAgentHome, PASSPHRASE, RSA2048 } from '../support/agenthome.ts';
import { ALICE, type FarServer, startBridge, startFarServer } from '../support/bridgeprogram.ts';
import { holds } from '../support/canary.ts';
import { CLI } from '../support/child.ts';
import { filesBelow } from '../support/delivery.ts';
import { needsDovecot } from '../support/dovecot.ts';
import { shortOf } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { type Running, run } from '../support/process.ts';
import { connectImap } from '../support/rawimap.ts';
import { makeKey } from '../support/testkeys.ts';
import { CANARY, clientCases } from './gatewaycases.ts';

/** Where a secret key is, and what it is. */
interface Holder {
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
  /** To seal to. */
  readonly certificateFile: string;
  /** Armored, without a passphrase. */
  readonly secretKey: string;
  close(): Promise<void>;
}

const HOLDERS: Readonly<Record<string, (dir: string) => Promise<Holder>>> = {
  'a key file': async (dir) => {
    const { certificate, secretKey } = await makeKey(ALICE);
    const [args, certificateFile] = [['-k', join(dir, 'secret.asc')], join(dir, 'public.asc')];
    await writeFile(join(dir, 'secret.asc'), secretKey);
    await writeFile(certificateFile, certificate);
    return { args, certificateFile, secretKey, close: async () => undefined };
  },
  'a key file with a passphrase': async (dir) => {
    const { certificate, secretKey } = await makeKey(ALICE);
    const privateKey = await openpgp.readPrivateKey({ armoredKey: secretKey });
    const locked = await openpgp.encryptKey({ privateKey, passphrase: PASSPHRASE });
    const at = (name: string) => join(dir, name);
    await writeFile(at('secret.asc'), locked.armor());
    await writeFile(at('passphrase'), `${PASSPHRASE}\n`);
    await writeFile(at('public.asc'), certificate);
    const args = ['-k', at('secret.asc'), '--passphrase-file', at('passphrase')];
    return { args, certificateFile: at('public.asc'), secretKey, close: async () => undefined };
  },
  'gpg-agent': (dir) => withAgent(dir, CURVE25519),
  'gpg-agent, RSA, with a passphrase that its pinentry asks for': (dir) =>
    withAgent(dir, RSA2048, 'pinentry'),
  'gpg-agent, with a passphrase from a file': (dir) => withAgent(dir, CURVE25519, 'file'),
};

async function withAgent(
  dir: string,
  algorithms: readonly string[],
  asks?: 'pinentry' | 'file',
): Promise<Holder> {
  const home: AgentHome = await openAgentHome();
  const certificateFile = join(dir, 'public.asc');
  await writeFile(certificateFile, await home.makeKey(ALICE, algorithms, asks && PASSPHRASE));
  const exported = await home.gpg(['--armor', '--export-secret-keys', ALICE]);
  const key = await openpgp.readPrivateKey({ armoredKey: exported.toString() });
  const unlocked =
    asks === undefined ? key : await openpgp.decryptKey({ privateKey: key, passphrase: PASSPHRASE });
  await home.forget();
  if (asks === 'pinentry') await home.answers({ passphrase: PASSPHRASE });
  if (asks === 'file') await writeFile(join(dir, 'passphrase'), `${PASSPHRASE}\n`);
  const passphrase = asks === 'file' ? ['--passphrase-file', join(dir, 'passphrase')] : [];
  return {
    args: ['--agent', '-k', certificateFile, ...passphrase],
    ...{ env: home.env, certificateFile, secretKey: unlocked.armor(), close: () => home.close() },
  };
}

/** The secret numbers of a key. */
async function secretNumbers(armoredKey: string): Promise<Buffer[]> {
  const key = await openpgp.readPrivateKey({ armoredKey });
  return key.getKeys().flatMap(({ keyPacket }) => {
    const { privateParams } = keyPacket as openpgp.SecretKeyPacket;
    return Object.values(privateParams ?? {}).map((number) => Buffer.from(number as Uint8Array));
  });
}

for (const [name, hold] of shortOf(Object.entries(HOLDERS), 2))
  describe(`clients at the bridge, ${name}`, {
    ...(await needsDovecot('2.3', 'gpg', 'gpgconf')),
    timeout: 300_000,
  }, () => {
    let far: FarServer;
    let holder: Holder;
    let bridge: { readonly running: Running; readonly port: number };
    before(async () => {
      far = await startFarServer();
      holder = await hold(far.dir);
      const args = [...holder.args, '--ca', far.authority.file];
      bridge = await startBridge(far, { args, ...(holder.env && { env: holder.env }) });
    });
    after(async () => {
      await bridge?.running.stop();
      await holder?.close();
      await far?.stop();
    });
    clientCases(() => ({
      ...{ port: bridge.port, user: ALICE, password: 'pass', mailbox: far.mailbox },
      store: (message) => far.store(message, holder.certificateFile),
    }));

    test('the server has neither a text in clear nor a secret number, in its files and in what it was sent', async () => {
      const received = Buffer.concat(far.received);
      assert.ok(received.includes('BEGIN PGP MESSAGE'), 'messages were sent there');
      const numbers = await secretNumbers(holder.secretKey);
      assert.ok(numbers.length >= 2 && numbers.every(({ length }) => length >= 32));
      // the key itself is found by this search
      const own = Buffer.from(holder.secretKey);
      const binary = Buffer.from((await openpgp.readPrivateKey({ armoredKey: holder.secretKey })).write());
      assert.ok(numbers.every((number) => hasNumber(binary, number)));
      assert.ok(holds(own, 'PRIVATE KEY'));
      const files = await Promise.all(['mail', 'dovecot'].map((part) => filesBelow(join(far.dir, part))));
      for (const { path, bytes } of [{ path: 'what was sent', bytes: received }, ...files.flat()]) {
        for (const text of [CANARY, 'PRIVATE KEY', PASSPHRASE])
          assert.ok(!holds(bytes, text), `${path} has ${text}`);
        for (const number of numbers) assert.ok(!hasNumber(bytes, number), path);
      }
    });
  });

/** In its bytes, hexadecimal, or base64 from its first byte on. */
function hasNumber(bytes: Buffer, number: Buffer): boolean {
  const written = bytes.toString('latin1').replace(/\s/g, '');
  return (
    bytes.includes(number) ||
    written.toLowerCase().includes(number.toString('hex')) ||
    [0, 1, 2].some((skip) => written.includes(number.subarray(skip).toString('base64').slice(0, -4)))
  );
}

describe('sealdir bridge', { ...(await needsDovecot('2.3')), timeout: 240_000 }, () => {
  let far: FarServer;
  const secret = () => ['-k', join(far.dir, 'secret.asc')];
  before(async () => {
    far = await startFarServer();
    await writeFile(join(far.dir, 'secret.asc'), (await makeKey(ALICE)).secretKey);
  });
  after(() => far?.stop());

  test('the server judges the password', async () => {
    const args = [...secret(), '--ca', far.authority.file];
    const { running, port } = await startBridge(far, { args });
    const imap = await connectImap(port);
    await assert.rejects(imap.login(ALICE, 'wrong'), /NO \[AUTHENTICATIONFAILED\]/);
    await (await connectImap(port)).login(ALICE, 'pass');
    assert.equal(await running.stop(), 0);
  });

  test('a certificate of another authority, or of another name, is not believed, and no password goes there', async () => {
    for (const [name, ...more] of [['localhost'], ['127.0.0.1', '--ca', far.authority.file]] as const) {
      far.received.length = 0;
      const { running, port } = await startBridge(far, { args: [...secret(), ...more], name });
      const imap = await connectImap(port);
      await assert.rejects(imap.login(ALICE, 'pass'), /NO \[UNAVAILABLE\]/);
      assert.equal(Buffer.concat(far.received).length, 0);
      await running.stop();
    }
  });

  test('an agent that has ended is started again for the next message', needs('gpg', 'gpgconf'), async () => {
    const holder = await withAgent(far.dir, CURVE25519);
    const args = [...holder.args, '--ca', far.authority.file];
    const { running, port } = await startBridge(far, { args, env: holder.env ?? {} });
    try {
      for (const n of [1, 2]) await far.store(`Subject: ${n}\n\nopened-${n}\n`, holder.certificateFile);
      const imap = await connectImap(port);
      await imap.login(ALICE, 'pass');
      await imap.select('INBOX');
      assert.match((await imap.fetch(1)).bytes.toString(), /opened-1/);
      await run('gpgconf', ['--homedir', holder.env?.GNUPGHOME ?? '', '--kill', 'gpg-agent']);
      assert.match((await imap.fetch(2)).bytes.toString(), /opened-2/);
      await imap.logout();
    } finally {
      await running.stop();
      await holder.close();
    }
  });

  test('it listens for this machine alone, and needs a key that it can read', async () => {
    const code = async (...args: string[]) => (await run(process.execPath, [CLI, 'bridge', ...args])).code;
    assert.equal(await code(...secret(), '--listen', '0.0.0.0:1143', 'localhost'), 64);
    assert.equal(await code(...secret()), 64);
    assert.equal(await code('localhost'), 64);
    assert.equal(await code('-k', far.authority.file, 'localhost'), 65);
  });
});
