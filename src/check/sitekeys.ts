/**
 * The keys of the site itself (`keys.also`, `keys.hold`): whether they can be used, how long they will be,
 * and who may exchange their files. Trouble with one is an error, since it concerns everybody's mail.
 */
import type { Settings } from '../config/settings.ts';
import { daysLeft } from '../keys/judgedentry.ts';
import type { SiteKeyChoice, SiteKeyFile } from '../keys/sitekeys.ts';
import { keyStateOf } from '../keys/state.ts';
import { judgingRulesOf, pathsOf, siteKeysOf } from '../site.ts';
import { error, type Finding, note, quoted, warning } from './finding.ts';
import { advised } from './keyuse.ts';
import { Trail } from './trail.ts';
import { trustedUsers } from './trusted.ts';

const DEFERRED = {
  'keys.also': 'all mail is deferred',
  'keys.hold': 'mail for recipients without a usable key is deferred',
} as const;

const MEANING = {
  'keys.also': 'every message is sealed as well to',
  'keys.hold': 'mail that has to be held is sealed to',
} as const;

export async function checkSiteKeys(settings: Settings, now: Date): Promise<Finding[]> {
  const { also, hold } = pathsOf(settings);
  const keys = siteKeysOf(settings, { now: () => now.getTime() });
  const files = await keys.list();
  const described = await Promise.all(files.map((file) => describe(file, settings, now)));
  return [
    ...troubleOf('keys.also', await keys.also(now)),
    ...(hold === '' ? [] : troubleOf('keys.hold', await keys.hold(now))),
    ...described.flat(),
    ...checkReplacement([...also, ...(hold === '' ? [] : [hold])], settings),
  ];
}

function troubleOf(setting: SiteKeyFile['setting'], choice: SiteKeyChoice): Finding[] {
  if ('usable' in choice) {
    const leftOut = choice.usable.flatMap((each) => each.leftOut);
    return leftOut.map((what) =>
      warning('subkey-not-used', `${setting}: ${what}`, 'none is needed, if the other subkeys do'),
    );
  }
  return choice.reasons.map((reason) => {
    const { what, fix } = advised(reason.slice(`${setting}: `.length), 'put the exported public key there');
    return error('site-key-unusable', `${setting}: ${what}; ${DEFERRED[setting]}`, fix);
  });
}

async function describe(
  { setting, path, entry }: SiteKeyFile,
  settings: Settings,
  now: Date,
): Promise<Finding[]> {
  const found = entry.certificates.map(async (each) => {
    const { fingerprint, userIds } = each;
    const state = await keyStateOf(each, now, judgingRulesOf(settings));
    const chosen = note(
      'site-key-used',
      `${setting}: ${MEANING[setting]} ${fingerprint} (${userIds[0]}), ${path}`,
    );
    if (state.state !== 'expiring') return [chosen];
    const what = `${setting}: ${fingerprint} expires in ${daysLeft(state, now)} days; then ${DEFERRED[setting]}`;
    return [chosen, warning('site-key-expires', what, `extend it, and replace ${path}`)];
  });
  return (await Promise.all(found)).flat();
}

/** Whoever may put a key of their own there can read what is sealed to it. */
function checkReplacement(paths: readonly string[], settings: Settings): Finding[] {
  const trail = new Trail(trustedUsers(settings));
  return paths
    .flatMap((path) => trail.gaps(path))
    .map(({ path, who, command }) =>
      error('site-key-open', `keys.also, keys.hold: ${who} may exchange keys by ${path}`, {
        command: `${command} ${quoted(path)}`,
      }),
    );
}
