/** What a Dovecot of this machine says of where it has its indexes and its UIDs, for all users alike. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface DovecotPlaces {
  /** Where it has its lists of UIDs, if not beside the messages. */
  readonly control: string | undefined;
  /** Where it has its indexes, if not beside the messages, with {local} and {domain}. */
  readonly index: string | undefined;
}

/** Both are undefined where there is no Dovecot, or its configuration cannot be read. */
export async function dovecotPlaces(): Promise<DovecotPlaces> {
  const { stdout } = await promisify(execFile)('doveconf', ['-h', 'mail_location']).catch(() => ({
    stdout: '',
  }));
  const [, control] = /:CONTROL=([^:\n]*)/.exec(stdout) ?? [];
  const [, index] = /:INDEX=([^:\n]*)/.exec(stdout) ?? [];
  return { control, index: index?.replace(/%L?n/g, '{local}').replace(/%L?d/g, '{domain}') };
}

/**
 * Says why UIDs or what clients see would be lost if messages were exchanged; undefined if they would not.
 * `index`: where the indexes are said to be, '' for beside the messages.
 */
export async function whyNotKept(index: string): Promise<string | undefined> {
  const places = await dovecotPlaces();
  if (places.control !== undefined)
    return `Dovecot keeps its UIDs in ${places.control} (CONTROL=), and they would be lost`;
  if (places.index === undefined || index !== '') return undefined;
  return `Dovecot has its indexes elsewhere: set store.seal_index = "${places.index}"`;
}
