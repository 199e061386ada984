/**
 * Answers Postfix's questions in its socketmap protocol (socketmap_table(5)): netstrings with the name of a
 * map and a key, one after the other on each connection. Knows no map.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { NetstringReader, netstring } from '../core/netstring.ts';

/** `OK data`, `NOTFOUND `, or `TEMP reason`. Never throws. */
export type AnswerMap = (map: string, key: string) => Promise<string>;

/** Postfix's own limit for what it asks. */
const MOST_BYTES = 10_000;
const MOST_CONNECTIONS = 256;

export interface MapServer {
  readonly server: Server;
  close(): void;
}

export function createMapServer(answer: AnswerMap): MapServer {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    void serve(socket, answer).catch(() => socket.destroy());
  });
  server.maxConnections = MOST_CONNECTIONS;
  return {
    server,
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

async function serve(socket: Socket, answer: AnswerMap): Promise<void> {
  const reader = new NetstringReader(MOST_BYTES);
  for await (const bytes of socket) {
    for (const question of reader.update(bytes as Buffer)) {
      const [, map = '', key = ''] = /^(\S*) ?([\s\S]*)$/.exec(question) ?? [];
      const isTaken = socket.write(netstring(await answer(map, key)));
      // a client that never reads must not fill our memory
      if (!isTaken) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
    }
  }
}
