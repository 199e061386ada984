/**
 * The front of the gateway, in a process of its own: speaks TLS, reads logins, and passes sessions on to the
 * processes of their users. It has no key and judges no password. What it has seen goes with its process,
 * which ends when its connections have.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createServer, type Server as TlsServer } from 'node:tls';
import { offered } from '../core/tls.ts';
import { slotNamedBy } from '../custody/slot.ts';
import { Input } from '../imap/input.ts';
import { type Attempt, KEEPALIVE_MS, serveConnection } from './connection.ts';
import { type Handover, readVerdict, type Verdict, writeHandover } from './handover.ts';
import type { Credentials } from './login.ts';
import type { Answer, AnswerTo, FromFront, Taken, ToFront } from './messages.ts';
import { Output } from './output.ts';
import { relay, type Side } from './relay.ts';
import { RoomySocket } from './roomysocket.ts';

const HANDSHAKE_MS = 10_000;
const BYE = '* BYE the connection ends here, please connect again\r\n';
const LF = 0x0a;
/** For a client that is gone. */
const LEFT: Answer = { why: 'busy', holdMs: 0 };

export class Front {
  readonly #options: ToFront;
  readonly #tell: (message: FromFront) => void;
  readonly #tls: TlsServer | undefined;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #connections = new Set<number>();
  /** Who is served, and whether what they got last was a whole line. */
  readonly #served = new Map<number, { readonly stream: Socket; isAtLine: boolean }>();
  /** Connections whose handshake is not done, by their two ends. */
  readonly #handshakes = new Map<string, number>();

  constructor(options: ToFront, tell: (message: FromFront) => void) {
    this.#options = options;
    this.#tell = tell;
    if (options.tls === undefined) return;
    this.#tls = createServer({
      ...offered(options.tls.certificates),
      handshakeTimeout: HANDSHAKE_MS,
    });
    this.#tls.on('secureConnection', (stream) => {
      const connection = this.#handshakes.get(endsOf(stream));
      if (connection === undefined) stream.destroy();
      else this.#serve(stream, connection);
    });
    this.#tls.on('tlsClientError', (_, stream) => stream.destroy());
  }

  take(socket: Socket, { connection, isTls }: Taken): void {
    socket.on('error', () => undefined); // whoever reads is told
    socket.setKeepAlive(true, KEEPALIVE_MS);
    const ends = endsOf(socket);
    this.#connections.add(connection);
    socket.once('close', () => {
      this.#connections.delete(connection);
      this.answered({ connection, answer: LEFT }); // whoever waits overwrites the password
      this.#handshakes.delete(ends);
      this.#tell({ connection, ended: true });
    });
    if (!isTls) return this.#serve(socket, connection);
    this.#handshakes.set(ends, connection);
    this.#tls?.emit('connection', socket);
  }

  answered({ connection, answer }: AnswerTo): void {
    this.#waiting.get(connection)?.(answer);
    this.#waiting.delete(connection);
  }

  /** Tells all clients that their connections end, but for those who wait for the rest of a line or more. */
  sayBye(): void {
    for (const { stream, isAtLine } of this.#served.values())
      if (isAtLine && stream.writable && stream.writableLength === 0) stream.write(BYE);
  }

  #serve(stream: Socket, connection: number): void {
    this.#served.set(connection, { stream, isAtLine: true });
    const { hostname, loginMs, idleMs } = this.#options;
    stream.on('error', () => undefined);
    stream.setNoDelay();
    stream.setTimeout(idleMs, () => stream.destroy());
    const login = setTimeout(() => stream.destroy(), loginMs);
    void serveConnection(stream, {
      hostname,
      attempt: async (credentials) => {
        const attempt = await this.#attempt(connection, credentials);
        if ('run' in attempt) clearTimeout(login);
        setImmediate(() => overwriteStack());
        return attempt;
      },
      complain: (error) => this.#complain(error),
    }).finally(() => {
      clearTimeout(login);
      this.#served.delete(connection);
      setImmediate(() => overwriteStack());
    });
  }

  async #attempt(connection: number, credentials: Credentials): Promise<Attempt> {
    const { user, password } = credentials;
    try {
      let answer = await this.#ask({ connection, user, slot: slotNamedBy(password) });
      while ('socket' in answer) {
        const judged = await judge(answer.socket, { ...credentials, derives: answer.derives }).catch(
          (error: Error) => {
            this.#complain(error);
            return 'busy' as const;
          },
        );
        if (typeof judged !== 'string') {
          this.#tell({ connection, verdict: 'opened' });
          const served = this.#served.get(connection);
          const passes = (piece: Buffer) => {
            if (served !== undefined) served.isAtLine = piece.at(-1) === LF;
          };
          return {
            run(client) {
              client.stream.allowHalfOpen = true; // before, whoever has left is left alone
              return relay(client, judged, undefined, passes);
            },
          };
        }
        answer = await this.#ask({ connection, verdict: judged });
      }
      return answer;
    } finally {
      password.fill(0);
    }
  }

  #ask(message: Extract<FromFront, { connection: number }>): Promise<Answer> {
    return new Promise((resolve) => {
      if (!this.#connections.has(message.connection)) resolve(LEFT);
      else this.#waiting.set(message.connection, resolve);
      this.#tell(message);
    });
  }

  #complain(error: unknown): void {
    this.#tell({ say: { level: 'error', event: 'gateway session', detail: { error: String(error) } } });
  }
}

/** Has a password judged by the process of its user, which takes over the session if it is right. */
async function judge(path: string, given: Handover): Promise<Exclude<Verdict, 'opened'> | Side> {
  const socket = new RoomySocket(path);
  const { stream } = socket;
  stream.on('error', () => undefined); // whoever reads is told
  await once(stream, 'connect');
  const input = new Input(socket);
  await writeHandover(new Output(stream), given);
  const verdict = await readVerdict(input);
  if (verdict === 'opened') return { stream, input };
  stream.destroy();
  return verdict;
}

/** Tells connections of TCP from each other. */
function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

/**
 * Node has OpenSSL decrypt into a buffer of 16 KiB on the stack (TLSWrap::ClearOut), where the last record
 * stays. The frames of these calls lie over it.
 */
function overwriteStack(depth = 3000): number {
  return depth === 0 ? 0 : 1 + overwriteStack(depth - 1);
}
