/**
 * The HTTP side of /metrics. Knows no series: a source gives it their text. However many ask, the source is
 * asked once at a time and at most once a second, and a connection gets one answer, whatever it sends.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** An answer is given to all who ask within this time of it. */
const KEPT_MS = 1000;
/** Far more than a few scrapers need. Beyond it connections are closed at once. */
const MAX_CONNECTIONS = 32;
/** For a request to arrive, and for its answer to be taken. */
const PATIENCE_MS = 5000;
const LIMITS = {
  headersTimeout: PATIENCE_MS,
  requestTimeout: PATIENCE_MS,
  connectionsCheckingInterval: 1000,
  maxHeaderSize: 8192,
} as const;

export interface MetricsSource {
  readonly contentType: string;
  text(): Promise<string>;
}

/**
 * Returns an HTTP server that answers GET and HEAD of /metrics and nothing else; the caller lets it listen.
 */
export function createMetricsServer(source: MetricsSource): Server {
  const collect = atMostOnceASecond(() => source.text());
  const answered = new WeakSet<Socket>();
  const server = createServer(LIMITS, async (request, response) => {
    // requests that came in the same piece are with us before the connection is closed
    if (answered.has(request.socket)) return;
    answered.add(request.socket);
    const refusal = refusalOf(request);
    if (refusal !== undefined) return answer(response, refusal, 'only GET /metrics is here\n');
    try {
      answer(response, 200, await collect(), source.contentType);
    } catch {
      answer(response, 500, 'metrics failed\n');
    }
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.timeout = PATIENCE_MS;
  return server;
}

function refusalOf({ method, url }: IncomingMessage): 404 | 405 | undefined {
  if (url?.split('?')[0] !== '/metrics') return 404;
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
function atMostOnceASecond(work: () => Promise<string>): () => Promise<string> {
  let shared: Promise<string> | undefined;
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
