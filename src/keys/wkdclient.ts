/**
 * Fetches a key from the web key directory of its domain (draft-koch-openpgp-webkey-service §3.1): from
 * openpgpkey.DOMAIN, or from DOMAIN itself if there is no such host. Asks over HTTPS alone, with a
 * certificate that is verified, never a machine that is not on the public Internet, and until it is told to
 * stop. Only 404 says that there is no key; everything else is an error. Says nothing of what is in an
 * answer.
 */
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { isIP } from 'node:net';
import { rootCertificates } from 'node:tls';
import { partsOf } from '../core/address.ts';
import { MAX_KEY_FILE_BYTES } from './parsedfiles.ts';
import { isPublicAddress } from './publicaddress.ts';
import { wkdHash } from './wkdhash.ts';

export interface WkdClientOptions {
  /** A file with certificates of authorities that are trusted beside those that Node knows; '' for none. */
  readonly caFile: string;
  /** Where questions go; left out: to the addresses of the system's name service, to port 443. */
  readonly route?: Route | undefined;
}

export interface Route {
  readonly port: number;
  /** Fails with the code ENOTFOUND if there is no such host. */
  addressesOf(host: string): Promise<readonly LookupAddress[]>;
  mayConnect(address: string): boolean;
}

const PUBLIC_INTERNET: Route = {
  port: 443,
  addressesOf: (host) => lookup(host, { all: true }),
  mayConnect: isPublicAddress,
};

const MOST_REDIRECTS = 3;
const REDIRECTS = [301, 302, 303, 307, 308];

type Addresses = readonly LookupAddress[];

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: Buffer;
}

export class WkdClient {
  readonly #options: WkdClientOptions;
  readonly #route: Route;

  constructor(options: WkdClientOptions) {
    this.#options = options;
    this.#route = options.route ?? PUBLIC_INTERNET;
  }

  /** Returns the answer for a canonical address, or undefined if its directory has no key. */
  async fetch(address: string, signal: AbortSignal): Promise<Buffer | undefined> {
    const { local, domain } = partsOf(address);
    const name = `hu/${wkdHash(local)}?l=${encodeURIComponent(local)}`;
    const path = '.well-known/openpgpkey';
    const advanced = await this.#addressesOf(`openpgpkey.${domain}`);
    if (advanced !== undefined)
      return this.#follow(this.#url(`openpgpkey.${domain}`, `${path}/${domain}/${name}`), advanced, signal);
    const direct = await this.#addressesOf(domain);
    if (direct === undefined)
      throw new Error(
        `neither openpgpkey.${domain} nor ${domain} has an address; list the domains that have a web key directory ` +
          'in keys.wkd_domains',
      );
    return this.#follow(this.#url(domain, `${path}/${name}`), direct, signal);
  }

  #url(host: string, path: string): URL {
    return new URL(`https://${host}:${this.#route.port}/${path}`);
  }

  async #follow(start: URL, startAt: Addresses, signal: AbortSignal): Promise<Buffer | undefined> {
    let url = start;
    let addresses: Addresses | undefined = startAt;
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
      if (addresses === undefined) throw new Error(`${url.hostname} does not exist`);
      const { status, location, body } = await this.#ask(url, addresses, signal);
      if (status === 404) return undefined;
      if (status === 200) return body;
      if (!REDIRECTS.includes(status) || location === undefined)
        throw new Error(`${url.hostname} answered ${status}`);
      const next = URL.canParse(location, url.href) ? new URL(location, url.href) : undefined;
      if (next?.protocol !== 'https:') throw new Error(`${url.hostname} redirects to what is no https: URL`);
      url = next;
      addresses = await this.#addressesOf(url.hostname);
    }
    throw new Error(`${start.hostname} redirects more than ${MOST_REDIRECTS} times`);
  }

  /** Returns undefined if there is no such host. Throws if that is not known, or it is none to connect to. */
  async #addressesOf(host: string): Promise<Addresses | undefined> {
    if (isIP(host.replace(/^\[|\]$/g, '')) !== 0) throw new Error(`${host} is no name of a host`);
    const all = await this.#route.addressesOf(host).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOTFOUND') return undefined;
      throw error;
    });
    if (all === undefined) return undefined;
    const allowed = all.filter(({ address }) => this.#route.mayConnect(address));
    if (allowed.length === 0) throw new Error(`${host} is not on the public Internet`);
    return allowed;
  }

  async #ask(url: URL, addresses: Addresses, signal: AbortSignal): Promise<Answer> {
    const { caFile } = this.#options;
    const ca = caFile === '' ? {} : { ca: [...rootCertificates, await readFile(caFile, 'latin1')] };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const asking = request(url, {
        ...ca,
        agent: false,
        rejectUnauthorized: true, // whatever the environment says
        signal,
        // not asked for again: a name server could have another answer by then
        lookup: (_, { all }, found) => {
          const [first] = addresses;
          if (all) found(null, [...addresses]);
          else found(null, first?.address ?? '', first?.family);
        },
      });
      asking.on('response', resolve);
      asking.on('error', reject);
      asking.end();
    });
    const { statusCode: status = 0, headers } = response;
    try {
      const body = status === 200 ? await bodyOf(response) : Buffer.alloc(0);
      return { status, location: headers.location, body };
    } finally {
      response.destroy();
    }
  }
}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > MAX_KEY_FILE_BYTES) throw new Error(`the answer has over ${MAX_KEY_FILE_BYTES} bytes`);
    pieces.push(piece);
  }
  if (!response.complete) throw new Error('the answer was cut off');
  return Buffer.concat(pieces);
}
