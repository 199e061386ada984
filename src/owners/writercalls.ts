/**
 * The single calls of an owner, made by their writer. Its link is kept while a file is on its way, since the
 * writer removes what is unfinished when it ends.
 */
import type { FileCalls } from '../disk/calls.ts';
import type { Free, OpenFile, Stats } from '../disk/disk.ts';
import type { CurrentLink } from './link.ts';
import type { Request } from './protocol.ts';

type Calls = Omit<FileCalls, 'readlink' | 'mounts'>;

/** Of a mailbox. A writer that never comes to the end of a list must not keep its server. */
const MOST_NAMES_IN_ALL = 1_000_000;
const MOST_IDENTITY = 100;

export class WriterCalls {
  readonly calls: Calls;
  readonly #current: CurrentLink;

  constructor(current: CurrentLink) {
    this.#current = current;
    this.calls = {
      create: (path) => this.#create(path),
      unlink: async (path) => {
        try {
          await this.#ask({ call: 'unlink', path });
        } finally {
          current.finished(path); // what could not be removed now is left to the sweep
        }
      },
      mkdir: async (path) => void (await this.#ask({ call: 'mkdir', path })),
      makeEmpty: async (path) => void (await this.#ask({ call: 'makeEmpty', path })),
      isDirectory: async (path) => (await this.#ask({ call: 'isDirectory', path })) === true,
      syncDirectory: async (path) => void (await this.#ask({ call: 'syncDirectory', path })),
      find: (path, isIt) => this.#find(path, isIt),
      stat: async (path) => statsOf(await this.#ask({ call: 'stat', path })),
      statfs: async (path) => freeOf(await this.#ask({ call: 'statfs', path })),
    };
  }

  async append(path: string, line: string): Promise<void> {
    await this.#ask({ call: 'append', path, line });
  }

  async #create(path: string): Promise<OpenFile> {
    const link = this.#current.get();
    link.unfinished.add(path);
    // its number means nothing on another link
    const ask = (request: Request, bytes?: readonly Buffer[]) => link.request(request, bytes);
    const file = await ask({ call: 'create', path }).catch((error: unknown) => {
      link.unfinished.delete(path);
      throw error;
    });
    if (typeof file !== 'number') throw wrong();
    return {
      async writev(pieces) {
        const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
        const written = await ask({ call: 'writev', file }, pieces);
        if (!isCount(written) || written > length) throw wrong();
        return written;
      },
      sync: async () => void (await ask({ call: 'sync', file })),
      close: async () => void (await ask({ call: 'close', file })),
    };
  }

  /** Asks for some names at a time: a reply is short, and nothing is kept of those that are not it. */
  async #find(path: string, isIt: (name: string) => boolean): Promise<string | undefined> {
    for (let from = 0; from < MOST_NAMES_IN_ALL; ) {
      const names = namesOf(await this.#ask({ call: 'list', path, from }));
      const found = names.find(isIt);
      if (found !== undefined || names.length === 0) return found;
      from += names.length;
    }
    throw new Error(`${path} has no end`);
  }

  #ask(request: Request): Promise<unknown> {
    return this.#current.get().request(request);
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function namesOf(result: unknown): string[] {
  if (!Array.isArray(result) || !result.every((each) => typeof each === 'string')) throw wrong();
  return result;
}

function statsOf(result: unknown): Stats {
  const { bytes, identity } = (result ?? {}) as Partial<Record<keyof Stats, unknown>>;
  if (!isCount(bytes) || typeof identity !== 'string' || identity.length > MOST_IDENTITY) throw wrong();
  return { bytes, identity };
}

function freeOf(result: unknown): Free {
  const { bytes, files } = (result ?? {}) as Partial<Record<keyof Free, unknown>>;
  // JSON has no infinity: a file system that counts no files
  if (!isAmount(bytes) || (files !== null && !isAmount(files))) throw wrong();
  return { bytes, files: files ?? Number.POSITIVE_INFINITY };
}

/** What is free may be more than a number holds exactly. */
function isAmount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && Number.isFinite(value);
}

function wrong(): Error {
  return new Error('the writer answers something else');
}
