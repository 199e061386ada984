// What goes wrong with the key or the process of one user while sessions are on, at `sealdir gateway`: what
// cannot be opened is shown sealed, nothing is stored in clear or to a key that was replaced, and the
// sessions of other users go on.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import type { ImapFlow } from 'imapflow';
import { filesBelow } from '../support/delivery.ts';
import { COMPLAINTS, needsDovecot } from '../support/dovecot.ts';
import { ALICE, type GatewayProgram, startGatewayProgram } from '../support/gatewayprogram.ts';
import { connectImap, fetchMessage, select } from '../support/imapclient.ts';
import { shortOf } from '../support/long.ts';
import { childrenWith } from '../support/proc.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const [BOB, CARLA] = ['bob@example.com', 'carla@example.com'];
const CANARY = 'closed-canary-word';
const messageOf = (subject: string) =>
  Buffer.from(`From: joe@example.org\r\nSubject: ${subject}\r\n\r\n${CANARY} ${subject}\r\n`);

for (const who of shortOf(['user', 'master'] as const, 1))
  describe(`at the gateway, what fails is closed (Dovecot's login: ${who})`, {
    ...(await needsDovecot('2.3')),
    timeout: 240_000,
  }, () => {
    let gateway: GatewayProgram;
    let bob: ImapFlow;
    before(async () => {
      gateway = await startGatewayProgram(who);
      await gateway.store(messageOf('first'));
      const secrets = await gateway.enrol(BOB, await makeKey(BOB));
      bob = await connectImap(gateway.port, BOB, secrets.device);
      await bob.append('INBOX', messageOf('of bob'));
    });
    after(async () => {
      await bob?.logout();
      await gateway?.stop();
    });
    afterEach(async () => {
      assert.equal(await select(bob, 'INBOX'), 1, 'the session of another user goes on');
      assert.deepEqual((await fetchMessage(bob, 1)).bytes, messageOf('of bob'));
      for (const { path, bytes } of await filesBelow(join(gateway.dir, 'mail')))
        assert.ok(!bytes.includes(CANARY), path);
      assert.doesNotMatch(gateway.dovecot.log(), COMPLAINTS);
    });

    /** Processes of users, and the one that waits. */
    const processes = () => childrenWith(gateway.running.pid, 'userprocess.js');
    const endOf = (imap: ImapFlow) => new Promise((resolve) => imap.once('close', resolve));
    const storedFor = async (address: string) => {
      const [local = ''] = address.split('@');
      const all = await filesBelow(join(gateway.dir, 'mail/example.com', local));
      return all.filter(({ path }) => /^(new|cur)\//.test(path));
    };

    test('F45: the process of a user is killed, and that of another user is not concerned', async () => {
      await until('a process waits', () => processes().length === 2);
      const waiting = processes();
      const alice = await connectImap(gateway.port, ALICE, gateway.secrets.device);
      assert.deepEqual((await fetchMessage(alice, await select(alice, 'INBOX'))).bytes, messageOf('first'));
      await until('another one waits', () => processes().length === 3);
      const ended = endOf(alice);
      process.kill(Number(waiting.at(-1)), 'SIGKILL');
      await ended;
    });

    test('F49: a wrapped key is replaced while sessions are on: they end, and the old key opens and seals nothing', async () => {
      const alice = await connectImap(gateway.port, ALICE, gateway.secrets.device);
      assert.equal(await select(alice, 'INBOX'), 1);
      const next: TestKey = await makeKey(ALICE);
      const secrets = await gateway.enrol(ALICE, next);
      // who has the sessions that are on keeps them, until the new key is used
      assert.deepEqual((await fetchMessage(alice, 1)).bytes, messageOf('first'));
      await assert.rejects(connectImap(gateway.port, ALICE, gateway.secrets.device));
      const ended = endOf(alice);
      await assert.rejects(connectImap(gateway.port, ALICE, secrets.device), 'it is told to try again');
      await ended;
      assert.equal(gateway.logged('gateway key replaced')[0]?.address, ALICE);
      const again = await loggedIn(secrets.device);
      assert.equal(await select(again, 'INBOX'), 1);
      assert.match((await fetchMessage(again, 1)).bytes.toString(), /BEGIN PGP MESSAGE/);
      await again.append('INBOX', messageOf('second'));
      assert.deepEqual((await fetchMessage(again, await select(again, 'INBOX'))).bytes, messageOf('second'));
      await again.logout();
      const opened = await Promise.all(
        (await storedFor(ALICE)).map(({ bytes }) => readSealed(bytes, next).catch(() => undefined)),
      );
      assert.deepEqual(
        opened.filter((each) => each !== undefined),
        [messageOf('second')],
      );
    });

    /** The process that ends may take a moment for it. */
    const loggedIn = async (password: string) => {
      let imap: ImapFlow | undefined;
      await until('the new key opens', async () => {
        imap = await connectImap(gateway.port, ALICE, password).catch(() => undefined);
        return imap !== undefined;
      });
      return imap ?? assert.fail();
    };

    test('F47: with a key that has expired, old mail is read, and nothing is stored', async () => {
      const expired = await makeKey(CARLA, { date: new Date(Date.now() - 1e8), expiresAfter: 1000 });
      const secrets = await gateway.enrol(CARLA, expired);
      const carla = await connectImap(gateway.port, CARLA, secrets.device);
      await assert.rejects(carla.append('INBOX', messageOf('mine')));
      assert.equal(await select(carla, 'INBOX'), 0);
      assert.deepEqual(await storedFor(CARLA), []);
      assert.match(JSON.stringify(gateway.logged('gateway append')), /expired/);
      await carla.logout();
    });
  });
