/** The recipient source: whether it can be asked, and answers something that makes sense. */
import type { Settings } from '../config/settings.ts';
import type { World } from '../core/world.ts';
import { addressingOf, keySourceOf, trySource } from '../site.ts';
import { error, type Finding } from './finding.ts';

/** Asks for an address that need not exist. */
export async function checkSource(settings: Settings, world: World): Promise<Finding[]> {
  if (settings.recipients.source === 'keys') return [];
  try {
    await trySource(settings);
  } catch (fault) {
    return [error('source-unfit', `recipients.source: ${(fault as Error).message}`, 'mend that')];
  }
  const { recipients } = addressingOf(settings, keySourceOf(settings, world), world);
  try {
    await recipients.find(`postmaster@${settings.hostname}`);
    return [];
  } catch (fault) {
    const what = `${(fault as Error).message}: all recipients are deferred`;
    return [error('source-down', what, 'start it, or correct its settings under [recipients]')];
  } finally {
    await recipients.close?.();
  }
}
