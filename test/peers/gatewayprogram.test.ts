// The gateway as a program: TLS, logins, a process for each user, and what is left of them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { without } from '../../src/custody/change.ts';
import { parseWrappedFile, textOf } from '../../src/custody/wrappedfile.ts';
import { COMPLAINTS, DOVECOT_VERSIONS, needsDovecot } from '../support/dovecot.ts';
import { ALICE, connectTlsTo, type GatewayProgram, startGatewayProgram } from '../support/gatewayprogram.ts';
import { connectImap, fetchMessage, select } from '../support/imapclient.ts';
import { testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { childrenWith } from '../support/proc.ts';
import { connectImap as connectRaw } from '../support/rawimap.ts';
import { readSealed } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const MESSAGE = Buffer.from('From: alice@example.com\r\nSubject: mine\r\n\r\nsent-canary\r\n');

describe('sealdir gateway', { ...(await needsDovecot('2.3')), timeout: 240_000 }, () => {
  let gateway: GatewayProgram;
  before(async () => {
    gateway = await startGatewayProgram();
  });
  after(() => gateway?.stop());

  const connect = (pass: string) => connectTlsTo(gateway, pass);
  const processes = (module = 'userprocess') => childrenWith(gateway.running.pid, `bundle/${module}`);

  test('a password, a code of a device and the recovery code open the key, and sealed mail is read and stored', async () => {
    for (const secret of Object.values(gateway.secrets)) {
      const imap = await connect(secret);
      await imap.append('INBOX', MESSAGE);
      const count = await select(imap, 'INBOX');
      assert.deepEqual((await fetchMessage(imap, count)).bytes, MESSAGE);
      await imap.logout();
    }
    for (const part of ['new', 'cur'])
      for (const name of readdirSync(gateway.mailbox(part))) {
        const stored = readFileSync(gateway.mailbox(join(part, name)));
        assert.doesNotMatch(stored.toString('latin1'), /sent-canary/);
        assert.deepEqual(await readSealed(stored, gateway.key), MESSAGE);
      }
  });

  test('what a list shows is remembered, encrypted, until the next login', async () => {
    const listed = async () => {
      const imap = await connect(gateway.secrets.device);
      await select(imap, 'INBOX');
      const all = await imap.fetchAll('1:*', { envelope: true, size: true, bodyStructure: true });
      await imap.logout();
      await until('it is so', () => processes().length === 1);
      return all.map(({ envelope, size, bodyStructure }) => ({ envelope, size, bodyStructure }));
    };
    const before = await listed();
    assert.equal(before.length, 3);
    const file = join(gateway.dir, 'cache', ALICE);
    assert.ok(statSync(file).size > 500);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.doesNotMatch(readFileSync(file, 'latin1'), /mine|alice|text/i);
    // the messages themselves do not open any more
    const stored = ['new', 'cur'].flatMap((part) =>
      readdirSync(gateway.mailbox(part)).map((name) => gateway.mailbox(join(part, name))),
    );
    const bytes = stored.map((path) => readFileSync(path));
    for (const [n, path] of stored.entries())
      writeFileSync(
        path,
        bytes[n]?.toString('latin1').replace(/\n[A-Za-z0-9+/]{20}/g, '\nAAAAAAAAAAAAAAAAAAAA') ?? '',
        'latin1',
      );
    assert.deepEqual(await listed(), before);
    for (const [n, path] of stored.entries()) writeFileSync(path, bytes[n] ?? '');
  });

  test('sessions of a user share a process, which ends after the last one', async () => {
    await until('it is so', () => processes().length === 1); // the one that waits
    const [waiting = 0] = processes();
    const first = await connect(gateway.secrets.password);
    const second = await connect(gateway.secrets.password);
    const third = await connect(gateway.secrets.device);
    await until('it is so', () => processes().length === 2);
    assert.ok(processes().includes(waiting), 'it was there when the user came');
    await first.logout();
    await second.logout();
    assert.equal(await select(third, 'INBOX'), 3);
    await third.logout();
    await until('it is so', () => !processes().includes(waiting));
  });

  test('a client that says all it wants at once, and ends its side, gets all its answers', async () => {
    const { password } = gateway.secrets;
    const socket = connectTcp({ port: gateway.port, host: '127.0.0.1', allowHalfOpen: true });
    const commands = ['SELECT INBOX', 'FETCH 1:* (BODY.PEEK[])', 'NOOP'];
    socket.write(`in LOGIN "${ALICE}" "${password}"\r\n`);
    let said = '';
    for await (const piece of socket) {
      said += piece;
      const isIn = socket.writable && said.includes('in OK');
      if (isIn) socket.end(commands.map((command, n) => `a${n} ${command}\r\n`).join(''));
    }
    for (const n of commands.keys()) assert.match(said, new RegExp(`^a${n} OK`, 'm'));
    assert.equal(said.match(/sent-canary/g)?.length, 3);
  });

  test('a wrong password, a user without a key and what is no address are refused, and logged', async () => {
    await assert.rejects(connect('wrong'));
    await assert.rejects(connectImap(gateway.port, 'bob@example.com', gateway.secrets.password));
    await assert.rejects(connectImap(gateway.port, '../alice', gateway.secrets.password));
    await assert.rejects(connectImap(gateway.port, ALICE, 'users-own'));
    const refused = gateway.logged('gateway login refused');
    assert.deepEqual(
      refused.map(({ address }) => address),
      [ALICE, 'bob@example.com', '../alice', ALICE],
    );
    assert.ok(refused.every(({ client }) => client === '127.0.0.1'));
    await until('it is so', () => processes().length === 1);
  });

  test('names too long for any user are wrong like others, held back, and short in the log', async () => {
    const login = async (user: string) => {
      const imap = await connectRaw(gateway.port);
      await assert.rejects(
        imap.command(`LOGIN "${user}" guess`),
        /NO \[AUTHENTICATIONFAILED\]/,
        user.slice(0, 20),
      );
    };
    const before = gateway.logged('gateway login refused').length;
    const long = 'l'.repeat(7000);
    const users = [`${'l'.repeat(250)}@example.com`, `${long}@example.com`, `@${long}:${ALICE}`, long];
    for (const user of [...users, `${'/'.repeat(90)}@example.com`]) await login(user);
    const refused = gateway.logged('gateway login refused').slice(before);
    assert.equal(refused.length, users.length + 1);
    for (const { address } of refused) assert.ok(String(address).length <= 321, `${String(address).length}`);
    assert.deepEqual(gateway.logged('gateway session'), []);
  });

  test('a slot that is revoked opens nothing, while others and sessions go on', async () => {
    const imap = await connect(gateway.secrets.device);
    const file = parseWrappedFile(readFileSync(gateway.wrapped, 'utf8'));
    const slot = file.slots.find(({ kind }) => kind === 'device');
    assert.ok(slot !== undefined);
    writeFileSync(gateway.wrapped, textOf(without(file, slot)));
    await assert.rejects(connect(gateway.secrets.device));
    const other = await connect(gateway.secrets.recovery);
    assert.equal(await select(imap, 'INBOX'), 3);
    await imap.logout();
    await other.logout();
  });

  test('F45: a process of a user that is killed ends their sessions, and the next login works', async () => {
    const imap = await connect(gateway.secrets.password);
    await until('it is so', () => processes().length === 2);
    const ended = new Promise((resolve) => imap.once('close', resolve));
    const lines = gateway.logged('the process of a user ended').length;
    for (const pid of processes()) process.kill(pid, 'SIGKILL');
    await ended;
    await until('it is so', () => gateway.logged('the process of a user ended').length === lines + 1);
    const again = await connect(gateway.secrets.password);
    await again.logout();
  });

  test('F48: the front is killed: its sessions end, and the next login works', async () => {
    const imap = await connect(gateway.secrets.password);
    const ended = new Promise((resolve) => imap.once('close', resolve));
    for (const pid of processes('frontprocess')) process.kill(pid, 'SIGKILL');
    await ended;
    await until('it is logged', () => gateway.logged('the front of the gateway ended').length === 1);
    await until('the process of the user has ended', () => processes().length === 1);
    const again = await connect(gateway.secrets.password);
    await again.logout();
  });

  test('whoever has a code logs in while others guess', async () => {
    const guesses = Array.from({ length: 60 }, (_, n) =>
      guess(gateway, `127.0.${n}.1`, n % 2 === 0 ? ALICE : `user${n}@example.com`),
    );
    await until('some are told to come later', () => guesses.some(({ said }) => /UNAVAILABLE/.test(said())));
    const imap = await connect(gateway.secrets.recovery);
    await imap.logout();
    for (const { socket } of guesses) socket.destroy();
    await until('their processes have ended', () => processes().length === 1);
  });

  test('and so does whoever was right there before, with a password', async () => {
    await (await connect(gateway.secrets.password)).logout();
    const guesses = Array.from({ length: 60 }, (_, n) =>
      guess(gateway, `127.0.${n}.1`, `new${n}@example.com`),
    );
    await until('some are told to come later', () => guesses.some(({ said }) => /UNAVAILABLE/.test(said())));
    const imap = await connect(gateway.secrets.password);
    await imap.logout();
    for (const { socket } of guesses) socket.destroy();
    await until('their processes have ended', () => processes().length === 1);
  });

  test('after a logout no process has a password, a code or a body', needs('root'), async () => {
    const { password, recovery } = gateway.secrets;
    const secrets = [password, recovery, recovery.replaceAll('-', ''), 'sent-canary']
      .flatMap((text) => [text, ...[0, 1, 2].map((at) => inBase64(text, at))])
      .map((text) => Buffer.from(text));
    const pids = () => [gateway.running.pid, ...processes(''), ...processes('frontprocess')];
    const holders = () => pids().filter((pid) => isInMemory(pid, secrets));
    // the front goes on for somebody else at first
    for (const isAlone of [false, true]) {
      const other = connectTls({ port: gateway.tlsPort, host: '127.0.0.1', rejectUnauthorized: false });
      await once(other, 'data');
      const [front = 0] = processes('frontprocess');
      for (const secret of [password, recovery]) {
        const imap = await connect(secret);
        await imap.append('INBOX', MESSAGE);
        assert.deepEqual((await fetchMessage(imap, await select(imap, 'INBOX'))).bytes, MESSAGE);
        assert.ok(holders().length > 0, 'it is found where it is');
        if (isAlone) other.destroy();
        await imap.logout();
      }
      await until('nobody has any of it', () => holders().length === 0);
      assert.equal(processes('frontprocess').includes(front), !isAlone);
      other.destroy();
    }
  });

  test(
    'whoever leaves while their password is looked at leaves nothing in the front',
    needs('root'),
    async () => {
      const other = connectTls({ port: gateway.tlsPort, host: '127.0.0.1', rejectUnauthorized: false });
      await once(other, 'data');
      const [front = 0] = processes('frontprocess').slice(-1);
      const { password } = gateway.secrets;
      for (let n = 0; n < 3; n++) {
        const socket = connectTls({ port: gateway.tlsPort, host: '127.0.0.1', rejectUnauthorized: false });
        await once(socket, 'data');
        socket.write(`a LOGIN ${ALICE} "${password}"\r\n`);
        await pause(3 * n); // the derivation of tests is a short one
        socket.destroy();
      }
      await until('their processes have ended', () => processes().length === 1);
      await until('the front has forgotten them', () =>
        processes('frontprocess').every((pid) => !isInMemory(pid, [Buffer.from(password)])),
      );
      assert.ok(processes('frontprocess').includes(front), 'it goes on for who is there');
      other.destroy();
    },
  );

  test('metrics count logins, sessions, and messages that were opened and stored, and name nobody', async () => {
    const [, at = ''] = /"metrics":"([^"]+)"/.exec(gateway.running.output()) ?? [];
    const page = async () => (await fetch(`http://${at}/metrics`)).text();
    const value = (text: string, series: string) =>
      Number(new RegExp(`^${series.replaceAll(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec(text)?.[1]);
    const before = await page();
    const imap = await connect(gateway.secrets.password);
    await imap.append('INBOX', MESSAGE);
    assert.deepEqual((await fetchMessage(imap, await select(imap, 'INBOX'))).bytes, MESSAGE);
    await until('the page says who is there', async () => {
      const during = await page();
      return (
        value(during, 'sealdir_gateway_users') === 1 && value(during, 'sealdir_gateway_connections') === 1
      );
    });
    await imap.logout();
    const counted = [
      'sealdir_gateway_logins_total{result="right"}',
      'sealdir_gateway_opened_messages_total{result="opened"}',
      'sealdir_gateway_stored_messages_total{result="sealed"}',
      'sealdir_gateway_open_seconds_count',
      'sealdir_gateway_login_seconds_count',
    ];
    await until('all of it is counted', async () => {
      const text = await page();
      return counted.every((series) => value(text, series) === (value(before, series) || 0) + 1);
    });
    assert.equal(value(before, 'sealdir_gateway_processes_lost_total{process="front"}'), 1);
    assert.ok(value(before, 'sealdir_gateway_logins_total{result="busy"}') > 0);
    assert.doesNotMatch(await page(), /alice|127\.0\.0|mine/);
    assert.equal((await fetch(`http://${at}/readyz`)).status, 200);
  });

  test('F46: when the server behind is gone, logins are told so, and sessions end', async () => {
    const imap = await connect(gateway.secrets.password);
    const ended = new Promise((resolve) => imap.once('close', resolve));
    await gateway.dovecot.stop();
    await ended;
    await assert.rejects(connect(gateway.secrets.password));
    await until('it is logged', () => gateway.logged('gateway upstream').length > 0);
    const [, at = ''] = /"metrics":"([^"]+)"/.exec(gateway.running.output()) ?? [];
    await until('it is not ready', async () => (await fetch(`http://${at}/readyz`)).status === 503);
    await until('the process of the user has ended', () => processes().length === 1);
  });
});

