// Keys from web key directories, end to end. A tree that gpg-wks-client made, and a web server elsewhere: in
// a network of its own, where public addresses lead to it.

import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { wkdHash } from '../../src/keys/wkdhash.ts';
import { type ChildServer, CLI, startChild } from '../support/child.ts';
import { openGnupgHome } from '../support/gnupghome.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { type Running, run, start } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { makeAuthority, needsWksClient, WKS_CLIENT } from '../support/wkd.ts';

const MESSAGE = Buffer.from('Subject: x\r\n\r\nhello\r\n');

async function send(socketPath: string, to: string): Promise<string> {
  const session = await openSession(socketPath);
  const { rcpt, final } = await deliver(session, { to: [to], message: MESSAGE });
  await session.vanish();
  return final[0] ?? rcpt[0] ?? '';
}

async function onlyMessage(directory: string, address: string): Promise<Buffer> {
  const mailbox = join(directory, 'mail', ...address.split('@').reverse(), 'new');
  const [file = '', ...more] = await readdir(mailbox);
  assert.deepEqual(more, []);
  return readFile(join(mailbox, file));
}

describe('a local web key directory', needsWksClient(), () => {
  const JOE = 'joe.doe@example.com';
  let server: ChildServer;
  let secretKey: string;

  before(async () => {
    const home = await openGnupgHome();
    await home.gpg(['--quick-generate-key', 'Joe Doe <Joe.Doe@example.com>', 'default', 'default', 'never']);
    const listing = (await home.gpg(['--list-keys', '--with-colons'])).toString();
    const [, fingerprint = ''] = /^fpr:+([0-9A-F]{40}):/m.exec(listing) ?? [];
    secretKey = (await home.gpg(['--armor', '--export-secret-keys'])).toString();
    server = await startChild({
      toml: { rest: 'wkd_directory = "DIR/openpgpkey"' },
      async prepare(directory) {
        const root = join(directory, 'openpgpkey');
        await mkdir(join(root, 'example.com'), { recursive: true });
        const args = ['-C', root, '--install-key', fingerprint, JOE];
        const { code, stderr } = await run(WKS_CLIENT, args, { env: { GNUPGHOME: home.path } });
        assert.equal(code, 0, stderr.toString());
      },
    });
    await home.close();
  });
  after(() => server?.stop());

  test('whoever has a key there is a recipient, and opens what comes', async () => {
    assert.match(await send(server.socketPath, 'Joe.Doe@example.com'), /^250 2\.0\.0 /);
    const opened = await readSealed(await onlyMessage(server.directory, JOE), { certificate: '', secretKey });
    assert.ok(opened.equals(MESSAGE));
    const looked = await run(process.execPath, [
      CLI,
      'lookup',
      '-c',
      join(server.directory, 'sealdir.toml'),
      JOE,
    ]);
    assert.match(looked.stdout.toString(), /^keys +usable\nfrom +keys\.wkd_directory$/m);
  });

  test('nobody else is refused while the key directory is empty, and everybody is once it is not', async () => {
    assert.match(await send(server.socketPath, 'nobody@example.com'), /^451 4\.3\.0 /);
    const { certificate } = await makeKey('other@example.com');
    await writeFile(join(server.directory, 'keys/other@example.com.asc'), certificate);
    assert.match(await send(server.socketPath, 'nobody@example.com'), /^550 5\.1\.1 /);
    assert.match(await send(server.socketPath, 'joe.doe+list@example.com'), /^250 2\.0\.0 /);
    const hashed = join(server.directory, 'openpgpkey/example.com/hu', wkdHash('nobody'));
    await writeFile(hashed, certificate);
    assert.match(await send(server.socketPath, 'nobody@example.com'), /^451 4\.7\.5 /);
  });
});

