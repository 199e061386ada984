/** The HTTP side of /metrics. Knows no series: a source gives it their text. */
import { createServer, type Server } from 'node:http';

export interface MetricsSource {
  readonly contentType: string;
  text(): Promise<string>;
}

/** Returns an HTTP server that answers GET /metrics and nothing else; the caller lets it listen. */
export function createMetricsServer(source: MetricsSource): Server {
  return createServer(async (request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('only GET /metrics is here\n');
      return;
    }
    try {
      const text = await source.text();
      response.writeHead(200, { 'content-type': source.contentType }).end(text);
    } catch {
      response.writeHead(500, { 'content-type': 'text/plain' }).end('metrics failed\n');
    }
  });
}
