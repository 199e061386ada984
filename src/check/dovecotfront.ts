/**
 * A Dovecot before the gateway (imapc), which has the opened messages in clear: its indexes, its full text
 * search and its temporary files must not be on a disk. One behind the gateway has sealed messages alone, but
 * its search may have been fed before they were sealed.
 */
import { dirname } from 'node:path';
import { type Block, settingIn, wordsOf } from './doveconf.ts';
import { type Finding, note, quoted, warning } from './finding.ts';
import { look } from './look.ts';
import { isInMemory, mountOf } from './mounts.ts';

/** `ports`: those of the gateway. */
export function checkFront(config: Block, file: string, ports: readonly number[]): Finding[] {
  const searches = [...new Set(wordsOf(config, 'mail_plugins'))].filter((word) => /^fts(_|$)/.test(word));
  if (!isBefore(config, ports)) return searches.length === 0 ? [] : [searchBehind(searches)];
  return [
    ...checkSearch(searches),
    ...checkIndex(config, file),
    ...checkTemporary(settingIn(config, 'mail_temp_dir') ?? '/tmp', file),
  ];
}

function isBefore(config: Block, ports: readonly number[]): boolean {
  const driver =
    settingIn(config, 'mail_driver') ?? /^(\w+):/.exec(settingIn(config, 'mail_location') ?? '')?.[1];
  return driver === 'imapc' && ports.includes(Number(settingIn(config, 'imapc_port') ?? 143));
}

function searchBehind(searches: readonly string[]): Finding {
  const what = `Dovecot indexes words of messages (${searches.join(' ')}): of those that lay there before they were sealed, it keeps them`;
  return note('plaintext-search', what, "doveadm fts rescan -A, or take it out of Dovecot's mail_plugins");
}

function checkSearch(searches: readonly string[]): Finding[] {
  if (searches.length === 0) return [];
  const what = `a Dovecot before the gateway indexes the words of opened messages (${searches.join(' ')})`;
  return [
    warning('plaintext-index', what, 'take it out of its mail_plugins, and remove what it has written'),
  ];
}

function checkIndex(config: Block, file: string): Finding[] {
  const location = settingIn(config, 'mail_location') ?? '';
  const [, old, ...parts] = location.split(':');
  const index =
    parts.find((part) => part.startsWith('INDEX='))?.slice('INDEX='.length) ??
    settingIn(config, 'mail_index_path') ??
    old ??
    settingIn(config, 'mail_path') ??
    '';
  if (index === 'MEMORY' || isFleeting(index)) return [];
  const what = `a Dovecot before the gateway has its index, with parts of opened messages, in ${index || 'the home of each user'}`;
  const line =
    old === undefined ? 'mail_index_path = MEMORY' : `mail_location = ${without(location)}:INDEX=MEMORY`;
  const command = `echo ${quoted(line)} >> ${quoted(file)}`;
  return [warning('plaintext-index', what, { command, or: 'remove what it has written, too' })];
}

function without(location: string): string {
  return location.replace(/:INDEX=[^:]*/, '');
}

function checkTemporary(directory: string, file: string): Finding[] {
  if (isFleeting(directory)) return [];
  const what = `a Dovecot before the gateway writes parts of opened messages to ${directory} (mail_temp_dir)`;
  const command = `echo 'mail_temp_dir = /dev/shm' >> ${quoted(file)}`;
  return [warning('plaintext-temporary', what, { command })];
}

/** Tells whether a path is in memory, judged by what is there of it. One in the homes of users is not. */
function isFleeting(path: string): boolean {
  let fixed = /^[^%~]*/.exec(path)?.[0] ?? '';
  if (!fixed.startsWith('/')) return false;
  while ('why' in look(fixed) && fixed !== '/') fixed = dirname(fixed);
  const mount = mountOf(fixed);
  return mount !== undefined && isInMemory(mount);
}
