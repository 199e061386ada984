/** What a Dovecot of this machine says of where it has its indexes and its UIDs, for all users alike. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface DovecotPlaces {
  /** Where it has its lists of UIDs, if not beside the messages. */
  readonly control: string | undefined;
  /** Where it has its indexes, if not beside the messages, with {local} and {domain}. */
  readonly index: string | undefined;
}

const LOCAL = /%L?n|%\{ *user *\| *username *(?:\| *lower *)?\}/g;
const DOMAIN = /%L?d|%\{ *user *\| *domain *(?:\| *lower *)?\}/g;

/**
 * Both are undefined where there is no Dovecot, or its configuration cannot be read. Dovecot 2.3 says all in
 * mail_location, 2.4 has a setting for each.
 */
export async function dovecotPlaces(): Promise<DovecotPlaces> {
  const settings = ['mail_location', 'mail_control_path', 'mail_index_path'];
  const [location = '', control, index] = await Promise.all(settings.map(doveconf));
  const located = (name: string) => new RegExp(`:${name}=([^:]*)`).exec(location)?.[1];
  const places = { control: located('CONTROL') ?? control, index: located('INDEX') ?? index };
  return { ...places, index: places.index?.replace(LOCAL, '{local}').replace(DOMAIN, '{domain}') };
}

/** Undefined: it is empty, or this Dovecot has no such setting. */
async function doveconf(setting: string): Promise<string | undefined> {
  const asked = promisify(execFile)('doveconf', ['-h', setting]).catch(() => ({ stdout: '' }));
  const value = (await asked).stdout.trim();
  return value === '' ? undefined : value;
}

/**
 * Says why UIDs or what clients see would be lost if messages were exchanged; undefined if they would not.
 * `index`: where the indexes are said to be, '' for beside the messages.
 */
export async function whyNotKept(index: string): Promise<string | undefined> {
  const places = await dovecotPlaces();
  if (places.control !== undefined)
    return `Dovecot keeps its UIDs in ${places.control}, and they would be lost`;
  if (places.index === undefined || index !== '') return undefined;
  return `Dovecot has its indexes elsewhere: set store.seal_index = "${places.index}"`;
}
