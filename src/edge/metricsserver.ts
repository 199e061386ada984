/**
 * The HTTP side of /metrics, /healthz and /readyz. Knows no series: a source gives it their text. However
 * many ask, it is asked once at a time and at most once a second, and a connection gets one answer, whatever
 * it sends.
 */
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:net';
import { FirstRequest } from './firstrequest.ts';

/** An answer is given to all who ask within this time of it. */
const KEPT_MS = 1000;
/** Far more than a few scrapers need. Beyond it connections are closed at once. */
const MAX_CONNECTIONS = 32;
/** For a request to arrive and its answer to be taken; Prometheus gives up after as long. */
const PATIENCE_MS = 10_000;
const MAX_HEADER_BYTES = 8192;

export interface MetricsSource {
  readonly contentType: string;
  text(): Promise<string>;
}

export interface MetricsServer {
  /** The caller lets it listen. */
  readonly server: Server;
  /** Ends all connections too. */
  close(): void;
}

/**
 * Returns an HTTP server that answers GET and HEAD of /metrics, /healthz and /readyz, and nothing else.
 * `troubles`: what keeps us from taking mail, a sentence each.
 */
export function createMetricsServer(
  source: MetricsSource,
  troubles: () => Promise<readonly string[]> = async () => [],
): MetricsServer {
  const collect = atMostOnceASecond(() => source.text());
  const findTroubles = atMostOnceASecond(troubles);
  const http = createHttpServer({ maxHeaderSize: MAX_HEADER_BYTES }, async (request, response) => {
    const refusal = refusalOf(request);
    if (refusal !== undefined)
      return answer(response, refusal, 'only GET /metrics, /healthz and /readyz are here\n');
    try {
      const path = pathOf(request);
      if (path === '/healthz') return answer(response, 200, 'alive\n');
      if (path === '/readyz') return answerReady(response, await findTroubles());
      answer(response, 200, await collect(), source.contentType);
    } catch {
      answer(response, 500, 'metrics failed\n');
    }
  });
  const connections = new Set<FirstRequest>();
  const server = createServer((socket) => {
    const connection = new FirstRequest(socket);
    connections.add(connection);
    const late = setTimeout(() => connection.destroy(), PATIENCE_MS).unref();
    connection.on('close', () => {
      clearTimeout(late);
      connections.delete(connection);
    });
    http.emit('connection', connection);
  });
  server.maxConnections = MAX_CONNECTIONS;
  return {
    server,
    close() {
      server.close();
      for (const connection of connections) connection.destroy();
    },
  };
}

function answerReady(response: ServerResponse, troubles: readonly string[]): void {
  if (troubles.length === 0) return answer(response, 200, 'ready\n');
  answer(response, 503, troubles.map((each) => `${each}\n`).join(''));
}

function pathOf({ url }: IncomingMessage): string {
  return url?.split('?')[0] ?? '';
}

function refusalOf(request: IncomingMessage): 404 | 405 | undefined {
  if (!['/metrics', '/healthz', '/readyz'].includes(pathOf(request))) return 404;
  const { method } = request;
  return method === 'GET' || method === 'HEAD' ? undefined : 405;
}

/** Answers a request and ends its connection. Node leaves the body out for HEAD. */
function answer(response: ServerResponse, status: number, body: string, type = 'text/plain'): void {
  const headers = { 'content-type': type, 'content-length': Buffer.byteLength(body), connection: 'close' };
  response.writeHead(status, status === 405 ? { ...headers, allow: 'GET, HEAD' } : headers).end(body);
}

/**
 * Returns a function that shares one call, under way or done less than a second ago, among all who call it.
 */
function atMostOnceASecond<T>(work: () => Promise<T>): () => Promise<T> {
  let shared: Promise<T> | undefined;
  return () => {
    if (shared === undefined) {
      shared = work();
      const forget = () => {
        shared = undefined;
      };
      const forgetLater = () => void setTimeout(forget, KEPT_MS).unref();
      shared.then(forgetLater, forget);
    }
    return shared;
  };
}