/** A connection with one wrong password. */
function guess({ port }: GatewayProgram, localAddress: string, user: string) {
  const socket = connectTcp({ host: '127.0.0.1', port, localAddress });
  let said = '';
  socket.on('data', (piece) => {
    said += piece;
  });
  socket.on('error', () => undefined);
  socket.write(`a LOGIN ${user} wrong-guess\r\n`);
  return { socket, said: () => said };
}

/** What is the same in the base64 of all texts that have this one, `at` bytes after a multiple of three. */
function inBase64(text: string, at: number): string {
  const written = Buffer.from('\0'.repeat(at) + text).toString('base64');
  return written.replace(/=+$/, '').slice(at === 0 ? 0 : 4, -4);
}

/** Tells whether one of them is anywhere in the memory of a process; of one that has ended it is not. */
function isInMemory(pid: number, texts: readonly Buffer[]): boolean {
  try {
    return isInMemoryOf(pid, texts);
  } catch {
    return false;
  }
}

function isInMemoryOf(pid: number, texts: readonly Buffer[]): boolean {
  const fd = openSync(`/proc/${pid}/mem`, 'r');
  try {
    for (const [, from = '', to = ''] of readFileSync(`/proc/${pid}/maps`, 'utf8').matchAll(
      /^([0-9a-f]+)-([0-9a-f]+) rw.*$/gm,
    )) {
      const start = Number.parseInt(from, 16);
      const bytes = Buffer.alloc(Number.parseInt(to, 16) - start);
      try {
        const read = bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, start));
        if (texts.some((text) => read.includes(text))) return true;
      } catch {
        // a range that cannot be read, or is gone
      }
    }
    return false;
  } finally {
    closeSync(fd);
  }
}

