// A next hop as a script: an LMTP server on a real socket that keeps what it is told, and that a test lets
// answer, wait, break off or say nonsense at any of its steps.

import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { TLSSocket, type TLSSocketOptions } from 'node:tls';
import { DotDecoder } from '../../src/lmtp/dots.ts';

/** One message that came to its end. */
export interface Taken {
  /** What followed `MAIL FROM:` and `RCPT TO:`. */
  readonly mail: string;
  readonly rcpt: string;
  /** With CRLF, dots removed. */
  readonly message: Buffer;
}

/** Steps at which it may do something else; `end` is after the final dot. */
export type Step =
  | 'greeting'
  | 'LHLO'
  | 'STARTTLS'
  | 'MAIL'
  | 'RCPT'
  | 'DATA'
  | 'body'
  | 'end'
  | 'RSET'
  | 'QUIT';

/** `line`: what was said. The text of a reply, 'close', 'silence', or undefined for what is usual. */
export type Script = (
  step: Step,
  line: string,
  socket: Socket,
) => string | 'close' | 'silence' | undefined | Promise<string | undefined>;

export interface NextHopOptions {
  readonly script?: Script;
  /** The words after LHLO. */
  readonly offers?: readonly string[];
  /** Makes TLS possible: from the start, or after STARTTLS. */
  readonly tls?: TLSSocketOptions & { readonly begins?: boolean };
  /** Where to listen; any port of 127.0.0.1 if left out. */
  readonly path?: string;
  readonly port?: number;
}

export interface NextHopServer {
  /** As the setting has it, in clear. */
  readonly address: string;
  readonly port: number;
  readonly taken: readonly Taken[];
  /** All commands, in their order. */
  readonly said: readonly string[];
  /** All bytes that came in clear, of all connections. */
  readonly heard: readonly Buffer[];
  /** How many connections came so far, and how many are open. */
  readonly connections: () => { readonly came: number; readonly open: number };
  /** Ends all connections. */
  cut(): void;
  stop(): Promise<void>;
}

export const OFFERS = ['PIPELINING', 'ENHANCEDSTATUSCODES', '8BITMIME', 'SMTPUTF8', 'SIZE'];

const USUAL: Record<Step, string> = {
  greeting: '220 hop.example LMTP',
  LHLO: '',
  STARTTLS: '220 2.0.0 go ahead',
  MAIL: '250 2.1.0 OK',
  RCPT: '250 2.1.5 OK',
  DATA: '354 go ahead',
  body: '',
  end: '250 2.0.0 <x> Saved',
  RSET: '250 2.0.0 OK',
  QUIT: '221 2.0.0 Bye',
};

export async function startNextHop(options: NextHopOptions = {}): Promise<NextHopServer> {
  const sockets = new Set<Socket>();
  const state = { taken: [] as Taken[], said: [] as string[], heard: [] as Buffer[], came: 0 };
  const server: Server = createServer((socket) => {
    state.came++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    const begins = options.tls?.begins === true;
    const first = begins ? secured(socket, options.tls) : socket;
    void serve(first, socket, options, state, 'greeting').catch(() => socket.destroy());
  });
  if (options.path === undefined) server.listen(options.port ?? 0, '127.0.0.1');
  else server.listen(options.path);
  await once(server, 'listening');
  const at = server.address();
  const port = typeof at === 'object' && at !== null ? at.port : 0;
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: options.path === undefined ? `lmtp:inet:127.0.0.1:${port}` : `lmtp:unix:${options.path}`,
    port,
    ...state,
    taken: state.taken,
    connections: () => ({ came: state.came, open: sockets.size }),
    cut,
    async stop() {
      cut();
      server.close();
      if (server.listening) await once(server, 'close');
    },
  };
}

function secured(socket: Socket, tls: TLSSocketOptions | undefined): TLSSocket {
  const secure = new TLSSocket(socket, { isServer: true, ...tls });
  secure.on('error', () => socket.destroy());
  return secure;
}

interface State {
  readonly taken: Taken[];
  readonly said: string[];
  readonly heard: Buffer[];
}

async function serve(
  socket: Socket,
  raw: Socket,
  options: NextHopOptions,
  state: State,
  from: Step | 'LHLO',
): Promise<void> {
  const { script = () => undefined, offers = OFFERS, tls } = options;
  const words = tls === undefined || socket instanceof TLSSocket ? offers : [...offers, 'STARTTLS'];
  const answer = async (step: Step, line: string): Promise<boolean> => {
    const said = await script(step, line, socket);
    if (said === 'silence') return false;
    if (said === 'close') {
      socket.destroy();
      return false;
    }
    const lhlo = ['hop.example', ...words].map(
      (word, n, all) => `250${n + 1 < all.length ? '-' : ' '}${word}`,
    );
    const text = said ?? (step === 'LHLO' ? lhlo.join('\r\n') : USUAL[step]);
    if (text !== '') socket.write(`${text}\r\n`);
    return text.startsWith('2') || text.startsWith('3');
  };
  if (from === 'greeting') await answer('greeting', '');
  let rest: Buffer = Buffer.alloc(0);
  let [mail, rcpt] = ['', ''];
  let decoder: DotDecoder | undefined;
  let pieces: Buffer[] = [];
  // TLS goes on with the same socket
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    if (!(socket instanceof TLSSocket)) state.heard.push(Buffer.from(chunk as Buffer));
    rest = Buffer.concat([rest, chunk as Buffer]);
    for (;;) {
      if (decoder !== undefined) {
        await script('body', '', socket);
        const decoded = decoder.update(rest);
        pieces.push(...decoded.pieces.map((piece) => Buffer.from(piece)));
        rest = Buffer.alloc(0);
        if (decoded.rest === undefined) break;
        rest = decoded.rest;
        decoder = undefined;
        const message = Buffer.concat(pieces);
        pieces = [];
        if (await answer('end', '')) state.taken.push({ mail, rcpt, message });
        rcpt = '';
        continue;
      }
      const end = rest.indexOf('\r\n');
      if (end === -1) break;
      const line = rest.subarray(0, end).toString();
      rest = rest.subarray(end + 2);
      state.said.push(line);
      const [step = 'QUIT'] = /^(LHLO|STARTTLS|MAIL|RCPT|DATA|RSET|QUIT)/.exec(line) ?? [];
      if ((step === 'RCPT' && mail === '') || (step === 'DATA' && rcpt === '')) {
        socket.write('503 5.5.1 not yet\r\n');
        continue;
      }
      const isGood = await answer(step as Step, line);
      if (step === 'MAIL') mail = isGood ? line.slice('MAIL FROM:'.length) : '';
      if (step === 'MAIL' || step === 'RSET') rcpt = '';
      if (step === 'RCPT' && isGood) rcpt = line.slice('RCPT TO:'.length);
      if (step === 'DATA' && isGood) decoder = new DotDecoder();
      if (step === 'QUIT') socket.end();
      if (step === 'STARTTLS' && isGood) return serve(secured(raw, tls), raw, options, state, 'LHLO');
    }
  }
}