testLong('a start without the local web key directory that is set is refused', async () => {
  const site = await makeSite();
  const config = join(site, 'sealdir.toml');
  await writeFile(config, tomlFor(site, { toml: { rest: 'wkd_directory = "DIR/missing"' } }));
  const { code, stderr } = await run(process.execPath, [CLI, 'serve', '-c', config]);
  assert.equal(code, 78, stderr);
  assert.match(stderr, /keys\.wkd_directory: \S+missing is no directory/);
  await rm(site, { recursive: true, force: true });
});

/** In the network of the test this is the web server of example.com; no other exists there. */
const ADDRESS = '11.22.33.44';

describe('a web key directory elsewhere', needs('root', 'unshare', 'ip', 'openssl'), () => {
  const ALICE = 'alice@example.com';
  let directory: string;
  let server: Running;
  let alice: TestKey;
  let mallory: TestKey;
  const at = (...parts: string[]) => join(directory, ...parts);
  const socket = () => at('lmtp.sock');
  const published = () => at('web/.well-known/openpgpkey/example.com/hu', `${wkdHash('alice')}?l=alice`);

  before(async () => {
    [alice, mallory] = (await Promise.all([makeKey(ALICE), makeKey(ALICE)])) as [TestKey, TestKey];
    const { certificate } = await makeKey('postmaster@example.com');
    directory = await makeSite({ 'postmaster@example.com': certificate });
    const { caFile } = await makeAuthority(directory);
    await mkdir(join(published(), '..'), { recursive: true });
    await mkdir(at('keystate'));
    await writeFile(published(), alice.certificate);
    await writeFile(at('accounts'), `${ALICE}:x\npostmaster@example.com:x\nbob@example.net:x\n`);
    await writeFile(at('hosts'), `127.0.0.1 localhost\n${ADDRESS} openpgpkey.example.com\n`);
    await writeFile(
      at('sealdir.toml'),
      tomlFor(directory, {
        toml: {
          recipients: 'source = "accounts"\naccounts.file = "DIR/accounts"',
          rest: `wkd = "on"\nwkd_ca_file = "${caFile}"`,
        },
      }),
    );
    await writeFile(
      at('run.sh'),
      `set -e
ip link set lo up
ip addr add ${ADDRESS}/32 dev lo
mount --make-rprivate /
mount --bind ${at('hosts')} /etc/hosts
(cd ${at('web')} && exec openssl s_server -quiet -accept 443 -cert ../server.pem -key ../server.key -WWW) </dev/zero >/dev/null 2>&1 &
exec ${process.execPath} ${CLI} serve -c ${at('sealdir.toml')}
`,
    );
    server = await startServer();
  });
  after(async () => {
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });
  const startServer = () =>
    start('unshare', ['-n', '-m', 'sh', at('run.sh')], {
      ready: (output) => output.includes('"msg":"listening"'),
      graceMs: 2000, // the web server waits for KILL
    });

  test('a recipient without a key here gets mail, sealed to the key that is pinned then', async () => {
    assert.match(await send(socket(), ALICE), /^250 2\.0\.0 /);
    assert.ok((await readSealed(await onlyMessage(directory, ALICE), alice)).equals(MESSAGE));
    assert.deepEqual(await readdir(at('keystate/pins')), [ALICE]);
  });

  testLong(
    'F34: after a restart another key is not used (451 4.7.5), and the log says what to do',
    async () => {
      await server.stop();
      await rename(published(), at('former'));
      await writeFile(published(), mallory.certificate);
      server = await startServer();
      assert.match(await send(socket(), ALICE), /^451 4\.7\.5 /);
      assert.match(
        server.output(),
        /is another one than before: [0-9A-F]{40}, where [0-9A-F]{40} was pinned/,
      );
      await cp(at('former'), published());
      assert.match(await send(socket(), ALICE), /^250 2\.0\.0 /);
    },
  );

  test('F34: a domain that cannot be asked is deferred (451 4.3.0), and nobody else is', async () => {
    assert.match(await send(socket(), 'bob@example.net'), /^451 4\.3\.0 /);
    assert.match(await send(socket(), 'postmaster@example.com'), /^250 2\.0\.0 /);
    assert.match(await send(socket(), 'nobody@example.com'), /^550 5\.1\.1 /);
  });
});
