// A writer that its user has in their hands: it takes what a server sends, and answers as a test wants.

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { FrameReader, frame } from '../../src/owners/frames.ts';

export interface OddWriter {
  readonly path: string;
  /** How many links were begun. */
  links(): number;
}

export type Answer = (socket: Socket, request: { readonly id: number; readonly call: string }) => void;

export async function socketPath(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-owners-'));
  t.after(() => rm(directory, { recursive: true }));
  return join(directory, 'socket');
}

export function reply(socket: Socket, head: unknown): void {
  socket.write(Buffer.concat(frame(head)));
}

/** `greet` answers the greeting; left out: as it should be. */
export async function startOdd(
  t: TestContext,
  answer: Answer,
  greet = (socket: Socket) => reply(socket, { id: 0, result: true }),
): Promise<OddWriter> {
  const path = await socketPath(t);
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    const reader = new FrameReader(10_000_000);
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      for (const { head } of reader.update(bytes)) {
        if ((head as { readonly id?: number }).id === undefined) greet(socket);
        else answer(socket, head as { readonly id: number; readonly call: string });
      }
    });
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { path, links: () => sockets.length };
}