describe('sealdir gateway and its login behind', { timeout: 240_000 }, async () => {
  for (const version of DOVECOT_VERSIONS)
    for (const who of ['user', 'master'] as const)
      testLong(
        `${who === 'user' ? 'each user' : 'a master user'} logs in for who has opened their key, Dovecot ${version}`,
        await needsDovecot(version),
        async () => {
          const gateway = await startGatewayProgram(who, version);
          try {
            const imap = await connectImap(gateway.port, ALICE, gateway.secrets.password);
            await imap.append('INBOX', MESSAGE);
            assert.deepEqual((await fetchMessage(imap, await select(imap, 'INBOX'))).bytes, MESSAGE);
            await imap.logout();
            assert.doesNotMatch(gateway.dovecot.log(), COMPLAINTS);
          } finally {
            await gateway.stop();
          }
        },
      );

  testLong(
    'whoever is not in its list is told to try later, and the log says why',
    await needsDovecot('2.3'),
    async () => {
      const gateway = await startGatewayProgram('nobody');
      try {
        await assert.rejects(connectImap(gateway.port, ALICE, gateway.secrets.device), {
          responseText: 'the mail server does not answer',
        });
        await until('it is logged', () => gateway.logged('gateway upstream').length === 1);
        assert.match(String(gateway.logged('gateway upstream')[0]?.error), /does not log in/);
      } finally {
        await gateway.stop();
      }
    },
  );
});

