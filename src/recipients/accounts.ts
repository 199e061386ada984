/**
 * `recipients.source = "accounts"`: a file with an address at the start of each line, as docker-mailserver
 * (`address|hash`) and Dovecot's passwd-file (`address:hash:...`) have it; and perhaps one with quotas
 * (`address:5G`).
 */
import { readFile, stat } from 'node:fs/promises';
import { canonicalAddress, parseAddress, type SameAddress } from '../core/address.ts';
import { identityOf } from '../keys/identity.ts';
import { recipientOf } from './answer.ts';
import type { Recipient, RecipientSource } from './source.ts';

export interface AccountsOptions {
  readonly file: string;
  /** '' for none. */
  readonly quotas: string;
}

/** What a file says of each address: the second field of its line. */
type Lines = ReadonlyMap<string, string>;

export class AccountsFile implements RecipientSource {
  readonly #accounts: LinesOfFile;
  readonly #quotas: LinesOfFile | undefined;
  readonly #same: SameAddress;

  constructor({ file, quotas }: AccountsOptions, same: SameAddress) {
    this.#accounts = new LinesOfFile(file, same);
    this.#quotas = quotas === '' ? undefined : new LinesOfFile(quotas, same);
    this.#same = same;
  }

  async find(address: string): Promise<Recipient | undefined> {
    const accounts = await this.#accounts.current();
    // an empty file is more likely one that is being written than a site where nobody exists
    if (accounts.size === 0) throw new Error(`${this.#accounts.path} has no account`);
    if (!accounts.has(address)) return undefined;
    // without quotas there is no file with them
    const quotas = await this.#quotas?.current().catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    return recipientOf([{ quota: quotas?.get(address) }], address, this.#same);
  }
}

/** Is read again when it has changed. */
class LinesOfFile {
  readonly path: string;
  readonly #same: SameAddress;
  #identity = '';
  #lines: Lines = new Map();

  constructor(path: string, same: SameAddress) {
    this.path = path;
    this.#same = same;
  }

  async current(): Promise<Lines> {
    const identity = identityOf(await stat(this.path, { bigint: true }));
    if (identity !== this.#identity) {
      this.#lines = this.#parse(await readFile(this.path, 'utf8'));
      this.#identity = identity;
    }
    return this.#lines;
  }

  #parse(text: string): Lines {
    const lines = new Map<string, string>();
    for (const line of text.split('\n')) {
      const [, written = '', value = ''] = /^\s*([^#\s|:][^|:]*)[|:]([^|:]*)/.exec(line.trimEnd()) ?? [];
      const address = written.startsWith('@') ? undefined : parseAddress(written.trim());
      const canonical = address && canonicalAddress(address, this.#same);
      if (canonical !== undefined) lines.set(canonical, value.trim());
    }
    return lines;
  }
}
