// What others may see or do although no key is in danger: modes of store, state and sockets, addresses, the
// process.

import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { type CheckedSite, makeCheckedSite, needsUsers, SERVER_UID } from '../support/checking.ts';
import { CLI } from '../support/child.ts';
import { shortOf } from '../support/long.ts';
import { freePort } from '../support/port.ts';
import { run } from '../support/process.ts';
import { makeKey } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';

async function makeState(site: CheckedSite, mode: number): Promise<void> {
  await mkdir(site.at('run/state'));
  await chown(site.at('run/state'), SERVER_UID, SERVER_UID);
  await chmod(site.at('run/state'), mode);
}

interface Oddity {
  readonly name: string;
  arrange(site: CheckedSite): Promise<unknown>;
  readonly says: RegExp;
  readonly code: 1 | 2;
}

const ODDITIES: readonly Oddity[] = [
  {
    name: 'a store that others may look into',
    arrange: (site) => chmod(site.at('mail'), 0o705),
    says: /warning: store\.maildir: others may look into \S+mail/,
    code: 1,
  },
  {
    name: 'a store that others may write to',
    arrange: (site) => chmod(site.at('mail'), 0o707),
    says: /warning: store\.maildir: others may write to \S+mail/,
    code: 1,
  },
  {
    name: 'a store that is not writable',
    arrange: (site) => chmod(site.at('mail'), 0o500),
    says: /error: store\.maildir: \S+mail is closed to the user with uid 47110\n.*\n +fix: chown 47110 /,
    code: 2,
  },
  {
    name: 'a store that is nearly full',
    arrange: (site) =>
      site.configure({
        store: `maildir = "${site.at('mail/{local}')}"\nstate = "${site.at('run/state')}"\nmin_free_space = "8000000GiB"`,
      }),
    says: /error: store\.maildir: \d+ bytes are free at \S+mail, and mail is deferred below \d+/,
    code: 2,
  },
  {
    name: 'a state directory that others may look into',
    arrange: (site) => makeState(site, 0o750),
    says: /warning: store\.state: others may look into \S+state\n.*\n +fix: chmod 700 '/,
    code: 1,
  },
  {
    name: 'a state directory that others may write to',
    arrange: (site) => makeState(site, 0o770),
    says: /error: store\.state: others may write to \S+state/,
    code: 2,
  },
  {
    name: 'a state directory that cannot be used',
    arrange: (site) => makeState(site, 0o500),
    says: /warning: store\.state: \S+state is closed to .*/,
    code: 1,
  },
  ...(
    [
      ['a secret that was cut', (path: string) => writeFile(join(path, 'secret'), 'short', { mode: 0o600 })],
      ['a directory in the place of its lock', (path: string) => mkdir(join(path, 'lock'))],
      ['a named pipe in the place of its secret', (path: string) => run('mkfifo', [join(path, 'secret')])],
    ] as const
  ).map(([name, arrange]) => ({
    name: `a state directory with ${name}`,
    async arrange(site: CheckedSite) {
      await makeState(site, 0o700);
      await arrange(site.at('run/state'));
      for (const each of await readdir(site.at('run/state')))
        await chown(site.at('run/state', each), SERVER_UID, SERVER_UID);
    },
    says: /warning: store\.state: \S+state.*/,
    code: 1 as const,
  })),
  {
    name: 'a state directory that cannot be made',
    arrange: (site) =>
      site.configure({ store: `maildir = "${site.at('mail/{local}')}"\nstate = "/var/none/state"` }),
    says: /warning: store\.state: \/var\/none\/state cannot be made: \/var\/none does not exist/,
    code: 1,
  },
  {
    name: 'sockets for every user',
    arrange: (site) =>
      site.configure({ lmtp: `listen = ["${site.at('run/lmtp.sock')}"]\nsocket_mode = "0666"` }),
    says: /warning: lmtp\.socket_mode: every user of this machine may deliver mail/,
    code: 1,
  },
  {
    name: 'sockets for nobody else',
    arrange: (site) =>
      site.configure({ lmtp: `listen = ["${site.at('run/lmtp.sock')}"]\nsocket_mode = "0600"` }),
    says: /warning: lmtp\.socket_mode: only the user that Sealdir runs as, and root, may deliver mail/,
    code: 1,
  },
  {
    name: 'LMTP in clear for everybody',
    arrange: async (site) => site.configure({ lmtp: `listen = ["0.0.0.0:${await freePort()}"]` }),
    says: /error: lmtp\.listen: mail could come in clear on 0\.0\.0\.0, which is not the loopback/,
    code: 2,
  },
  {
    name: 'LMTP for everybody, in clear on purpose',
    arrange: async (site) =>
      site.configure({ lmtp: `listen = ["0.0.0.0:${await freePort()}"]\nplain_beyond_loopback = true` }),
    says: /warning: lmtp\.listen: 0\.0\.0\.0:\d+ can be reached from elsewhere/,
    code: 1,
  },
  {
    name: 'metrics for everybody',
    arrange: async (site) => site.configure({ metrics: `listen = "0.0.0.0:${await freePort()}"` }),
    says: /warning: metrics\.listen: 0\.0\.0\.0:\d+ can be reached from elsewhere/,
    code: 1,
  },
];

describe('check, of modes and addresses', needsUsers(), () => {
  let certificate = '';

  before(async () => {
    ({ certificate } = await makeKey(ALICE));
  });

  for (const { name, arrange, says, code } of shortOf(ODDITIES, 3)) {
    test(`${name}: ${code === 1 ? 'a warning, and exit code 1' : 'an error, and exit code 2'}`, async () => {
      const site = await makeCheckedSite({ [ALICE]: certificate });
      await arrange(site);
      const found = await site.check();
      await site.remove();
      assert.match(found.text, says);
      assert.match(found.text, code === 1 ? /: 0 errors, 1 warnings\n$/ : /: 1 errors, 0 warnings\n$/);
      assert.equal(found.code, code);
    });
  }

  test('a check that runs as root says so, and one that may dump core', async () => {
    const site = await makeCheckedSite({ [ALICE]: certificate });
    const check = [process.execPath, CLI, 'check', '-c', site.at('sealdir.toml')];
    const env = site.withoutPostfix;
    const { code, stdout } = await run('prlimit', ['--core=unlimited', '--', ...check], { env });
    await site.remove();
    assert.match(stdout.toString(), /warning: this process runs as root/);
    assert.match(stdout.toString(), /warning: core dumps are allowed/);
    assert.equal(code, 1);
  });
});
