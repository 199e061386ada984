// The server as a process whose standard error nobody reads: a pipe, a socket or a terminal that is full.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chown, readdir, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { CLI, childrenOf } from '../support/child.ts';
import { type LmtpClient, openSession } from '../support/lmtp.ts';
import { isLong, shortOf } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { accepts } from '../support/port.ts';
import { type Running, start } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const KEY = await makeKey(ALICE);
/** Each recipient is a line of the log, and all of them together one copy. */
const RECIPIENTS = 100;
const RCPTS = Array.from({ length: RECIPIENTS }, (_, n) => `RCPT TO:<alice+${n}@example.com>\r\n`).join('');
const NOBODY = 65_534;

/**
 * Runs its arguments with standard output and error whose other end is open, in the process itself, and never
 * read.
 */
const UNREAD = `
import os, socket, sys
kind = sys.argv[1]
if kind == 'socket':
    ours, theirs = (s.detach() for s in socket.socketpair())
elif kind == 'terminal':
    theirs, ours = os.openpty()
else:
    theirs, ours = os.pipe()
os.dup2(ours, 1)
os.dup2(ours, 2)
os.set_inheritable(theirs, True)
if kind == 'pipe of another user':
    os.setuid(${NOBODY})
os.execv(sys.argv[2], sys.argv[2:])`;

interface Site {
  readonly directory: string;
  readonly lmtp: string;
  readonly metrics: string;
  readonly server: Running;
}

async function startUnread(kind: string, processes: number): Promise<Site> {
  const directory = await makeSite({ [ALICE]: KEY.certificate });
  const config = join(directory, 'sealdir.toml');
  const [lmtp, metrics] = [join(directory, 'lmtp.sock'), join(directory, 'metrics.sock')];
  const toml = tomlFor(directory, { toml: { processes } });
  await writeFile(config, toml.replace('listen = "127.0.0.1:0"', `listen = "${metrics}"`));
  if (process.getuid?.() === 0)
    for (const each of ['', 'keys', 'mail']) await chown(join(directory, each), NOBODY, NOBODY);
  const command = [process.execPath, CLI, 'serve', '-c', config];
  const ready = () => accepts(lmtp);
  const server = await start('python3', ['-c', UNREAD, kind, ...command], { ready, readyWithinMs: 30_000 });
  return { directory, lmtp, metrics, server };
}

/** Delivers one message to all of them, without waiting for a reply before the next command. */
async function send(session: LmtpClient): Promise<void> {
  session.write(`MAIL FROM:<>\r\n${RCPTS}DATA\r\n`);
  for (let n = 0; n < 1 + RECIPIENTS; n++) assert.match(await session.reply(), /^250 /);
  assert.match(await session.reply(), /^354 /);
  session.write('Subject: x\r\n\r\nx\r\n.\r\n');
  for (let n = 0; n < RECIPIENTS; n++) assert.match(await session.reply(), /^250 2\.0\.0 /);
}

async function replaceWorker(server: Running): Promise<void> {
  const before = childrenOf(server.pid);
  process.kill(before[0] ?? 0, 'SIGKILL');
  await until('there is another', () => childrenOf(server.pid).some((pid) => !before.includes(pid)));
}

async function lostLines(metrics: string): Promise<number> {
  const scrape = createConnection(metrics);
  scrape.end('GET /metrics HTTP/1.0\r\n\r\n');
  let text = '';
  for await (const bytes of scrape) text += bytes;
  return Number(/^sealdir_log_lines_lost (\d+)$/m.exec(text)?.[1]);
}

for (const kind of shortOf(['pipe', 'socket', 'terminal', 'pipe of another user'], 1)) {
  for (const processes of isLong ? [1, 2] : [2]) {
    const name = processes === 1 ? 'one process' : 'two workers';
    test(`F23: ${name}: a log into a ${kind} that nobody reads stops no delivery and no stop, and is counted`, {
      ...needs('python3', ...(kind === 'pipe of another user' ? ['root'] : [])),
      timeout: 240_000,
    }, async () => {
      const { directory, lmtp, metrics, server } = await startUnread(kind, processes);
      try {
        let sessions: LmtpClient[] = [];
        let sent = 0;
        const open = async () => {
          sessions = await Promise.all(Array.from({ length: 4 }, () => openSession(lmtp)));
        };
        const sendAll = async () => {
          await Promise.all(sessions.map(send));
          sent += sessions.length;
        };
        await open();
        await until('the log is full', async () => {
          await sendAll();
          return (await lostLines(metrics)) > 0;
        });
        await sendAll();
        if (processes > 1) {
          // to start a process must not make the others wait for the reader
          await Promise.all(sessions.map((session) => session.vanish()));
          await replaceWorker(server);
          await open();
          await sendAll();
        }
        const stored = await readdir(join(directory, 'mail/example.com/alice/new'));
        assert.equal(stored.length, sent);
        server.signal('SIGTERM');
        for (const session of sessions) assert.match(await session.reply(), /^421 4\.3\.2 /);
        assert.equal(await server.ended, 0);
        for (const { socket } of sessions) if (!socket.closed) await once(socket, 'close');
      } finally {
        await server.stop();
        await rm(directory, { recursive: true, force: true });
      }
    });
  }
}
