/**
 * `recipients.source = "http"`: a GET finds a recipient. 200 with a JSON object, or a list of objects with a
 * key each, is the answer; 404 or 410 says that there is none; anything else could not be asked.
 */
import { readFile } from 'node:fs/promises';
import type { SameAddress } from '../core/address.ts';
import { Semaphore } from '../core/semaphore.ts';
import { recipientOf, rowsOf } from './answer.ts';
import { type QueryValues, valuesOf } from './query.ts';
import type { Recipient, RecipientSource } from './source.ts';

export interface HttpOptions {
  /** With {address}, or {local} and {domain}. */
  readonly url: string;
  /** A file with a token that is sent as `Authorization: Bearer`; '' for none. */
  readonly tokenFile: string;
  readonly waitMs: number;
}

const MOST_BYTES = 1024 * 1024;

const MOST_REQUESTS = 16;

export class HttpSource implements RecipientSource {
  readonly #options: HttpOptions;
  readonly #requests: Semaphore;
  readonly #same: SameAddress;

  constructor(options: HttpOptions, same: SameAddress) {
    this.#options = options;
    this.#same = same;
    this.#requests = new Semaphore(MOST_REQUESTS, options.waitMs);
  }

  async find(address: string): Promise<Recipient | undefined> {
    // a URL with one of these between two slashes is another URL, even where they are encoded
    const { local, domain } = valuesOf(address);
    if ([local, domain].some((value) => value === '.' || value === '..')) return undefined;
    return this.#requests.run(() => this.#find(address));
  }

  async #find(address: string): Promise<Recipient | undefined> {
    const { url, tokenFile, waitMs } = this.#options;
    const token = tokenFile === '' ? undefined : (await readFile(tokenFile, 'utf8')).trim();
    const response = await fetch(urlFor(url, valuesOf(address)), {
      headers: {
        accept: 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      redirect: 'error',
      signal: AbortSignal.timeout(waitMs),
    });
    const body = await bodyOf(response);
    if (response.status === 404 || response.status === 410) return undefined;
    if (response.status !== 200) throw new Error(`the recipient source answered ${response.status}`);
    return recipientOf(rowsOf(JSON.parse(body)), address, this.#same);
  }
}

/** Reads all of it, since a connection is used again only then. */
async function bodyOf(response: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    bytes += (piece as Uint8Array).length;
    if (bytes > MOST_BYTES) throw new Error('the answer of the recipient source is too long');
    pieces.push(piece as Uint8Array);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** Returns the URL with the values in it; none can be more than a part of the path or a parameter. */
export function urlFor(url: string, values: QueryValues): string {
  return url.replace(/\{(address|local|domain)\}/g, (_, name: keyof QueryValues) =>
    encodeURIComponent(values[name]),
  );
}
