/**
 * Who has a wrapped key, and what the gateway's list for Dovecot says of them. Knows no more of a wrapped
 * file than these two fields, since the server looks too, and must not come near what opens one.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Addresses, with what stands for each in the list that the gateway's login is checked with. */
export type Enrolled = ReadonlyMap<string, string>;

/** Returns undefined where the directory is closed, as it is to the user of the server. */
export function enrolledIn(directory: string): Enrolled | undefined {
  try {
    const names = readdirSync(directory).filter((name) => !name.startsWith('.'));
    return new Map(names.flatMap((name) => enrolledOf(readFileSync(join(directory, name), 'utf8'))));
  } catch {
    return undefined;
  }
}

function enrolledOf(text: string): [string, string][] {
  try {
    const { address, upstream } = JSON.parse(text) as { address?: unknown; upstream?: { hash?: unknown } };
    return typeof address === 'string' ? [[address.toLowerCase(), `{SHA256}${upstream?.hash}`]] : [];
  } catch {
    return []; // nobody can log in with it
  }
}
