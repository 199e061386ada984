/**
 * The path of a mailbox: a template with `{local}` and `{domain}`, and the address that fills it.
 * Each placeholder becomes one path segment, so that no address leaves the store. What an operator
 * may write as a template is checked with the other settings (config/kinds.ts).
 */
import { join } from 'node:path';
import { formerPathSegment, partsOf, pathSegment } from '../core/address.ts';

/**
 * Splits a template into the fixed directory before its first placeholder, and the segments from there on.
 */
export function splitTemplate(template: string): { root: string; segments: string[] } {
  const parts = template.split('/');
  const first = parts.findIndex((part) => part.includes('{'));
  return { root: parts.slice(0, first).join('/') || '/', segments: parts.slice(first) };
}

/** Returns the Maildir path of a canonical address. */
export function mailboxPath(template: string, canonical: string): string {
  return filled(template, canonical, pathSegment);
}

/** Returns the path that the mailbox once had; nearly always the same. */
export function formerMailboxPath(template: string, canonical: string): string {
  return filled(template, canonical, formerPathSegment);
}

/** In place of {local}, for the mailbox of all other addresses of a domain; no address has this segment. */
const CATCH_ALL = '%all';

function filled(template: string, canonical: string, segmentOf: (text: string) => string): string {
  const { local, domain } = partsOf(canonical);
  const values: Record<string, string> = {
    local: local === '' ? CATCH_ALL : segmentOf(local),
    domain: segmentOf(domain),
  };
  return join(template.replace(/\{(local|domain)\}/g, (_, name: string) => values[name] ?? ''));
}

/** Linux: NAME_MAX, and PATH_MAX without its final NUL. */
const MAX_SEGMENT_BYTES = 255;
const MAX_PATH_BYTES = 4095;

/**
 * Whether files can be stored in a mailbox of this path: no segment is too long for a file name, and
 * there is room below it for `/new/` and the longest name of a file. Some file systems allow less
 * (eCryptfs 143 bytes a segment): that is met when the mailbox is made, and defers.
 */
export function isStorable(mailbox: string): boolean {
  if (Buffer.byteLength(mailbox) + '/new/'.length + MAX_SEGMENT_BYTES > MAX_PATH_BYTES) return false;
  return mailbox.split('/').every((segment) => Buffer.byteLength(segment) <= MAX_SEGMENT_BYTES);
}
