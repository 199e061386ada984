// What keeps a server from starting is an error of `check`, and a server that starts is none.

import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { before, describe, test } from 'node:test';
import {
  type Changes,
  type CheckedSite,
  makeCheckedSite,
  needsUsers,
  SERVER_UID,
} from '../support/checking.ts';
import { CLI } from '../support/child.ts';
import { shortOf, testLong } from '../support/long.ts';
import { freePort } from '../support/port.ts';
import { run, start } from '../support/process.ts';
import { makeKey } from '../support/testkeys.ts';
import { openAuthority } from '../support/tls.ts';

interface Fault {
  readonly name: string;
  /** Breaks the site; the lines of the configuration that belong to it. */
  arrange(site: CheckedSite): Promise<Changes | undefined>;
  /** In the error of `check`. */
  readonly says: RegExp;
  /** In the last words of `serve`. */
  readonly stops: RegExp;
}

const put = (site: CheckedSite, file: string) => writeFile(site.at(file), 'x');
const listenOn = (text: string): Changes => ({ lmtp: `listen = [${JSON.stringify(text)}]` });

const FAULTS: readonly Fault[] = [
  {
    name: 'no directory for the socket',
    arrange: async (site) => void (await rm(site.at('run'), { recursive: true })),
    says: /lmtp\.listen: \S+run does not exist/,
    stops: /lmtp\.listen: .*lmtp\.sock\.lock/,
  },
  {
    name: 'a socket directory that it may not write to',
    arrange: async (site) => void (await close(site.at('run'), 0o555)),
    says: /lmtp\.listen: no socket can be made in \S+run, which is closed to the user with uid/,
    stops: /lmtp\.listen: .*EACCES/,
  },
  {
    name: 'a lock file of another user',
    async arrange(site) {
      await put(site, 'run/lmtp.sock.lock');
      await close(site.at('run/lmtp.sock.lock'), 0o400);
      return undefined;
    },
    says: /the lock file \S+lmtp\.sock\.lock is closed to .*\n.*\n +fix: rm -r '/,
    stops: /lmtp\.listen: .*EACCES.*lmtp\.sock\.lock/,
  },
  {
    name: 'a directory in the place of the lock file',
    arrange: async (site) => void (await mkdir(site.at('run/lmtp.sock.lock'))),
    says: /lmtp\.sock\.lock is a directory, not a lock file/,
    stops: /lmtp\.listen: .*EISDIR/,
  },
  {
    name: 'a named pipe in the place of the lock file',
    arrange: async (site) => void (await run('mkfifo', ['-m', '666', site.at('run/lmtp.sock.lock')])),
    says: /lmtp\.sock\.lock is a named pipe, not a lock file/,
    stops: /lmtp\.listen: .*ENXIO/,
  },
  {
    name: 'a link in the place of the lock file',
    arrange: (site) => symlink(site.at('sealdir.toml'), site.at('run/lmtp.sock.lock')).then(() => undefined),
    says: /lmtp\.sock\.lock is a link, not a lock file/,
    stops: /lmtp\.listen: .*ELOOP/,
  },
  {
    name: 'a file in the place of the socket',
    arrange: async (site) => void (await put(site, 'run/lmtp.sock')),
    says: /lmtp\.sock is a file, where a socket has to be made/,
    stops: /lmtp\.sock: exists and is no socket/,
  },
  {
    name: 'a directory in the place of the socket',
    arrange: async (site) => void (await mkdir(site.at('run/lmtp.sock'))),
    says: /lmtp\.sock is a directory, where/,
    stops: /lmtp\.sock: exists and is no socket/,
  },
  {
    name: 'a link in the place of the socket',
    arrange: async (site) => void (await symlink('elsewhere', site.at('run/lmtp.sock'))),
    says: /lmtp\.sock is a link, where/,
    stops: /lmtp\.sock: exists and is no socket/,
  },
  {
    name: 'a named pipe in the place of the socket',
    arrange: async (site) => void (await run('mkfifo', [site.at('run/lmtp.sock')])),
    says: /lmtp\.sock is a named pipe, where/,
    stops: /lmtp\.sock: exists and is no socket/,
  },
  {
    name: 'one path for LMTP and metrics',
    arrange: async (site) => ({ metrics: `listen = "${site.at('run/lmtp.sock')}"` }),
    says: /lmtp\.sock is in use twice/,
    stops: /another server listens here/,
  },
  {
    name: 'one path for LMTP and the maps',
    arrange: async (site) => ({ recipients: `map_listen = "${site.at('run/lmtp.sock')}"` }),
    says: /lmtp\.listen and recipients\.map_listen: \S+lmtp\.sock is in use twice/,
    stops: /another server listens here/,
  },
  {
    name: 'a missing directory for mailboxes of a source',
    arrange: async (site) => ({ recipients: `roots = ["${site.at('mail')}", "${site.at('vmail')}"]` }),
    says: /recipients\.roots: \S+vmail does not exist/,
    stops: /recipients\.roots: \S+vmail is no directory/,
  },
  {
    name: 'no web key directory',
    arrange: async (site) => ({
      keys: `directory = "${site.at('keys')}"\nwkd_directory = "${site.at('wkd')}"`,
    }),
    says: /keys\.wkd_directory: \S+wkd does not exist/,
    stops: /keys\.wkd_directory: \S+wkd is no directory/,
  },
  {
    name: 'no directory for the socket of metrics',
    arrange: async (site) => ({ metrics: `listen = "${site.at('none/metrics.sock')}"` }),
    says: /metrics\.listen: \S+none does not exist/,
    stops: /none\/metrics\.sock\.lock/,
  },
  {
    name: 'no directory for the socket of the maps',
    arrange: async (site) => ({ recipients: `map_listen = "${site.at('none/map.sock')}"` }),
    says: /recipients\.map_listen: \S+none does not exist/,
    stops: /none\/map\.sock\.lock/,
  },
  {
    name: 'no certificate',
    arrange: async (site) => ({
      tls: `certificate = ["${site.at('none.pem')}"]\nkey = ["${site.at('none.key')}"]`,
    }),
    says: /tls\.certificate: \S+none\.pem cannot be read \(ENOENT\)/,
    stops: /tls\.certificate: \S+none\.pem cannot be read \(ENOENT\)/,
  },
  {
    name: 'no authority for certificates of clients',
    async arrange(site) {
      const authority = await openAuthority(site.directory);
      const { pem, key } = await authority.certify('mx.example.com', { names: ['mx.example.com'] });
      await chown(key, SERVER_UID, SERVER_UID);
      const client = `client_ca = "${site.at('none.pem')}"`;
      return {
        lmtp: 'listen = ["127.0.0.1:0"]\nrequire_tls = true',
        tls: `certificate = ["${pem}"]\nkey = ["${key}"]\n${client}`,
      };
    },
    says: /tls\.client_ca: \S+none\.pem cannot be read \(ENOENT\)/,
    stops: /tls\.client_ca: \S+none\.pem cannot be read \(ENOENT\)/,
  },
  {
    name: 'LMTP in clear beyond the loopback',
    arrange: async () => listenOn('0.0.0.0:0'),
    says: /lmtp\.listen: mail could come in clear on 0\.0\.0\.0/,
    stops: /lmtp\.listen: mail could come in clear on 0\.0\.0\.0/,
  },
  {
    name: 'a preset for another database',
    arrange: async () => ({
      recipients: 'source = "sql"\npreset = "mailinabox"\nsql.url = "mysql://u@127.0.0.1/mail"',
    }),
    says: /recipients\.source: recipients\.preset: mailinabox has no mysql database/,
    stops: /recipients\.source: recipients\.preset: mailinabox has no mysql database/,
  },
  {
    name: 'one port for LMTP and metrics',
    async arrange() {
      const port = await freePort();
      return { ...listenOn(`127.0.0.1:${port}`), metrics: `listen = "127.0.0.1:${port}"` };
    },
    says: /another program listens on 127\.0\.0\.1:\d+/,
    stops: /EADDRINUSE/,
  },
  {
    name: 'an address that this machine does not have',
    arrange: async () => listenOn('192.0.2.1:2424'),
    says: /lmtp\.listen: this machine does not have the address 192\.0\.2\.1/,
    stops: /lmtp\.listen: .*EADDRNOTAVAIL/,
  },
  {
    name: 'no store',
    arrange: async (site) => void (await rename(site.at('mail'), site.at('unmounted'))),
    says: /store\.maildir: \S+mail does not exist/,
    stops: /store\.maildir: \S+mail is no directory/,
  },
  {
    name: 'a file in the place of the store',
    async arrange(site) {
      await rm(site.at('mail'), { recursive: true });
      await put(site, 'mail');
      return undefined;
    },
    says: /store\.maildir: \S+mail is a file, not a directory/,
    stops: /store\.maildir: \S+mail is no directory/,
  },
  {
    name: 'no key directory',
    arrange: async (site) => void (await rm(site.at('keys'), { recursive: true })),
    says: /keys\.directory: \S+keys does not exist.*\n.*\n +fix: mkdir -p -m 755 '/,
    stops: /keys\.directory: \S+keys is no directory/,
  },
  {
    name: 'a key directory that is a link to itself',
    async arrange(site) {
      await rm(site.at('keys'), { recursive: true });
      await symlink('keys', site.at('keys'));
      return undefined;
    },
    says: /keys\.directory: \S+keys is a link that leads back to itself/,
    stops: /ELOOP/,
  },
  {
    name: 'a key directory in one that is closed',
    async arrange(site) {
      await mkdir(site.at('vault'));
      await rename(site.at('keys'), site.at('vault/keys'));
      await close(site.at('vault'), 0o600);
      return { keys: `directory = "${site.at('vault/keys')}"` };
    },
    says: /keys\.directory: \S+vault\/keys is behind \S+vault, which is closed to the user with uid/,
    stops: /EACCES/,
  },
];

