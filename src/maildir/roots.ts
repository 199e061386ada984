/**
 * The directories that all mailboxes are under: that of the template, and those where a recipient source may
 * place some. None of them is ever created, since a missing one is a disk that is not mounted.
 */
import { resolve } from 'node:path';

export class Roots {
  readonly #roots: readonly string[];

  /** Absolute paths, as an operator writes them. */
  constructor(roots: readonly string[]) {
    this.#roots = [...new Set(roots.map((root) => resolve(root)))].sort((a, b) => b.length - a.length);
  }

  /** Returns the innermost root above a path, or undefined if there is none. A root is not under itself. */
  of(path: string): string | undefined {
    return this.#roots.find((root) => path.startsWith(root === '/' ? root : `${root}/`) && path !== root);
  }
}
