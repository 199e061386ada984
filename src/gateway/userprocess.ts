/**
 * The process of one user: has their key while they are logged in, runs their sessions, and is ended by its
 * parent after the last one. Nothing of it is on a disk, and nothing outlives it.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { Say } from '../core/events.ts';
import { TooBusyError } from '../core/semaphore.ts';
import { turnOffCoreDumps } from '../edge/coredumps.ts';
import { realWorld } from '../edge/world.ts';
import { Input, readFrom } from '../imap/input.ts';
import type { Client } from './connection.ts';
import { isOfConnection } from './connection.ts';
import { Counts } from './counts.ts';
import { readHandover, type Verdict, writeVerdict } from './handover.ts';
import type { FromUser, ToUser, Whose } from './messages.ts';
import { Output } from './output.ts';
import { endWithParent } from './processes.ts';
import { runUnlocked, type UnlockedParts } from './unlocked.ts';
import { ReplacedError } from './unlocking.ts';
import { userParts } from './userparts.ts';
import type { UserSettings } from './usersettings.ts';

endWithParent();
process.once('message', (message: ToUser) => void listen(message));

function tell(message: FromUser): void {
  if (process.connected) process.send?.(message);
}

const say: Say = (level, event, detail) => tell({ say: { level, event, detail } });

async function listen({ settings, socket }: ToUser): Promise<void> {
  const whose = once(process, 'message') as Promise<[Whose]>; // it may come before the next line is done
  await turnOffCoreDumps();
  const user = whose.then(([{ address }]) => userOf(address, settings));
  const server = createServer({ allowHalfOpen: true }, (connection) => {
    connection.on('error', () => undefined);
    void user.then((given) => serve(connection, given));
  });
  server.listen(socket);
  await once(server, 'listening');
  tell('listening');
}

type User = ReturnType<typeof userOf>;

function userOf(address: string, settings: UserSettings) {
  const world = realWorld(settings.hostname);
  const complain: UnlockedParts['complain'] = (what, error) => {
    const { code, message } = (error ?? {}) as NodeJS.ErrnoException;
    const detail = { address, code, error: message ?? String(error) };
    if (what === 'append') say('warn', 'gateway append', detail);
    else if (what === 'cache') say('warn', 'gateway cache', detail);
    else if (what === 'upstream') say('error', 'gateway upstream', detail);
    else say('error', 'gateway session', detail);
  };
  const counts = new Counts((told) => tell({ counts: told }));
  return { address, complain, counts, parts: userParts(address, settings, world, complain, counts) };
}

async function serve(stream: Socket, { address, parts, complain, counts }: User): Promise<void> {
  const client: Client = { stream, client: new Output(stream), input: new Input(readFrom(stream)) };
  try {
    const credentials = await readHandover(client.input);
    const { password, derives } = credentials;
    try {
      const account = await parts.unlocking.unlock(password, derives);
      if (account === undefined) return await writeVerdict(client.client, derives ? 'wrong' : 'unknown');
      // without a key it is the server behind that judges the password
      const judged = (verdict: Verdict) => writeVerdict(client.client, verdict);
      if (account.opener !== undefined) await judged('opened');
      await runUnlocked(credentials, client, {
        ...parts.session,
        ...(account.opener === undefined && { judged }),
        account,
        prefix: `S${randomBytes(8).toString('hex')}x`,
        login: () => parts.login(account, password),
      });
    } catch (error) {
      const isReplaced = error instanceof ReplacedError;
      if (!isReplaced && !(error instanceof TooBusyError)) throw error;
      if (isReplaced) say('warn', 'gateway key replaced', { address });
      await writeVerdict(client.client, 'busy');
      if (isReplaced) process.disconnect(); // the next login has a process without the old key
    } finally {
      password.fill(0);
    }
  } catch (error) {
    if (!isOfConnection(error)) complain('command', error);
  } finally {
    counts.flush();
    stream.end();
  }
}
