/** The sockets that LMTP comes in by. What is done with a connection is not their business. */
import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { LmtpListener } from '../config/listenerkinds.ts';
import { whyNotPlain } from '../config/rules.ts';
import type { Settings } from '../config/settings.ts';
import type { InheritedSocket, Listener, Opening } from '../core/listener.ts';
import { listenOn, listenOnDescriptor } from '../edge/sockets.ts';
import { passedAs } from './inherited.ts';
import { blamingSetting, startError } from './starterror.ts';

/** For what has come before the end, however many go on to come. */
const LAST_MS = 1000;

export interface Doors {
  /** What LMTP listens on, as one would write it in the configuration. */
  readonly lmtp: readonly string[];
  /** Closes them, after it has taken the connections that the kernel has: it would cut those off. */
  close(): Promise<void>;
}

export interface DoorOptions {
  /** Listening descriptors passed by systemd. */
  readonly inherited: readonly InheritedSocket[];
  /** Nothing is read from a connection: it will be given to another process. */
  readonly isPaused: boolean;
  connect(socket: Socket, opening: Opening): void;
  fault(error: Error): void;
}

/**
 * Listens on everything that `lmtp.listen` names. The paths of Unix sockets are ours already. Throws
 * StartError.
 */
export async function openDoors(settings: Settings, options: DoorOptions): Promise<Doors> {
  const servers: Server[] = [];
  let taken = 0;
  const close = () => {
    for (const server of servers) server.close();
  };
  const open = async (opening: Opening, bind: (server: Server) => Promise<string>) => {
    // a client may close its side after its last command and still wants the replies
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: options.isPaused });
    servers.push(server);
    const at = await bind(server).finally(() => server.on('error', options.fault));
    const host = hostOf(server);
    const why = host === undefined || opening === 'tls' ? undefined : whyNotPlain(settings, host);
    if (why !== undefined) throw new Error(`lmtp.listen: ${why}`);
    // before this turn of the event loop ends no connection comes
    server.on('connection', (socket) => {
      taken += 1;
      options.connect(socket, host === undefined ? 'plain' : opening);
    });
    return opening === 'tls' && host !== undefined ? `tls://${at}` : at;
  };
  const at: string[] = [];
  try {
    for (const listener of settings.lmtp.listen) {
      const opening = listener.type === 'tls' || listener.type === 'tlsSystemd' ? 'tls' : 'plain';
      for (const bind of await blamingSetting('lmtp.listen', bindersOf(listener, settings, options)))
        at.push(await open(opening, bind));
    }
  } catch (error) {
    close();
    throw startError(error);
  }
  return {
    lmtp: at,
    async close() {
      const deadline = performance.now() + LAST_MS;
      await turn(); // the rest of this one
      // a turn of the event loop takes one connection: until there is a whole one that takes none
      for (let seen = -1; seen !== taken && performance.now() < deadline; await turn()) seen = taken;
      close();
    },
  };
}

type Binder = (server: Server) => Promise<string>;

/** Returns what binds each socket of a listener: systemd may pass several. */
async function bindersOf(
  listener: LmtpListener,
  settings: Settings,
  { inherited }: DoorOptions,
): Promise<Binder[]> {
  if (listener.type === 'systemd' || listener.type === 'tlsSystemd')
    return passedAs(listener.name, inherited, settings).map(
      ({ fd }) =>
        (server) =>
          listenOnDescriptor(server, fd),
    );
  const address: Listener = listener.type === 'tls' ? { ...listener, type: 'tcp' } : listener;
  return [(server) => blamingSetting('lmtp.listen', listenOn(server, address, settings.lmtp.socket_mode))];
}

/** Returns the address that a server listens on; undefined for a Unix socket. */
function hostOf(server: Server): string | undefined {
  const bound = server.address();
  return bound === null || typeof bound === 'string' ? undefined : bound.address;
}
