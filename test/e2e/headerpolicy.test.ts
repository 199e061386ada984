// Header policies that a recipient source names, end to end: what a delivery stores, what `lookup` says, and
// what `seal` writes.

import assert from 'node:assert/strict';
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ChildServer, CLI, startChild } from '../support/child.ts';
import { freshKey, openSealed } from '../support/freshkey.ts';
import { type HttpSource, startHttpSource } from '../support/httpsource.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { shortOf, testLong } from '../support/long.ts';
import { run } from '../support/process.ts';

const MESSAGE = Buffer.from('From: a@example.org\r\nTo: x@example.org\r\nSubject: canary\r\n\r\nbody\r\n');
const key = await freshKey('site@example.com');

/** What the recipient source answers. */
const RECIPIENTS: Record<string, object> = {
  'says-minimal@example.com': { header_policy: 'minimal' },
  'says-visible@example.com': { header_policy: 'visible' },
  'listed@example.com': {},
  'others@example.com': {},
  'odd@example.com': { header_policy: 'hidden' },
};
const USABLE = Object.keys(RECIPIENTS).filter((address) => address !== 'odd@example.com');

describe('header policies of a recipient source', () => {
  let source: HttpSource;
  let server: ChildServer;

  before(async () => {
    source = await startHttpSource(RECIPIENTS);
    server = await startChild({
      keys: Object.fromEntries(Object.keys(RECIPIENTS).map((address) => [address, key.certificate])),
      toml: { recipients: source.toml },
      async prepare(directory) {
        const recipients = '["listed@example.com: minimal", "says-visible@example.com: minimal"]';
        const headers = `[headers]\npolicy = "baseline"\nrecipients = ${recipients}\n`;
        await appendFile(join(directory, 'sealdir.toml'), headers);
        await writeFile(join(directory, 'secret.asc'), key.secretKey);
      },
    });
  });
  after(async () => {
    await server?.stop();
    source?.close();
  });

  const sealdir = (args: string[], stdin?: Uint8Array) =>
    run(process.execPath, [CLI, ...args], { cwd: server.directory, ...(stdin && { stdin }) });

  /** Tells by what stands outside which policy a copy was sealed with, once its insides are checked. */
  async function policyOf(sealed: Buffer): Promise<string> {
    const outside = sealed.subarray(0, sealed.indexOf('-----BEGIN')).toString();
    const { plaintext } = await openSealed(sealed, [key.secret]);
    assert.equal(plaintext.equals(MESSAGE), outside.includes('canary'), 'the inside of another policy');
    const original = await sealdir(['open', '-k', 'secret.asc', '--original'], sealed);
    assert.ok(original.stdout.equals(MESSAGE), original.stderr);
    if (outside.includes('canary')) return 'visible';
    return outside.includes('x@example.org') ? 'baseline' : 'minimal';
  }

  test('one message is sealed with the policy of each recipient: source, list, site', async () => {
    const session = await openSession(server.socketPath);
    const { final } = await deliver(session, { to: USABLE, message: MESSAGE });
    await session.vanish();
    assert.deepEqual(
      final.map((reply) => reply.slice(0, 9)),
      USABLE.map(() => '250 2.0.0'),
    );
    const policies = await Promise.all(
      USABLE.map(async (address) => {
        const directory = join(server.directory, 'mail', ...address.split('@').reverse(), 'new');
        const [file = '', ...others] = await readdir(directory);
        assert.equal(others.length, 0);
        const bytes = await readFile(join(directory, file));
        const lines = bytes.toString('latin1').split('\n').length - 1;
        assert.ok(file.endsWith(`,S=${bytes.length},W=${bytes.length + lines}`), file);
        return policyOf(bytes);
      }),
    );
    assert.deepEqual(policies, ['minimal', 'visible', 'minimal', 'baseline']);
  });

  test('a word that is no policy defers its recipient', async () => {
    const session = await openSession(server.socketPath);
    const { rcpt } = await deliver(session, { to: ['odd@example.com'], message: MESSAGE });
    await session.vanish();
    assert.match(rcpt[0] ?? '', /^451 4\.4\.3 /);
  });

  testLong('lookup names the policy, and seal seals with it', async () => {
    const found = await Promise.all(
      shortOf(USABLE, 3).map(async (address) => {
        const looked = (await sealdir(['lookup', '-c', 'sealdir.toml', address])).stdout.toString();
        const sealed = await sealdir(['seal', '-c', 'sealdir.toml', '-r', address], MESSAGE);
        assert.equal(sealed.code, 0, sealed.stderr);
        const [, named = 'visible'] = /^headers {2}(\S+)$/m.exec(looked) ?? [];
        return [named, await policyOf(sealed.stdout)];
      }),
    );
    const policies = ['minimal', 'visible', 'minimal', 'baseline'];
    assert.deepEqual(
      found,
      shortOf(policies, 3).map((policy) => [policy, policy]),
    );
  });
});
