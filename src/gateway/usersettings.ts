/**
 * What the process of a user is told of the settings. It is nothing that another part of the site would keep
 * from it: no database, no directory, no address at which recipients are looked up.
 */
import type { Settings } from '../config/settings.ts';
import type { KeySettings } from '../site.ts';

export type UserSettings = KeySettings & Pick<Settings, 'lmtp' | 'headers'>;

export function userSettings(settings: Settings): UserSettings {
  const { hostname, gateway, keys, store, lmtp, headers, recipients } = settings;
  return { hostname, gateway, keys, store, lmtp, headers, recipients: { case: recipients.case } };
}
