/**
 * The front of the gateway: takes connections, speaks TLS, reads logins, and passes the session on to the
 * process of its user. It has no key and no message, and overwrites what passes through.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type Server as TlsServer,
} from 'node:tls';
import { addressRules } from '../config/rules.ts';
import type { Settings } from '../config/settings.ts';
import { canonicalAddress, parseAddress } from '../core/address.ts';
import type { Say } from '../core/events.ts';
import { Semaphore } from '../core/semaphore.ts';
import type { TlsMaterial } from '../core/tls.ts';
import type { World } from '../core/world.ts';
import { type Attempt, serveConnection } from './connection.ts';
import { Delays } from './delays.ts';
import type { Credentials } from './login.ts';
import { relay } from './relay.ts';
import type { Users } from './users.ts';

export interface FrontParts {
  readonly settings: Settings;
  readonly users: Users;
  readonly world: Pick<World, 'now'>;
  readonly say: Say;
}

const BUSY = '* BYE [UNAVAILABLE] too many connections\r\n';
const HANDSHAKE_MS = 10_000;
/** Logins that are looked at: each takes a core and 128 MiB for a while. */
const WAITING_FOR_EACH = 16;
const PATIENCE_MS = 20_000;
const WORK_AT_ONCE = Math.max(1, availableParallelism() - 1);

export class Front {
  readonly #parts: FrontParts;
  readonly #delays: Delays;
  readonly #turns = new Semaphore(WORK_AT_ONCE, PATIENCE_MS);
  readonly #connections = new Set<Socket>();
  readonly #peers = new Map<string, number>();
  #attempts = 0;

  constructor(parts: FrontParts) {
    this.#parts = parts;
    this.#delays = new Delays(parts.world);
  }

  /** For addresses without TLS. */
  plainServer(): Server {
    return createServer((socket) => this.#take(socket, socket));
  }

  tlsServer(material: TlsMaterial): TlsServer {
    const server = createTlsServer(
      { ...tlsOptions(material), handshakeTimeout: HANDSHAKE_MS, minVersion: 'TLSv1.2', noDelay: true },
      (socket) => this.#take(socket, socket),
    );
    server.on('tlsClientError', (_, socket) => socket.destroy());
    return server;
  }

  /** Ends all connections. */
  close(): void {
    for (const each of this.#connections) each.destroy();
  }

  get connections(): number {
    return this.#connections.size;
  }

  #take(stream: Socket, { remoteAddress }: Pick<Socket, 'remoteAddress'>): void {
    const { gateway, hostname } = this.#parts.settings;
    const peer = remoteAddress?.replace(/^::ffff:/, '') ?? 'unix';
    stream.on('error', () => undefined); // whoever reads is told
    const ofPeer = this.#peers.get(peer) ?? 0;
    const isTooMany = peer !== 'unix' && ofPeer >= gateway.max_peer_connections;
    if (isTooMany || this.#connections.size >= gateway.max_connections) {
      stream.end(BUSY);
      stream.resume();
      return;
    }
    stream.setNoDelay();
    this.#connections.add(stream);
    this.#peers.set(peer, ofPeer + 1);
    stream.once('close', () => {
      this.#connections.delete(stream);
      const left = (this.#peers.get(peer) ?? 1) - 1;
      if (left === 0) this.#peers.delete(peer);
      else this.#peers.set(peer, left);
    });
    const login = setTimeout(() => stream.destroy(), gateway.login_timeout);
    stream.setTimeout(gateway.idle_timeout, () => stream.destroy());
    const { say } = this.#parts;
    void serveConnection(stream, {
      hostname,
      attempt: (credentials) => this.#attempt(credentials),
      wrong: (user) => {
        say('warn', 'gateway login refused', { client: peer, address: user });
        return this.#delays.wrong(peer, user);
      },
      right: (user) => {
        clearTimeout(login);
        this.#delays.right(peer);
        say('info', 'gateway login', { client: peer, address: user });
      },
      complain: (error) => say('error', 'gateway session', { error: String(error) }),
    }).finally(() => clearTimeout(login));
  }

  async #attempt(credentials: Credentials): Promise<Attempt> {
    const { users, settings, say } = this.#parts;
    const address = canonicalOf(credentials.user, settings);
    if (address === undefined || this.#attempts >= WORK_AT_ONCE * (1 + WAITING_FOR_EACH)) {
      credentials.password.fill(0);
      return address === undefined ? 'wrong' : 'busy';
    }
    this.#attempts++;
    try {
      const judge = () => users.login(address, credentials);
      // where a key is open already, its owner need not wait behind those who guess
      const session = await (users.isOpen(address) ? judge() : this.#turns.run(judge));
      if (typeof session === 'string') return session;
      return {
        run: (client) => relay(client, session).finally(() => session.release()),
      };
    } catch (error) {
      say('error', 'gateway session', { address, error: String(error) });
      return 'busy';
    } finally {
      credentials.password.fill(0);
      this.#attempts--;
    }
  }
}

function canonicalOf(user: string, settings: Settings): string | undefined {
  const address = parseAddress(user);
  return address && canonicalAddress(address, addressRules(settings));
}

export function tlsOptions({ certificates }: TlsMaterial): SecureContextOptions {
  return {
    cert: certificates.map(({ certificate }) => certificate),
    key: certificates.map(({ key }) => key),
  };
}