/** Leaves a file or directory to its owner, root, with these permissions. */
async function close(path: string, mode: number): Promise<void> {
  if (process.getuid?.() === 0) await chown(path, 0, 0);
  await chmod(path, mode);
}

describe('check, of what serve needs to start', needsUsers(), () => {
  let certificate = '';

  before(async () => {
    ({ certificate } = await makeKey('alice@example.com'));
  });
  const fresh = () => makeCheckedSite({ 'alice@example.com': certificate });

  for (const { name, arrange, says, stops } of shortOf(FAULTS, 2)) {
    test(`${name}: an error of check, and the end of serve`, async () => {
      const site = await fresh();
      await site.configure(await arrange(site));
      const { code, text } = await site.check();
      const served = await site.sealdir('serve');
      await site.remove();
      assert.match(text, says);
      assert.equal(code, 2, text);
      assert.match(served.stderr, stops);
      assert.equal(served.code, 78, served.stderr);
    });
  }

  testLong('a port that another program listens on, and one that root alone may open', async () => {
    const site = await fresh();
    const busy = await listening();
    const { port } = busy.address() as { port: number };
    const least = await readFile('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8');
    await site.configure({
      ...listenOn(`127.0.0.1:${Number(least) > 24 ? 24 : port}`),
      metrics: `listen = "127.0.0.1:${port}"`,
    });
    const { code, text } = await site.check();
    const served = await site.sealdir('serve');
    busy.close();
    await site.remove();
    assert.equal(code, 2);
    assert.match(
      text,
      new RegExp(`error: metrics\\.listen: another program listens on 127\\.0\\.0\\.1:${port}`),
    );
    if (Number(least) > 24) assert.match(text, /error: lmtp\.listen: only root may open 127\.0\.0\.1:24,/);
    assert.equal(served.code, 78);
  });

  testLong('another program on the path of the socket', async () => {
    const site = await fresh();
    const other = createServer((socket) => {
      socket.on('error', () => undefined); // serve leaves without reading
      socket.end('220 other.example SMTP\r\n');
    });
    await new Promise<void>((resolve) => other.listen(site.at('run/lmtp.sock'), resolve));
    await chmod(site.at('run/lmtp.sock'), 0o666);
    const { code, text } = await site.check();
    const served = await site.sealdir('serve');
    other.close();
    await site.remove();
    assert.equal(code, 2);
    assert.match(text, /error: lmtp\.listen: another program listens on \S+lmtp\.sock/);
    assert.equal(served.code, 78);
  });

  test('a running server is no finding, on its socket and its ports', async () => {
    const site = await fresh();
    const ports = [await freePort(), await freePort()];
    await site.configure({
      lmtp: `listen = ["${site.at('run/lmtp.sock')}", "127.0.0.1:${ports[0]}"]`,
      metrics: `listen = "127.0.0.1:${ports[1]}"`,
    });
    const running = await start(process.execPath, [CLI, 'serve', '-c', site.at('sealdir.toml')], {
      uid: process.getuid?.() === 0 ? SERVER_UID : (process.getuid?.() ?? 0),
      gid: process.getuid?.() === 0 ? SERVER_UID : (process.getgid?.() ?? 0),
      env: site.withoutPostfix,
      ready: (output) => output.includes('"msg":"listening"'),
    });
    const { code, text } = await site.check();
    await running.stop();
    await site.remove();
    assert.match(text, /: 0 errors, 0 warnings\n$/);
    assert.equal(code, 0);
  });

  testLong('check leaves no file behind', async () => {
    const site = await fresh();
    const before = await run('find', [site.directory, '-printf', '%p %m %U %s\\n']);
    assert.equal((await site.check()).code, 0);
    const after = await run('find', [site.directory, '-printf', '%p %m %U %s\\n']);
    await site.remove();
    assert.equal(after.stdout.toString(), before.stdout.toString());
  });
});

function listening(): Promise<Server> {
  const server = createServer();
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}
