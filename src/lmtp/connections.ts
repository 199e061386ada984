/**
 * Counts the connections of one process, whatever socket they came in by, and refuses those that are too
 * many: in all, or from one peer.
 */
import type { Socket } from 'node:net';
import type { Why } from '../core/outcome.ts';
import { Slots } from '../core/slots.ts';

export interface ConnectionLimits {
  readonly maxConnections: number;
  /** From one IP address. Peers on a Unix socket are not told apart (D21a). */
  readonly maxPeerConnections: number;
}

export class Connections<C extends { readonly remoteAddress: string }> {
  readonly open = new Set<C>();
  readonly #peers = new Slots();

  /** Admits a connection until `socket` closes, or says why not. */
  admit(connection: C, socket: Socket, limits: ConnectionLimits): Why | undefined {
    if (this.open.size >= limits.maxConnections) return 'tooManyConnections';
    const { remoteAddress: peer } = connection;
    // a Unix socket has no address
    const most = peer === '' ? Number.POSITIVE_INFINITY : limits.maxPeerConnections;
    const leave = this.#peers.take(peer, most);
    if (leave === undefined) return 'tooManyFromPeer';
    this.open.add(connection);
    socket.once('close', () => {
      this.open.delete(connection);
      leave();
    });
    return undefined;
  }
}
