/**
 * Answers Postfix's questions in its socketmap protocol (socketmap_table(5)): netstrings with the name of a
 * map and a key, one after the other on each connection. Knows no map. No client may take memory, time or
 * connections from the others: each has one question under way, reads its answers soon, and asks now and
 * then.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { NetstringReader, netstring } from '../core/netstring.ts';

/** `OK data`, `NOTFOUND `, or `TEMP reason`. Never throws. */
export type AnswerMap = (map: string, key: string) => Promise<string>;

/** The longest question: a name of a map, and an address with what a mail server may put around it. */
const MOST_BYTES = 1000;
const MOST_CONNECTIONS = 256;
/** A client that asks nothing for longer, or does not read, is cut off; Postfix connects again. */
const IDLE_MS = 120_000;

export interface MapServer {
  readonly server: Server;
  close(): void;
}

export function createMapServer(answer: AnswerMap): MapServer {
  const open = new Set<Socket>(); // whoever has said nothing for longest comes first
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const [oldest] = open;
    if (open.size >= MOST_CONNECTIONS) oldest?.destroy();
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    const heard = () => {
      open.delete(socket);
      open.add(socket);
    };
    void serve(socket, answer, heard).catch(() => socket.destroy());
  });
  return {
    server,
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

async function serve(socket: Socket, answer: AnswerMap, heard: () => void): Promise<void> {
  const reader = new NetstringReader(MOST_BYTES);
  for await (const bytes of socket) {
    for (const question of reader.update(bytes as Buffer)) {
      const [, map = '', key = ''] = /^(\S*) ?([\s\S]*)$/.exec(question) ?? [];
      const isTaken = socket.write(netstring(await answer(map, key)));
      if (!isTaken) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
      if (socket.destroyed) return;
      await nextTurn(); // deliveries have their turn
    }
    heard();
  }
  socket.end();
}
