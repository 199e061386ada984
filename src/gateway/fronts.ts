/**
 * Takes connections, and hands them to the process of the front before a byte of them was read. A front that
 * has no connection any more is ended, with what is left in its memory, and another one takes its place; one
 * that never is without gets no new connection after an hour.
 */
import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Settings } from '../config/settings.ts';
import type { Say } from '../core/events.ts';
import type { GatewayMeter } from '../core/gatewaymeter.ts';
import type { TlsMaterial } from '../core/tls.ts';
import type { World } from '../core/world.ts';
import type { Verdict } from './handover.ts';
import type { Claim, Logins } from './logins.ts';
import type { Answer, AnswerTo, FromFront, Taken, ToFront } from './messages.ts';
import { networkOf } from './peer.ts';
import { begin, end, onLost } from './processes.ts';
import { type Judge, LeftError } from './users.ts';

export interface FrontsParts {
  readonly settings: Settings;
  readonly logins: Logins;
  readonly world: Pick<World, 'now'>;
  readonly say: Say;
  readonly meter: Pick<GatewayMeter, 'connectionRefused' | 'processLost'>;
}

interface FrontProcess {
  readonly child: ChildProcess;
  readonly since: number;
  readonly connections: Set<Connection>;
  /** It has read a password. */
  hasSeen: boolean;
}

interface Connection {
  readonly id: number;
  readonly peer: string;
  readonly front: FrontProcess;
  /** Ours, until the front has one of its own. */
  readonly socket: Socket;
  /** A login of it is with the process of its user. */
  judged?: { resolve(verdict: Verdict): void; reject(error: Error): void };
  /** Of its session. */
  release?: () => void;
  isOver: boolean;
}

/** glibc overwrites memory that is freed, such as buffers of OpenSSL; elsewhere it means nothing. */
const OVERWRITE_FREED = { GLIBC_TUNABLES: 'glibc.malloc.perturb=90:glibc.malloc.tcache_count=0' };
const RENEWED_MS = 60 * 60_000;
/** Who has seen a password lives so long at least: beginning another costs a tenth of a second of CPU. */
const LEAST_MS = 500;
/** Those with sessions of many hours; the programs of the oldest connect again. */
const MOST_FRONTS = 4;
const BUSY = '* BYE [UNAVAILABLE] too many connections\r\n';

export class Fronts {
  readonly #parts: FrontsParts;
  readonly #connections = new Map<number, Connection>();
  /** Connections from each place but this machine. */
  readonly #places = new Map<string, number>();
  readonly #all = new Set<FrontProcess>();
  #tls: TlsMaterial | undefined;
  #current: FrontProcess | undefined;
  #lastId = 0;
  #isStopped = false;

  constructor(parts: FrontsParts, tls: TlsMaterial | undefined) {
    this.#parts = parts;
    this.#tls = tls;
    this.#current = this.#begin();
  }

