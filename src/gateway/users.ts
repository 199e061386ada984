/**
 * The processes of users: one for each who is logged in, begun by the first login and ended after the last
 * session, by force, since it has nothing to finish and holds a key. One more waits without a user, so that
 * nobody waits for a process to start.
 */
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { within } from '../core/deadline.ts';
import type { Say } from '../core/events.ts';
import type { GatewayMeter } from '../core/gatewaymeter.ts';
import { TooBusyError } from '../core/semaphore.ts';
import type { Verdict } from './handover.ts';
import type { FromUser, ToUser, Whose } from './messages.ts';
import { begin, end, onLost } from './processes.ts';
import { userSettings } from './usersettings.ts';

/**
 * glibc asks for huge pages, since a derivation touches 128 MiB once and a large message its size, and keeps
 * its threads to two heaps. Elsewhere it means nothing.
 */
const MEMORY = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1:glibc.malloc.arena_max=2' };

/** For a process to begin, on a machine that is busy. */
const START_MS = 20_000;

export interface UsersOptions {
  readonly settings: Settings;
  /** A directory that nobody else may look into, for the sockets of the processes. */
  readonly directory: string;
  /** Of the processes. */
  readonly environment: NodeJS.ProcessEnv;
  readonly lingerMs: number;
  readonly say: Say;
  readonly meter: Pick<GatewayMeter, 'messages' | 'processLost'>;
}

interface UserProcess {
  readonly child: ChildProcess;
  readonly socket: string;
  readonly listening: Promise<true>;
  /** Logins that are looked at, and sessions. */
  uses: number;
  /** A password has opened its key. */
  isOpen: boolean;
  isEnding: boolean;
}

/** Has a password judged by a process that listens at a path. Rejects with LeftError, or if it cannot. */
export type Judge = (socket: string, derives: boolean) => Promise<Verdict>;

/** Whoever wanted to log in has left. */
export class LeftError extends Error {}

/** A session in the process of its user. */
export interface UserSession {
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
    this.#beginSpare();
  }

  /** Whether the key of a user is open. */
  isOpen(address: string): boolean {
    return this.#byAddress.get(address)?.isOpen === true;
  }

  get count(): number {
    return this.#byAddress.size;
  }

  /**
   * Has a login judged by the process of its user; `derives` at the cost of a derivation, if the password has
   * not opened the key already. Rejects as `judge` does, with TooBusyError if there are too many users, or if
   * there is no process.
   */
  async login(
    address: string,
    judge: Judge,
    derives: boolean,
  ): Promise<Exclude<Verdict, 'opened'> | UserSession> {
    const user = this.#userOf(address);
    user.uses++;
    const release = () => this.#release(address, user);
    let verdict: Verdict = 'busy';
    try {
      if ((await within(user.listening, START_MS)) !== true)
        throw new Error('the process of a user does not begin');
      verdict = await judge(user.socket, derives);
      if (verdict !== 'opened') return verdict;
      user.isOpen = true;
      return { release };
    } finally {
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
    this.#makeRoom(address);
    const user = this.#spare ?? this.#begin();
    this.#byAddress.set(address, user);
    user.child.send({ address } satisfies Whose);
    user.child.once('exit', () => {
      if (this.#byAddress.get(address) === user) this.#byAddress.delete(address);
    });
    onLost(user.child, (code, signal) => {
      this.#options.meter.processLost('user');
      this.#options.say('warn', 'the process of a user ended', { address, code, signal });
    });
    this.#spare = undefined;
    setImmediate(() => this.#beginSpare());
    return user;
  }

  /** Who has gone, and may come back, gives way. */
  #makeRoom(address: string): void {
    const users = this.#byAddress.size;
    if (this.#byAddress.has(address) || users < this.#options.settings.gateway.max_users) return;
    const [gone] = [...this.#byAddress].filter(([, { uses }]) => uses === 0);
    if (gone !== undefined) return this.#endOf(...gone);
    this.#options.say('warn', 'gateway full', { address, users });
    throw new TooBusyError('too many users are logged in');
  }

  /** Without it the next user waits for a process to begin. */
  #beginSpare(): void {
    if (this.#isStopped || this.#spare !== undefined) return;
    try {
      this.#spare = this.#begin();
    } catch (error) {
      this.#options.say('error', 'gateway process', { error: String(error) });
    }
  }

  #begin(): UserProcess {
    const { settings, directory, environment, say, meter } = this.#options;
    const socket = join(directory, `${randomBytes(8).toString('hex')}.sock`);
    const child = begin('./userprocess.js', { ...environment, ...MEMORY });
    child.send({ settings: userSettings(settings), socket } satisfies ToUser);
    const listening = new Promise<true>((resolve, reject) => {
      child.on('message', (message: FromUser) => {
        if (message === 'listening') resolve(true);
        else if ('counts' in message) meter.messages(message.counts);
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
    end(user.child);
  }
}
