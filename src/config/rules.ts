/** Settings in the form that other rooms take, so that all of them use the same rules. */

import { BlockList, isIP, isIPv6 } from 'node:net';
import { canonicalAddress, catchAllOf, parseAddress, partsOf, type SameAddress } from '../core/address.ts';
import type { FolderRule } from '../core/folderrule.ts';
import type { HeaderPolicy } from '../core/headerpolicy.ts';
import { isLoopback } from '../core/listener.ts';
import type { Settings } from './settings.ts';

/** What they depend on. */
export interface AddressSettings extends Pick<Settings, 'hostname'> {
  readonly recipients: Pick<Settings['recipients'], 'case'>;
}

/** Returns the rules by which two addresses are the same recipient. */
export function addressRules({ recipients, hostname }: AddressSettings): SameAddress {
  return { localCase: recipients.case, defaultDomain: hostname };
}

/** Returns why mail may not come on a TCP address that does not begin with TLS, or undefined if it may. */
export function whyNotPlain({ lmtp }: Settings, host: string): string | undefined {
  if (isLoopback(host) || lmtp.require_tls || lmtp.plain_beyond_loopback) return undefined;
  return `mail could come in clear on ${host}, which is not the loopback: use "tls://" or lmtp.require_tls, or allow it with lmtp.plain_beyond_loopback`;
}

/** Returns the rules that choose the folder, as a function of the canonical address of an account. */
export function folderRules(settings: Settings): (account: string) => readonly FolderRule[] {
  const same = addressRules(settings);
  const rules = settings.folders.rules.map((rule) => ({ rule, owner: canonicalOwner(rule, same) }));
  if (rules.every(({ owner }) => owner === undefined)) return () => settings.folders.rules;
  return (account) => {
    const domain = `@${partsOf(account).domain}`;
    const isFor = (owner: string | undefined) => owner === undefined || owner === account || owner === domain;
    return rules.filter(({ owner }) => isFor(owner)).map(({ rule }) => rule);
  };
}

/** Returns the account, or "@" and the domain, that a rule is for; undefined for all. */
export function canonicalOwner({ owner }: FolderRule, same: SameAddress): string | undefined {
  if (owner === undefined) return undefined;
  return owner.local === '' ? catchAllOf(owner.domain, same) : canonicalAddress(owner, same);
}

/** Returns what tells the addresses of machines that pass mail on to the mail server. */
export function relayRule({ tls_report }: Settings): (address: string) => boolean {
  const relays = new BlockList();
  for (const written of tls_report.relays) {
    const [address = '', bits] = written.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (bits === undefined) relays.addAddress(address, family);
    else relays.addSubnet(address, Number(bits), family);
  }
  return (address) => isIP(address) !== 0 && relays.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** Returns whether it is counted which domains send mail, and how it comes. */
export function countsDomains({ tls_report, log }: Settings): boolean {
  return tls_report.domains === 'auto' ? log.addresses === 'plain' : tls_report.domains === 'on';
}

/** What decides the policy of a recipient: the canonical address, and what its source says. */
interface PolicyRecipient {
  readonly address: string;
  readonly headerPolicy?: HeaderPolicy | undefined;
}

/**
 * Returns what finds the header policy of a recipient: what its source says of it, else what the site says
 * of its address, else of its domain, else of all.
 */
export function headerPolicyRule(
  settings: AddressSettings & Pick<Settings, 'headers'>,
): (recipient: PolicyRecipient) => HeaderPolicy {
  const { policy, recipients } = settings.headers;
  const same = addressRules(settings);
  const said = new Map(recipients.map(({ recipient, word }) => [canonical(recipient, same), word]));
  return ({ address, headerPolicy }) =>
    headerPolicy ?? said.get(address) ?? said.get(`@${partsOf(address).domain}`) ?? policy;
}

/** Returns the form in which a recipient's address is compared, also for a whole domain. */
function canonical(recipient: string, same: SameAddress): string | undefined {
  if (recipient.startsWith('@')) return catchAllOf(recipient.slice(1), same);
  const address = parseAddress(recipient);
  return address && canonicalAddress(address, same);
}
