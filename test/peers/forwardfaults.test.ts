// A real Dovecot as the next hop that is killed while copies are on their way, hangs, is away or is full. A
// client that sends again what is put off, as a mail server does: each message is there in the end, and there
// once unless Dovecot had it and could not say so.

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type DovecotLmtp, needsDovecotLmtp, startDovecotLmtp } from '../support/dovecotlmtp.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { isLong } from '../support/long.ts';
import { childPids, told } from '../support/proc.ts';
import { run } from '../support/process.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const SENDERS = 3;
const EACH = isLong ? 60 : 15;
/** After many ends Dovecot waits for a minute before it starts another. */
const ROUNDS = isLong ? 12 : 8;
/** Smaller ones are passed on in one piece, larger ones while they come. */
const SIZES = [3000, 20_000, 400_000];
const DISK_MB = isLong ? 300 : 64;
const RESEND_MS = 100;

/** What became of a message that was sent until it was taken. */
interface Sent {
  readonly id: string;
  /** Replies to tries that were put off, in their order. */
  readonly deferrals: readonly string[];
}

describe('Dovecot as a next hop that fails', needsDovecotLmtp('root', 'mount', 'umount'), () => {
  let directory: string;
  let dovecot: DovecotLmtp;
  let sealdir: TestServer;
  let count = 0;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-forward-'));
    dovecot = await startDovecotLmtp(directory, { alice: '' });
    const mail = join(directory, 'mail');
    assert.equal(
      (await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m,mode=777`, 'tmpfs', mail])).code,
      0,
    );
    const { certificate } = await makeKey(ALICE);
    sealdir = await startSealdir({
      keys: { [ALICE]: certificate },
      toml: {
        store: `forward = "${dovecot.address}"`,
        duplicates: '1h',
        lmtp: 'stall_timeout = "2s"\ntransaction_timeout = "3s"',
      },
    });
  });
  after(async () => {
    await sealdir?.stop();
    await dovecot?.stop();
    await run('umount', ['-l', join(directory, 'mail')]);
    await rm(directory, { recursive: true, force: true });
  });

  /** Sends one message until it is taken. */
  async function send(): Promise<Sent> {
    const id = `<${++count}@load.test>`;
    const size = SIZES[count % SIZES.length] ?? 0;
    const message = Buffer.concat([Buffer.from(`Message-ID: ${id}\r\n`), messageOfSize(size)]);
    const deferrals: string[] = [];
    for (;;) {
      const session = await openSession(sealdir.socketPath);
      const { rcpt, final } = await deliver(session, { to: [ALICE], message });
      await session.vanish();
      const reply = final[0] ?? rcpt[0] ?? '';
      if (reply.startsWith('250')) return { id, deferrals };
      assert.match(reply, /^4/, 'no fault of a next hop refuses a message');
      deferrals.push(reply);
      await pause(RESEND_MS);
    }
  }

  async function sendAll(): Promise<readonly Sent[]> {
    const senders = Array.from({ length: SENDERS }, async () => {
      const sent: Sent[] = [];
      while (sent.length < EACH) sent.push(await send());
      return sent;
    });
    return (await Promise.all(senders)).flat();
  }

  /** Sends a signal to the processes that take mail. */
  function signal(name: NodeJS.Signals): void {
    for (const pid of childPids(dovecot.pid))
      if (told(pid, 'comm').trim() === 'lmtp') process.kill(pid, name);
  }

  async function account(all: readonly Sent[]) {
    const stored = await dovecot.stored('alice');
    const copies = (id: string) => stored.filter((each) => each.includes(`Message-ID: ${id}`)).length;
    const missing = all.filter(({ id }) => copies(id) === 0);
    const unexplained = all.filter(({ id, deferrals }) => copies(id) > 1 + deferrals.length);
    assert.deepEqual([missing, unexplained], [[], []]);
    const deferred = all.flatMap(({ deferrals }) => deferrals);
    return {
      sent: all.length,
      deferred: deferred.length,
      twice: all.filter(({ id }) => copies(id) > 1).length,
    };
  }

  test('it is killed while copies are on their way', async (t) => {
    let isOver = false;
    const sending = sendAll().finally(() => {
      isOver = true;
    });
    for (let round = 0; round < ROUNDS && !isOver; round++) {
      await pause(randomInt(20, 200));
      signal('SIGKILL');
    }
    t.diagnostic(JSON.stringify(await account(await sending)));
  });

  test('it hangs, and goes on', async (t) => {
    const sending = sendAll();
    await pause(100);
    signal('SIGSTOP');
    await pause(4000);
    signal('SIGCONT');
    const all = await sending;
    const figures = await account(all);
    t.diagnostic(JSON.stringify(figures));
    assert.ok(figures.deferred > 0, 'clients were told to come again');
  });

  test('its disk is full, and then is not', async (t) => {
    const fill = join(directory, 'mail/fill');
    await run('dd', ['if=/dev/zero', `of=${fill}`, 'bs=4k']);
    const sending = sendAll();
    await pause(1500);
    await rm(fill);
    const figures = await account(await sending);
    t.diagnostic(JSON.stringify(figures));
    assert.ok(figures.deferred > 0, 'clients were told to come again');
  });
});
