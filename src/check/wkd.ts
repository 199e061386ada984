/**
 * Web key directories: whether the local one can be read and who may replace its keys; what asking others
 * gives away, and whether what they answer can be pinned.
 */
import { constants } from 'node:fs';
import type { Settings } from '../config/settings.ts';
import { pathsOf } from '../site.ts';
import { error, type Finding, quoted, warning } from './finding.ts';
import { checkReadable, replacementFinding } from './keydirectory.ts';
import { troubleWithDirectory, troubleWithUse } from './look.ts';
import { Trail } from './trail.ts';
import { serverUid, trustedUsers } from './trusted.ts';

export function checkWkd(settings: Settings): Finding[] {
  const { wkd } = pathsOf(settings);
  const trail = new Trail(trustedUsers(settings));
  return [
    ...(wkd === undefined ? [] : checkTree(wkd, trail)),
    ...(settings.keys.wkd === 'on' ? checkRemote(settings, trail) : []),
  ];
}

function checkTree(path: string, trail: Trail): Finding[] {
  const unreadable = checkReadable('keys.wkd_directory', path);
  if (unreadable.length > 0) return unreadable;
  return trail.gaps(path).map((gap) => replacementFinding('keys.wkd_directory', gap));
}

function checkRemote(settings: Settings, trail: Trail): Finding[] {
  const { keys, recipients } = settings;
  const domains = keys.wkd_domains.join(', ');
  const whose = domains === '' ? 'the domain of each recipient who has no key here' : domains;
  const told = warning(
    'wkd-told',
    `keys.wkd: whoever runs the web server of ${whose} is told that mail has come for a recipient, and when`,
    'none is needed, if that is known and wanted; else set it to "off", or name fewer domains in keys.wkd_domains',
  );
  const inVain = warning(
    'wkd-in-vain',
    'keys.wkd: nobody is ever asked, since with recipients.source = "keys" every recipient has a key here',
    'set recipients.source, or set keys.wkd to "off"',
  );
  return [
    recipients.source === 'keys' ? inVain : told,
    ...checkPins(pathsOf(settings).keyState, trail, settings),
    ...checkAuthorities(keys.wkd_ca_file),
  ];
}

/** Without a place for pins no key of others is used. */
function checkPins(state: string, trail: Trail, settings: Settings): Finding[] {
  const trouble =
    troubleWithDirectory(state) ?? troubleWithUse(state, constants.R_OK | constants.W_OK | constants.X_OK);
  if (trouble !== undefined) {
    const what = `keys.state: ${state} ${trouble.why}, so no key is taken from a web key directory`;
    const command = `install -d -m 700 -o ${serverUid(settings)} ${quoted(state)}`;
    return [error('wkd-no-pins', what, { command, or: 'StateDirectory= in the systemd unit' })];
  }
  return trail.gaps(state).map(({ path, who, command }) => {
    const what = `keys.state: ${who} may exchange pins below ${path}, and so have another key accepted`;
    return error('wkd-pins-open', what, { command: `${command} ${quoted(path)}` });
  });
}

function checkAuthorities(file: string): Finding[] {
  const closed = file === '' ? undefined : troubleWithUse(file, constants.R_OK);
  if (closed === undefined) return [];
  return [
    error(
      'wkd-authorities',
      `keys.wkd_ca_file: ${file} ${closed.why}`,
      'put the certificates there, or set it to ""',
    ),
  ];
}
