/** The sockets that LMTP comes in by. What is done with a connection is not their business. */
import { createServer, type Server, type Socket } from 'node:net';
import type { Settings } from '../config/settings.ts';
import type { Listener } from '../core/listener.ts';
import { listenOn, listenOnDescriptor } from '../edge/sockets.ts';
import { blamingSetting, startError } from './starterror.ts';

export interface Doors {
  /** What LMTP listens on, as one would write it in the configuration. */
  readonly lmtp: readonly string[];
  close(): void;
}

export interface DoorOptions {
  /** Listening descriptors passed by systemd. */
  readonly inherited: readonly number[];
  /** Nothing is read from a connection: it will be given to another process. */
  readonly isPaused: boolean;
  connect(socket: Socket): void;
  fault(error: Error): void;
}

/**
 * Listens on everything that `lmtp.listen` names. The paths of Unix sockets are ours already. Throws
 * StartError.
 */
export async function openDoors({ lmtp }: Settings, options: DoorOptions): Promise<Doors> {
  const servers: Server[] = [];
  const close = () => {
    for (const server of servers) server.close();
  };
  const open = (bind: (server: Server) => Promise<string>) => {
    // a client may close its side after its last command and still wants the replies
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: options.isPaused }, options.connect);
    servers.push(server);
    return bind(server).finally(() => server.on('error', options.fault));
  };
  const bindTo = (address: Listener) => (server: Server) =>
    blamingSetting('lmtp.listen', listenOn(server, address, lmtp.socket_mode));
  const at: string[] = [];
  try {
    for (const address of lmtp.listen) {
      if (address.type !== 'systemd') at.push(await open(bindTo(address)));
      else
        for (const fd of fromSystemd(options.inherited))
          at.push(await open((server) => listenOnDescriptor(server, fd)));
    }
  } catch (error) {
    close();
    throw startError(error);
  }
  return { lmtp: at, close };
}

function fromSystemd(inherited: readonly number[]): readonly number[] {
  if (inherited.length === 0) throw new Error('lmtp.listen is "systemd" but systemd passed no sockets');
  return inherited;
}
