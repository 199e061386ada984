/** `sealdir lookup ADDRESS`: who gets mail for an address, where it goes, and whether it can be sealed. */
import { addressRules, folderRules, headerPolicyRule } from '../config/rules.ts';
import type { Settings } from '../config/settings.ts';
import type { Refusal } from '../core/outcome.ts';
import { pseudonymOf } from '../core/pseudonym.ts';
import type { World } from '../core/world.ts';
import type { Selection } from '../delivery/select.ts';
import { readLogSecret } from '../keylog/logsecret.ts';
import { Lookup } from '../lookup.ts';
import { pathsOf } from '../site.ts';
import { CommandError } from './errors.ts';

export interface LookupOptions {
  readonly settings: Settings;
  readonly world: World;
  readonly address: string | undefined;
  print(text: string): void;
}

/** Prints what a delivery would find. Throws CommandError if there is no such recipient. */
export async function lookUp({ settings, world, address, print }: LookupOptions): Promise<void> {
  if (address === undefined) throw new CommandError('usage', 'give an address: sealdir lookup ADDRESS');
  const inLog = loggedAs(settings, address);
  if (inLog !== undefined) print(`log      ${inLog}\n`); // also for a sender, who is no recipient here
  const lookup = new Lookup(settings, world);
  const couldNotAsk = (error: Error) => {
    throw new CommandError('tempFail', error.message);
  };
  try {
    const recipient = await lookup.recipient(address).catch(couldNotAsk);
    if ('why' in recipient) throw new CommandError('noUser', `${address}: no such recipient`);
    const { selected: keys, origin } = await lookup.keys(recipient).catch(couldNotAsk);
    print(`account  ${recipient.address}\n`);
    const accountInLog = loggedAs(settings, recipient.address);
    if (accountInLog !== inLog) print(`log      ${accountInLog}\n`);
    if (recipient.maildir !== undefined) print(`maildir  ${recipient.maildir}\n`);
    const forward = recipient.forward ?? settings.store.forward;
    if (forward !== undefined) print(`forward  ${forward === 'off' ? forward : forward.text}\n`);
    if (recipient.quota !== undefined)
      print(`quota    ${recipient.quota} bytes, ${recipient.used ?? 'not known how many'} used\n`);
    if (recipient.unusable !== undefined) print(`unusable ${recipient.unusable}\n`);
    if (recipient.detail !== undefined) print(`detail   ${recipient.detail}\n`);
    for (const rule of [...(recipient.rules ?? []), ...folderRules(settings)(recipient.address)])
      print(`rule     ${rule.text}${'problem' in rule ? ` (does not count: it ${rule.problem})` : ''}\n`);
    const policy = headerPolicyRule(settings)(recipient);
    if (policy !== 'visible') print(`headers  ${policy}\n`);
    print(`keys     ${stateOf(keys)}\n`);
    if (origin !== undefined) print(`from     ${origin}\n`);
    const { also, hold } = pathsOf(settings);
    if ('storedAs' in keys && keys.storedAs === 'storedHeld') print(`hold     ${hold}\n`);
    for (const path of also) print(`also     ${path}\n`);
  } finally {
    await lookup.close();
  }
}

/** Says what mail is sealed with now, or why it is not. */
function stateOf(keys: Selection | Refusal): string {
  const reasons = keys.reasons.join('; ');
  if ('why' in keys) return `none usable: ${reasons}`;
  if (keys.storedAs === 'storedHeld') return `none usable, sealed to keys.hold: ${reasons}`;
  return keys.storedAs === 'storedLastValid' ? `expired, sealed to all the same: ${reasons}` : 'usable';
}

/** Returns the hash that the log has in place of an address; undefined if it has the address. */
function loggedAs(settings: Settings, address: string): string | undefined {
  if (settings.log.addresses === 'plain') return undefined;
  try {
    const secret = readLogSecret(pathsOf(settings).keyState);
    if (secret !== undefined) return pseudonymOf(address, secret, addressRules(settings));
    return 'not known: no server has started with log.addresses = "hash"';
  } catch (error) {
    return `not known: ${(error as Error).message}`;
  }
}
