// Exim with two Sealdirs that have one store, at two addresses: each has its share, and when one is stopped
// nothing is deferred.

import assert from 'node:assert/strict';
import { readdir, rmdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ChildServer, startChild } from '../support/child.ts';
import { EXIM, needsExim, startExim } from '../support/exim.ts';
import { startHost } from '../support/host.ts';
import { shipped } from '../support/mailhost.ts';
import { freePort } from '../support/port.ts';
import { makeKey } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const MESSAGES = 12;

test('Exim tries the hosts of a list in any order, and the next one when one is stopped', {
  ...(await needsExim()),
  timeout: 240_000,
}, async (t) => {
  const port = await freePort();
  const { certificate } = await makeKey(ALICE);
  const keys = { [ALICE]: certificate };
  const one = await startChild({ keys, listen: [`127.0.0.2:${port}`] });
  const other = await startChild({
    keys,
    listen: [`127.0.0.3:${port}`],
    async prepare(directory) {
      await rmdir(join(directory, 'mail'));
      await symlink(join(one.directory, 'mail'), join(directory, 'mail'));
    },
  });
  const host = await startHost([EXIM]);
  t.after(async () => {
    for (const server of [one, other]) await server.stop();
    await host.stop();
  });
  const exim = await startExim(host, {
    domains: ['example.com'],
    configuration: {
      'main/000_localmacros': shipped('exim/local.macros'),
      'router/350_sealdir': shipped('exim/lmtp.router'),
      'transport/30_sealdir': shipped('exim/tcp.transport')
        .replace(/hosts = .*/, 'hosts = 127.0.0.2 : 127.0.0.3\n  hosts_randomize')
        .replace('port = 2424', `port = ${port}`),
      '../sealdir.acl': '',
    },
  });
  const send = async (count: number) => {
    for (let n = 0; n < count; n++)
      await exim.submit('me@sender.test', [ALICE], `Subject: ${count} ${n}\n\nx\n`);
  };
  const stored = async () => (await readdir(join(one.directory, 'mail/example.com/alice/new'))).length;
  await send(MESSAGES);
  assert.ok([one, other].every((server) => sealed(server) > 0));
  assert.equal(sealed(one) + sealed(other), MESSAGES);
  await one.process.stop();
  await send(MESSAGES);
  assert.deepEqual(await exim.queue(), []);
  assert.doesNotMatch(await exim.log(), / == /);
  assert.equal(await stored(), 2 * MESSAGES);
});

function sealed(server: ChildServer): number {
  return server.process.output().split('"verdict":"stored"').length - 1;
}