  /** Of new connections. */
  set tls(material: TlsMaterial | undefined) {
    this.#tls = material;
    this.#renew();
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Takes a connection of which nothing was read. */
  take(socket: Socket, isTls: boolean): void {
    const { gateway } = this.#parts.settings;
    const peer = socket.remoteAddress?.replace(/^::ffff:/, '') ?? 'unix';
    socket.on('error', () => undefined); // whoever reads is told
    const ofPlace = this.#places.get(networkOf(peer) ?? '') ?? 0;
    if (ofPlace >= gateway.max_peer_connections || this.#connections.size >= gateway.max_connections) {
      this.#parts.meter.connectionRefused();
      if (!isTls) socket.write(BUSY);
      socket.destroySoon();
      return;
    }
    const front = this.#front();
    if (front === undefined) return void socket.destroy();
    const connection: Connection = { id: ++this.#lastId, peer, front, socket, isOver: false };
    this.#connections.set(connection.id, connection);
    this.#count(peer, 1);
    front.connections.add(connection);
    const taken: Taken = { connection: connection.id, isTls };
    front.child.send(taken, socket, { keepOpen: true }, (error) => {
      socket.destroy(); // it is on its way, or with the front
      if (error !== null) this.#over(connection);
    });
  }

  /** Ends all connections. */
  stop(): void {
    this.#isStopped = true;
    for (const { child } of this.#all) end(child); // which says BYE, while the processes of users are there
    for (const each of this.#connections.values()) this.#over(each);
  }

  /** Returns undefined if the system begins no process. */
  #front(): FrontProcess | undefined {
    const { world } = this.#parts;
    if (this.#current !== undefined && world.now() - this.#current.since > RENEWED_MS) this.#renew();
    this.#current ??= this.#begin();
    return this.#current;
  }

  #renew(): void {
    const former = this.#current;
    this.#current = this.#begin();
    if (former !== undefined) this.#endEmpty(former);
    const [oldest] = this.#all;
    if (this.#all.size > MOST_FRONTS && oldest !== undefined) end(oldest.child);
  }

  #begin(): FrontProcess | undefined {
    try {
      return this.#beginOne();
    } catch (error) {
      this.#parts.say('error', 'gateway process', { error: String(error) });
      return undefined;
    }
  }

  #beginOne(): FrontProcess {
    const { settings, say, world, meter } = this.#parts;
    const { login_timeout: loginMs, idle_timeout: idleMs } = settings.gateway;
    const child = begin('./frontprocess.js', OVERWRITE_FREED);
    child.send({ hostname: settings.hostname, tls: this.#tls, loginMs, idleMs } satisfies ToFront);
    const front: FrontProcess = { child, since: world.now(), connections: new Set(), hasSeen: false };
    this.#all.add(front);
    child.on('message', (message: FromFront) => this.#told(message));
    onLost(child, (code, signal) => {
      meter.processLost('front');
      say('error', 'the front of the gateway ended', { code, signal });
    });
    child.once('exit', () => {
      this.#all.delete(front);
      if (this.#current === front) this.#current = undefined; // the next connection begins another
      for (const each of front.connections) this.#over(each);
    });
    return front;
  }

  #told(message: FromFront): void {
    const { say } = this.#parts;
    if ('say' in message) return say(message.say.level, message.say.event, message.say.detail);
    const connection = this.#connections.get(message.connection);
    if (connection === undefined) return;
    if ('ended' in message) this.#over(connection);
    else if ('verdict' in message) connection.judged?.resolve(message.verdict);
    else {
      const { user, slot } = message;
      const { peer } = connection;
      void this.#login(connection, { user, slot, peer, hasLeft: () => connection.isOver });
    }
  }

  async #login(connection: Connection, claim: Claim): Promise<void> {
    connection.front.hasSeen = true;
    const judge: Judge = (socket, derives) =>
      new Promise<Verdict>((resolve, reject) => {
        if (connection.isOver) return reject(new LeftError());
        connection.judged = { resolve, reject };
        this.#answer(connection, { socket, derives });
      });
    const outcome = await this.#parts.logins.login(claim, judge);
    if ('why' in outcome) this.#answer(connection, outcome);
    else if (connection.isOver) outcome.release();
    else connection.release = outcome.release;
  }

  #answer({ id, front, isOver }: Connection, answer: Answer): void {
    if (!isOver && front.child.connected) front.child.send({ connection: id, answer } satisfies AnswerTo);
  }

  #over(connection: Connection): void {
    if (connection.isOver) return;
    connection.isOver = true;
    const { id, peer, front, socket } = connection;
    socket.destroy();
    this.#connections.delete(id);
    this.#count(peer, -1);
    connection.judged?.reject(new LeftError());
    connection.release?.();
    front.connections.delete(connection);
    this.#endEmpty(front);
  }

  #count(peer: string, change: 1 | -1): void {
    const place = networkOf(peer);
    if (place === undefined) return;
    const connections = (this.#places.get(place) ?? 0) + change;
    if (connections === 0) this.#places.delete(place);
    else this.#places.set(place, connections);
  }

  #endEmpty(front: FrontProcess): void {
    if (front.connections.size > 0 || this.#isStopped) return;
    if (this.#current !== front) return end(front.child);
    if (!front.hasSeen) return;
    const left = front.since + LEAST_MS - this.#parts.world.now();
    if (left > 0) {
      setTimeout(() => this.#endEmpty(front), left).unref();
      return;
    }
    this.#current = this.#begin();
    end(front.child);
  }
}
