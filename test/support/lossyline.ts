// Stands between a mail server and Sealdir, and loses replies: the connection ends where a message has
// arrived and its replies are on their way.

import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';

/** A message is that far under way when replies can only be those to its end. */
const UNDER_WAY_BYTES = 100_000;

export interface LossyLine {
  /** Connections so far. */
  readonly connections: () => number;
  /** Times that replies were lost. */
  readonly losses: () => number;
  /** Loses the replies to the next message of more than 100,000 bytes, but for the first `kept` ones. */
  lose(kept?: number): void;
  stop(): Promise<void>;
}

/** Listens at `from` and connects to `to`: paths of Unix sockets, or ports of 127.0.0.1. */
export async function startLine(from: string | number, to: string | number): Promise<LossyLine> {
  let connections = 0;
  let losses = 0;
  let loses: { kept: number } | undefined;
  const open = new Set<Socket>();

  // Exim ends its direction as soon as it has sent QUIT, together with the end of a message
  const allowHalfOpen = true;
  const door = createServer({ allowHalfOpen }, (client) => {
    connections += 1;
    const server = connect({
      ...(typeof to === 'number' ? { port: to, host: '127.0.0.1' } : { path: to }),
      allowHalfOpen,
    });
    let sent = 0;
    let replied = '';
    for (const socket of [client, server]) {
      open.add(socket);
      socket.on('close', () => open.delete(socket)).on('error', () => undefined);
    }
    client.on('data', (bytes) => {
      sent += bytes.length;
    });
    client.pipe(server);
    client.on('close', () => server.destroy());
    server.on('end', () => client.end());
    server.on('close', () => client.end());
    server.on('data', (bytes) => {
      if (loses === undefined || sent < UNDER_WAY_BYTES) return void client.write(bytes);
      replied += bytes.toString('latin1');
      const lines = replied.split('\r\n');
      if (lines.length - 1 <= loses.kept && loses.kept > 0) return;
      losses += 1;
      client.end(
        lines
          .slice(0, loses.kept)
          .map((line) => `${line}\r\n`)
          .join(''),
        'latin1',
      );
      loses = undefined;
      server.destroy();
    });
  });
  if (typeof from === 'number') door.listen(from, '127.0.0.1');
  else door.listen({ path: from, writableAll: true });
  await once(door, 'listening');
  return {
    connections: () => connections,
    losses: () => losses,
    lose(kept = 0) {
      loses = { kept };
    },
    async stop() {
      door.close();
      for (const socket of open) socket.destroy();
      if (typeof from === 'string') await rm(from, { force: true });
    },
  };
}
