/**
 * Keeps what was made of files, so that each is parsed once for each change. Holds a limited number of files
 * and of bytes; the file that was parsed first is dropped first.
 */

export interface ParsedFile {
  /** Changes whenever the file does. */
  readonly identity: string;
  /** Size of the file. */
  readonly bytes: number;
}

const MAX_CACHED_FILES = 10_000;
/** Sum of the sizes of the files; parsed they take up to six times as much. */
export const MAX_CACHED_BYTES = 32 * 1024 * 1024;

export class FileCache<T extends ParsedFile> {
  readonly #files = new Map<string, T>();
  #bytes = 0;

  get(name: string, identity: string): T | undefined {
    const file = this.#files.get(name);
    return file?.identity === identity ? file : undefined;
  }

  set(name: string, file: T): void {
    this.delete(name);
    this.#files.set(name, file);
    this.#bytes += file.bytes;
    for (const oldest of this.#files.keys()) {
      if (this.#files.size <= MAX_CACHED_FILES && this.#bytes <= MAX_CACHED_BYTES) return;
      this.delete(oldest);
    }
  }

  delete(name: string): void {
    this.#bytes -= this.#files.get(name)?.bytes ?? 0;
    this.#files.delete(name);
  }
}
