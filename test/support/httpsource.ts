// A recipient source that is asked over HTTP.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HttpSource {
  /** The lines of [recipients] that make a server ask it. */
  readonly toml: string;
  close(): void;
}

/** Starts one. `recipients`: what it says of each address; whoever is not there does not exist. */
export async function startHttpSource(recipients: Readonly<Record<string, object>>): Promise<HttpSource> {
  const server = createServer((request, response) => {
    const answer = recipients[decodeURIComponent(request.url ?? '').slice(1)];
    response.writeHead(answer === undefined ? 404 : 200).end(JSON.stringify({ account: null, ...answer }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    toml: `source = "http"\nhttp.url = "http://127.0.0.1:${port}/{address}"`,
    close: () => void server.close(),
  };
}