test('when the gateway is stopped, all who are not in the middle of an answer hear BYE', {
  ...(await needsDovecot('2.3')),
  timeout: 240_000,
}, async () => {
  const gateway = await startGatewayProgram();
  try {
    const open = (socket: Socket, ...lines: readonly string[]) => {
      let said = '';
      socket.setEncoding('latin1').on('data', (piece) => {
        said += piece;
      });
      for (const line of lines) socket.write(`${line}\r\n`);
      return { said: () => said, ended: once(socket, 'close') };
    };
    const clear = () => connectTcp({ port: gateway.port, host: '127.0.0.1' });
    const tls = () => connectTls({ port: gateway.tlsPort, host: '127.0.0.1', rejectUnauthorized: false });
    const login = `a LOGIN "${ALICE}" "${gateway.secrets.device}"`;
    const all = [open(tls()), open(tls(), login), open(clear(), login, 'b SELECT INBOX', 'c IDLE')];
    const [greeted, loggedIn, idle] = all.map(({ said }) => said);
    await until('the last answers are there', () =>
      [greeted?.().includes('* OK'), loggedIn?.().includes('a OK'), idle?.().includes('+ idling')].every(
        Boolean,
      ),
    );
    await gateway.running.stop();
    await Promise.all(all.map(({ ended }) => ended));
    for (const { said } of all) assert.match(said(), /\r\n\* BYE the connection ends here[^\r\n]*\r\n$/);
  } finally {
    await gateway.stop();
  }
});
