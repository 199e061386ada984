/** Opens a connection to a next hop, perhaps with TLS, and greets it. */
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { within } from '../core/deadline.ts';
import type { NextHop } from '../core/nexthop.ts';
import { expectGood, HopConnection, SILENCE_MS } from './connection.ts';
import { LostError } from './replies.ts';

export interface HopOptions {
  readonly hop: NextHop;
  /** The name of this host, for LHLO. */
  readonly host: string;
  /** STARTTLS is asked for, and nothing is said without it. */
  readonly needsTls: boolean;
  /** The authorities that its certificate has to be from, as PEM; undefined for those that Node knows. */
  readonly ca: string | undefined;
}

/** How long to be without a connection. */
const CONNECT_MS = 10_000;

/** Returns a connection that can take a message. Throws an Error that says why there is none. */
export async function openConnection(options: HopOptions): Promise<HopConnection> {
  const { hop, needsTls, ca, host } = options;
  const socket = await connected(hop.isTls ? secured(hop, ca) : connect(addressOf(hop)), hop.isTls);
  const connection = new HopConnection(socket);
  try {
    expectGood(await connection.reply(SILENCE_MS));
    await connection.greet(host);
    if (!needsTls) return connection;
    if (!connection.offersStartTls) throw new LostError('it offers no STARTTLS, and is beyond the loopback');
    expectGood(await connection.say('STARTTLS'));
    const secure = new HopConnection(await connected(secured(hop, ca, connection.handOver()), true));
    try {
      await secure.greet(host);
    } catch (error) {
      secure.destroy();
      throw error;
    }
    return secure;
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

function addressOf({ at }: NextHop) {
  return at.type === 'unix' ? { path: at.path } : { host: at.host, port: at.port };
}

/** The name in the certificate has to be that of the setting, be it a name or an address. */
function secured(hop: NextHop, ca: string | undefined, socket?: Socket): Socket {
  const { at } = hop;
  const host = at.type === 'tcp' ? at.host : '';
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const trust = ca === undefined ? {} : { ca };
  const over = socket === undefined ? addressOf(hop) : { socket, host };
  return connectTls({ ...over, ...servername, ...trust, minVersion: 'TLSv1.2' });
}

async function connected(socket: Socket, isTls: boolean): Promise<Socket> {
  const ready = new Promise<Socket>((resolve, reject) => {
    socket.once(isTls ? 'secureConnect' : 'connect', () => resolve(socket));
    socket.once('error', reject);
    socket.once('close', () => reject(new LostError('it closes the connection')));
  });
  const opened = await within(ready, CONNECT_MS).catch((error: unknown) => {
    socket.destroy();
    throw error;
  });
  if (opened !== 'late') return opened;
  socket.destroy();
  throw new LostError(`no connection within ${CONNECT_MS / 1000} s`);
}
