// Gives an LMTP server of the test's own process a port.

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { TestContext } from 'node:test';
import type { LmtpServer } from '../../src/lmtp/server.ts';

/** Listens on a port of 127.0.0.1 until the test ends, and then drains the server. Returns the port. */
export async function listenFor(server: LmtpServer, t: TestContext): Promise<number> {
  const door = createServer({ allowHalfOpen: true }, (socket) => server.connect(socket));
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  t.after(async () => {
    door.close();
    await server.drain(0);
  });
  const address = door.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}
