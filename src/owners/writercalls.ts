/**
 * The single calls of an owner, made by their writer over a connection of their own. It is kept while a file
 * is on its way, since the writer removes what is unfinished when it ends; else it ends after a while.
 */
import type { FileCalls } from '../disk/calls.ts';
import type { Free, OpenFile, Stats } from '../disk/disk.ts';
import { type LinkOptions, WriterLink } from './link.ts';
import type { Request } from './protocol.ts';

const IDLE_MS = 3000;

type Calls = Omit<FileCalls, 'readlink' | 'mounts'>;

export class WriterCalls {
  readonly calls: Calls;
  readonly #options: LinkOptions;
  readonly #unfinished = new Set<string>(); // paths in tmp/
  #link: WriterLink | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.calls = {
      create: (path, mode) => this.#create(path, mode),
      unlink: async (path) => {
        await this.#ask({ call: 'unlink', path });
        this.finished(path);
      },
      mkdir: async (path, mode) => void (await this.#ask({ call: 'mkdir', path, mode })),
      isDirectory: async (path) => (await this.#ask({ call: 'isDirectory', path })) === true,
      syncDirectory: async (path) => void (await this.#ask({ call: 'syncDirectory', path })),
      list: async (path) => namesOf(await this.#ask({ call: 'list', path })),
      stat: async (path) => statsOf(await this.#ask({ call: 'stat', path })),
      statfs: async (path) => freeOf(await this.#ask({ call: 'statfs', path })),
    };
  }

  async append(path: string, line: string): Promise<void> {
    await this.#ask({ call: 'append', path, line });
  }

  /** The file is in its place, or gone. */
  finished(path: string): void {
    this.#unfinished.delete(path);
  }

  close(): void {
    this.#link?.end();
  }

  async #create(path: string, mode: number): Promise<OpenFile> {
    this.#unfinished.add(path);
    const link = this.#begunLink();
    // its number means nothing on another connection
    const ask = (request: Request, bytes?: readonly Buffer[]) => this.#on(link, request, bytes);
    const file = await ask({ call: 'create', path, mode }).catch((error: unknown) => {
      this.finished(path);
      throw error;
    });
    if (typeof file !== 'number') throw wrong();
    return {
      async writev(pieces) {
        const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
        const written = await ask({ call: 'writev', file }, pieces);
        if (typeof written !== 'number' || written < 0 || written > length) throw wrong();
        return written;
      },
      sync: async () => void (await ask({ call: 'sync', file })),
      close: async () => void (await ask({ call: 'close', file })),
    };
  }

  #ask(request: Request): Promise<unknown> {
    return this.#on(this.#begunLink(), request);
  }

  async #on(link: WriterLink, request: Request, bytes?: readonly Buffer[]): Promise<unknown> {
    clearTimeout(this.#idle);
    try {
      return await link.request(request, bytes);
    } finally {
      clearTimeout(this.#idle);
      this.#idle = setTimeout(() => this.#endIfIdle(), IDLE_MS).unref();
    }
  }

  #begunLink(): WriterLink {
    if (this.#link !== undefined) return this.#link;
    const link = new WriterLink(this.#options, () => {
      if (this.#link === link) this.#link = undefined;
      this.#unfinished.clear();
    });
    this.#link = link;
    return link;
  }

  #endIfIdle(): void {
    if (this.#link?.isIdle === true && this.#unfinished.size === 0) this.#link.end();
    else if (this.#link !== undefined) this.#idle = setTimeout(() => this.#endIfIdle(), IDLE_MS).unref();
  }
}

function namesOf(result: unknown): string[] {
  if (!Array.isArray(result) || !result.every((each) => typeof each === 'string')) throw wrong();
  return result;
}

function statsOf(result: unknown): Stats {
  const { bytes, identity } = (result ?? {}) as Partial<Stats>;
  if (typeof bytes !== 'number' || typeof identity !== 'string') throw wrong();
  return { bytes, identity };
}

function freeOf(result: unknown): Free {
  const { bytes, files } = (result ?? {}) as { readonly bytes?: unknown; readonly files?: unknown };
  // JSON has no infinity: a file system that counts no files
  if (typeof bytes !== 'number' || (files !== null && typeof files !== 'number')) throw wrong();
  return { bytes, files: files ?? Number.POSITIVE_INFINITY };
}

function wrong(): Error {
  return new Error('the writer answers something else');
}
