/** Limits and deadlines that do not fit each other, or do not fit the mail server that sends to us. */
import type { Settings } from '../config/settings.ts';
import { type Finding, warning } from './finding.ts';

const EXIM_WAITS_MS = 5 * 60_000;

export function checkLimits({ lmtp }: Settings): Finding[] {
  const findings: Finding[] = [];
  if (lmtp.transaction_timeout >= EXIM_WAITS_MS) {
    const what = 'lmtp.transaction_timeout: Exim waits 5 minutes, then sends again what was delivered';
    findings.push(warning('limit-transaction', what, 'set it to "4m"'));
  }
  if (lmtp.stall_timeout >= lmtp.transaction_timeout) {
    const what =
      'lmtp.stall_timeout is not below lmtp.transaction_timeout: one slow mailbox makes the others late';
    findings.push(warning('limit-stall', what, 'set it to "30s"'));
  }
  if (lmtp.max_header_size > lmtp.max_message_size) {
    const what = 'lmtp.max_header_size is above lmtp.max_message_size and so never met';
    findings.push(warning('limit-header', what, 'lower it'));
  }
  return findings;
}
