/** Settings in the form that other rooms take, so that all of them use the same rules. */
import type { SameAddress } from '../core/address.ts';
import { isLoopback } from '../core/listener.ts';
import type { Settings } from './settings.ts';

/** Returns the rules by which two addresses are the same recipient. */
export function addressRules({ recipients, hostname }: Settings): SameAddress {
  return { localCase: recipients.case, defaultDomain: hostname };
}

/** Returns why mail may not come on a TCP address that does not begin with TLS, or undefined if it may. */
export function whyNotPlain({ lmtp }: Settings, host: string): string | undefined {
  if (isLoopback(host) || lmtp.require_tls || lmtp.plain_beyond_loopback) return undefined;
  return `mail could come in clear on ${host}, which is not the loopback: use "tls://" or lmtp.require_tls, or allow it with lmtp.plain_beyond_loopback`;
}
