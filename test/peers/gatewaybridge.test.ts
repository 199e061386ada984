// `sealdir bridge` on the user's own machine, before an IMAP server with TLS elsewhere: the server gets
// nothing in clear, and the bridge believes no other server.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createServer, type Server } from 'node:tls';
import { CLI } from '../support/child.ts';
import { type Dovecot, needsDovecot, startDovecotImap } from '../support/dovecot.ts';
import { freePort } from '../support/port.ts';
import { type Running, run, start } from '../support/process.ts';
import { connectImap } from '../support/rawimap.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { type Authority, openAuthority } from '../support/tls.ts';

const ALICE = 'alice@example.com';
const LETTER = 'From: joe@example.org\r\nSubject: a letter\r\n\r\ncanary-word\r\n';

describe('sealdir bridge', { ...(await needsDovecot('2.3')), timeout: 240_000 }, () => {
  let dir: string;
  let dovecot: Dovecot;
  let authority: Authority;
  let server: Server;
  let key: TestKey;
  const mailbox = (below: string) => join(dir, 'mail/example.com/alice', below);

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sealdir-bridge-'));
    for (const part of ['tmp', 'new', 'cur']) await mkdir(mailbox(part), { recursive: true });
    dovecot = await startDovecotImap({ dir });
    await dovecot.adopt(join(dir, 'mail'));
    authority = await openAuthority(dir);
    const { pem, key: own } = await authority.certify('server', { names: ['localhost'] });
    // the TLS of the server; what passes is kept
    server = createServer({ cert: readFileSync(pem), key: readFileSync(own) }, (client) => {
      const behind = connect(dovecot.port, '127.0.0.1');
      client.on('data', (bytes) => seen.push(bytes));
      for (const each of [client, behind]) each.on('error', () => undefined);
      client.pipe(behind).pipe(client);
    }).listen(0, '127.0.0.1');
    server.on('tlsClientError', () => undefined);
    await once(server, 'listening');
    key = await makeKey(ALICE);
    await writeFile(join(dir, 'secret.asc'), key.secretKey);
  });
  after(async () => {
    server?.close();
    await dovecot?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const seen: Buffer[] = [];
  const bridge = async (name: string, ...more: string[]): Promise<{ running: Running; port: number }> => {
    const port = await freePort();
    const { port: far } = server.address() as AddressInfo;
    const args = [CLI, 'bridge', '-k', join(dir, 'secret.asc'), '--listen', `127.0.0.1:${port}`, ...more];
    const ready = (output: string) => output.includes('IMAP for programs on this machine');
    return { running: await start(process.execPath, [...args, `${name}:${far}`], { ready }), port };
  };

  test('mail is sealed before it leaves, and opened when it comes; the server judges the password', async () => {
    const { running, port } = await bridge('localhost', '--ca', authority.file);
    try {
      const imap = await connectImap(port);
      await assert.rejects(imap.login(ALICE, 'wrong'), /NO \[AUTHENTICATIONFAILED\]/);
      const again = await connectImap(port);
      await again.login(ALICE, 'pass');
      await again.command(`APPEND INBOX {${LETTER.length}+}\r\n${LETTER}`);
      assert.equal(await again.select('INBOX'), 1);
      assert.equal((await again.fetch(1)).bytes.toString(), LETTER);
      await again.logout();
      assert.doesNotMatch(Buffer.concat(seen).toString('latin1'), /canary|PRIVATE KEY/);
      const [file = ''] = ['new', 'cur'].flatMap((part) =>
        readdirSync(mailbox(part)).map((name) => join(part, name)),
      );
      assert.equal((await readSealed(readFileSync(mailbox(file)), key)).toString(), LETTER);
    } finally {
      assert.equal(await running.stop(), 0);
    }
  });

  test('a certificate of another authority, or of another name, is not believed, and no password goes there', async () => {
    for (const [name, ...more] of [['localhost'], ['127.0.0.1', '--ca', authority.file]] as const) {
      seen.length = 0;
      const { running, port } = await bridge(name, ...more);
      try {
        const imap = await connectImap(port);
        await assert.rejects(imap.login(ALICE, 'pass'), /NO \[UNAVAILABLE\]/);
        assert.equal(Buffer.concat(seen).length, 0);
      } finally {
        await running.stop();
      }
    }
  });

  test('it listens for this machine alone, and needs a key that it can read', async () => {
    const code = async (...args: string[]) => (await run(process.execPath, [CLI, 'bridge', ...args])).code;
    const secret = ['-k', join(dir, 'secret.asc')];
    assert.equal(await code(...secret, '--listen', '0.0.0.0:1143', 'localhost'), 64);
    assert.equal(await code(...secret), 64);
    assert.equal(await code('localhost'), 64);
    assert.equal(await code('-k', authority.file, 'localhost'), 65);
  });
});
