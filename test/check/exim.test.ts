// What an Exim on the same machine does with mail for us: the real program reads a configuration, and `check`
// asks it. Each fix is then written into that configuration.

import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import {
  type CheckedSite,
  findingsOf,
  type JsonFinding,
  makeCheckedSite,
  needsUsers,
} from '../support/checking.ts';
import { needsExim } from '../support/exim.ts';
import { putExim, withEximUser } from '../support/eximsettings.ts';
import { shortOf, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { makeKey } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const { skip } = await needsExim();
const available = skip === false ? needs('root', 'unshare') : { skip };

interface Setup {
  readonly global?: string;
  readonly acl?: string;
  readonly transports: string;
}

const lmtp = (lines: string, socket: string) => `sealdir:\n  driver = lmtp\n  socket = ${socket}\n${lines}`;
const overTcp = (lines: string) =>
  `sealdir:\n  driver = smtp\n  protocol = lmtp\n  hosts = 127.0.0.1\n  port = 2424\n  allow_localhost\n${lines}`;
const pipe = (lines: string) =>
  `sealdir:\n  driver = pipe\n  command = /usr/bin/sealdir deliver $local_part@$domain\n  user = nobody\n${lines}`;
const GROUP = '  group = sealers\n';
const LINES = '  message_linelength_limit = 1000000\n';
const NO_PREFIX = '  message_prefix =\n  message_suffix =\n';
const SIZE = 'message_size_limit = 50M\n';

/** A setting that hurts, what is found, what is said under "fix", and the configuration after it. */
const CASES: readonly {
  readonly id: string;
  readonly fix: RegExp;
  setup(socket: string): Setup;
  mended(socket: string): Setup;
}[] = [
  {
    id: 'exim-elsewhere',
    fix: /^add a transport with "driver = lmtp" and "socket = \S+lmtp\.sock"/,
    setup: () => ({ transports: lmtp(GROUP, '/run/elsewhere') }),
    mended: (socket) => ({ transports: lmtp(GROUP, socket) }),
  },
  {
    id: 'exim-closed',
    fix: /^set group = sealers in that transport$/,
    setup: (socket) => ({ transports: lmtp('', socket) }),
    mended: (socket) => ({ transports: lmtp(GROUP, socket) }),
  },
  {
    id: 'exim-timeout',
    fix: /^set timeout = 300s in that transport$/,
    setup: (socket) => ({ transports: lmtp(`${GROUP}  timeout = 2m\n`, socket) }),
    mended: (socket) => ({ transports: lmtp(`${GROUP}  timeout = 300s\n`, socket) }),
  },
  {
    id: 'exim-size',
    fix: /^set message_size_limit = 52428800 in Exim/,
    setup: (socket) => ({ global: 'message_size_limit = 100M\n', transports: lmtp(GROUP, socket) }),
    mended: (socket) => ({ global: 'message_size_limit = 52428800\n', transports: lmtp(GROUP, socket) }),
  },
  {
    id: 'exim-8bit',
    fix: /^set accept_8bitmime = true in Exim$/,
    setup: (socket) => ({ global: `${SIZE}accept_8bitmime = false\n`, transports: lmtp(GROUP, socket) }),
    mended: (socket) => ({ global: `${SIZE}accept_8bitmime = true\n`, transports: lmtp(GROUP, socket) }),
  },
  {
    id: 'exim-lines',
    fix: /^set message_linelength_limit = 1000000 in that transport$/,
    setup: () => ({ transports: overTcp('') }),
    mended: () => ({ transports: overTcp(LINES) }),
  },
  {
    id: 'exim-callout-cache',
    fix: /^write verify = recipient\/callout=30s,no_cache$/,
    setup: () => ({ acl: '  require verify = recipient/callout=30s\n', transports: overTcp(LINES) }),
    mended: () => ({
      acl: '  require verify = recipient/callout=30s,no_cache\n',
      transports: overTcp(LINES),
    }),
  },
  {
    id: 'exim-pipe-status',
    fix: /^remove ignore_status from that transport$/,
    setup: () => ({ transports: pipe(`${NO_PREFIX}  ignore_status\n`) }),
    mended: () => ({ transports: pipe(NO_PREFIX) }),
  },
  {
    id: 'exim-pipe-errors',
    fix: /^set temp_errors = 75 in that transport$/,
    setup: () => ({ transports: pipe(`${NO_PREFIX}  temp_errors = 73\n`) }),
    mended: () => ({ transports: pipe(`${NO_PREFIX}  temp_errors = 75\n`) }),
  },
  {
    id: 'exim-pipe-prefix',
    fix: /^write "message_prefix =" and "message_suffix =" in that transport$/,
    setup: () => ({ transports: pipe('') }),
    mended: () => ({ transports: pipe(NO_PREFIX) }),
  },
  {
    id: 'exim-unread',
    fix: /^run exim4 -bP transports, and mend what it says$/,
    setup: (socket) => ({ global: 'no_such_option\n', transports: lmtp(GROUP, socket) }),
    mended: (socket) => ({ transports: lmtp(GROUP, socket) }),
  },
];

function configurationOf(directory: string, { global = SIZE, acl, transports }: Setup): string {
  const acls = acl === undefined ? '' : `begin acl\nrcpt:\n${acl}  accept\n`;
  const named = acl === undefined ? '' : 'acl_smtp_rcpt = rcpt\n';
  const head = `primary_hostname = mx.example.com\nspool_directory = ${directory}\n`;
  return `${head}keep_environment =\n${named}${global}${acls}begin transports\n${transports}`;
}

describe('check, beside an Exim', available.skip === false ? needsUsers() : available, () => {
  let certificate = '';

  before(async () => {
    ({ certificate } = await makeKey(ALICE));
  });

  const check = async (site: CheckedSite, setup: Setup): Promise<readonly JsonFinding[]> => {
    await putExim(site.at('bin'), configurationOf(site.at('spool'), setup));
    return findingsOf(site, { within: await withEximUser(site.directory) });
  };

  for (const { id, fix, setup, mended } of shortOf(CASES, 2))
    test(`finds ${id}, and not any more once its fix is written down`, async () => {
      const site = await makeCheckedSite({ [ALICE]: certificate });
      await mkdir(site.at('spool'));
      const socket = site.at('run/lmtp.sock');
      await site.configure({ lmtp: `listen = ["${socket}", "127.0.0.1:2424"]` });
      const found = await check(site, setup(socket));
      const again = await check(site, mended(socket));
      await site.remove();
      assert.deepEqual(
        found.map((each) => each.id),
        [id],
        JSON.stringify(found),
      );
      assert.match(found[0]?.fix ?? '', fix);
      assert.deepEqual(again, []);
    });

  testLong('an Exim that does not answer is left alone after five seconds', async () => {
    const site = await makeCheckedSite({ [ALICE]: certificate });
    await writeFile(site.at('bin/exim4'), '#!/bin/sh\nexec sleep 1000\n', { mode: 0o755 });
    const found = await findingsOf(site);
    await site.remove();
    assert.deepEqual(
      found.map(({ what }) => what),
      ['exim4 -bP transports: no answer in 5 s'],
    );
  });
});
