// Names of recipients as Postfix's smtp-source makes them: `base`, `2base`, `3base`, ...
//
// Each measurement takes a new base, and so gets fresh mailboxes from a server that is warm.

export const DOMAIN = 'example.com';

let bases = 0;

/** Returns a base that has not been used in this run. */
export function freshBase(): string {
  return `m${++bases}x`;
}

/** The first `count` addresses of a base. smtp-source(1): a number before the address, none for the first. */
export function addresses(base: string, count: number, domain = DOMAIN): string[] {
  return Array.from({ length: count }, (_, index) => `${index === 0 ? '' : index + 1}${base}@${domain}`);
}
