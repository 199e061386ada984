/**
 * The processes of users: one for each who is logged in, begun by the first login and ended after the last
 * session, by force, since it has nothing to finish and holds a key. One more waits without a user, so that
 * nobody waits for a process to start.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import type { Say } from '../core/events.ts';
import { Input } from '../imap/input.ts';
import { readVerdict, type Verdict, writeHandover } from './handover.ts';
import type { Credentials } from './login.ts';
import type { FromUser, ToUser, Whose } from './messages.ts';
import { Output } from './output.ts';
import type { Side } from './relay.ts';

export interface UsersOptions {
  readonly settings: Settings;
  /** A directory that nobody else may look into, for the sockets of the processes. */
  readonly directory: string;
  readonly lingerMs: number;
  readonly say: Say;
}

interface UserProcess {
  readonly child: ChildProcess;
  readonly socket: string;
  readonly listening: Promise<unknown>;
  /** Logins that are looked at, and sessions. */
  uses: number;
  /** A password has opened its key. */
  isOpen: boolean;
  isEnding: boolean;
}

/** Ends a process at once, as SIGKILL does, and is told from what the kernel does for want of memory. */
const ENDED_BY_US = 'SIGUSR2';

/** A session in the process of its user. */
export interface UserSession extends Side {
  /** It has ended: has to be called once. */
  release(): void;
}

export class Users {
  readonly #options: UsersOptions;
  readonly #byAddress = new Map<string, UserProcess>();
  #spare: UserProcess | undefined;
  #isStopped = false;

  constructor(options: UsersOptions) {
    this.#options = options;
    this.#spare = this.#begin();
  }

  /** Whether the key of a user is open. */
  isOpen(address: string): boolean {
    return this.#byAddress.get(address)?.isOpen === true;
  }

  get count(): number {
    return this.#byAddress.size;
  }

  /** Has a login judged by the process of its user. Rejects if that process cannot be reached. */
  async login(address: string, credentials: Credentials): Promise<Exclude<Verdict, 'opened'> | UserSession> {
    const user = this.#userOf(address);
    user.uses++;
    let verdict: Verdict = 'busy';
    const release = () => this.#release(address, user);
    try {
      await user.listening;
      const stream = connect(user.socket);
      stream.on('error', () => undefined); // whoever reads is told
      await once(stream, 'connect');
      const input = new Input(stream);
      await writeHandover(new Output(stream), credentials);
      verdict = await readVerdict(input);
      if (verdict === 'opened') {
        user.isOpen = true;
        return { stream, input, release };
      }
      stream.destroy();
      return verdict;
    } finally {
      credentials.password.fill(0);
      if (verdict !== 'opened') release();
    }
  }

  /** Ends all of them. */
  stop(): void {
    this.#isStopped = true;
    for (const user of this.#byAddress.values()) this.#end(user);
    if (this.#spare !== undefined) this.#end(this.#spare);
    this.#byAddress.clear();
  }

  #userOf(address: string): UserProcess {
    const present = this.#byAddress.get(address);
    if (present !== undefined && !present.isEnding) return present;
    const user = this.#spare ?? this.#begin();
    this.#byAddress.set(address, user);
    user.child.send({ address } satisfies Whose);
    user.child.once('exit', (code, signal) => {
      if (this.#byAddress.get(address) === user) this.#byAddress.delete(address);
      if (signal !== ENDED_BY_US)
        this.#options.say('warn', 'the process of a user ended', { address, code, signal });
    });
    this.#spare = undefined;
    setImmediate(() => {
      if (!this.#isStopped) this.#spare ??= this.#begin();
    });
    return user;
  }

  #begin(): UserProcess {
    const { settings, directory, say } = this.#options;
    const socket = join(directory, `${randomBytes(8).toString('hex')}.sock`);
    const child = fork(new URL('./userprocess.js', import.meta.url), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    child.send({ settings, socket } satisfies ToUser);
    child.on('error', () => undefined); // its end is told
    const listening = new Promise((resolve, reject) => {
      child.on('message', (message: FromUser) => {
        if (message === 'listening') resolve(undefined);
        else say(message.say.level, message.say.event, message.say.detail);
      });
      child.once('exit', () => reject(new Error('the process of a user has ended')));
    });
    listening.catch(() => undefined); // told by whoever waits for it
    child.once('exit', () => void unlink(socket).catch(() => undefined));
    const user: UserProcess = { child, socket, listening, uses: 0, isOpen: false, isEnding: false };
    child.once('exit', () => {
      if (this.#spare === user) this.#spare = undefined;
    });
    return user;
  }

  #release(address: string, user: UserProcess): void {
    user.uses--;
    if (user.uses > 0) return;
    const { lingerMs } = this.#options;
    // one that no password has opened holds what was guessed
    if (lingerMs === 0 || !user.isOpen) return this.#endOf(address, user);
    setTimeout(() => {
      if (user.uses === 0) this.#endOf(address, user);
    }, lingerMs).unref();
  }

  #endOf(address: string, user: UserProcess): void {
    if (this.#byAddress.get(address) === user) this.#byAddress.delete(address);
    this.#end(user);
  }

  #end(user: UserProcess): void {
    user.isEnding = true;
    user.child.kill(ENDED_BY_US);
  }
}
