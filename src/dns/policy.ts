/** The MTA-STS policy (RFC 8461), for servers that verify certificates and do not use DNSSEC. */
import { createHash } from 'node:crypto';
import type { MailSite } from './mailsite.ts';

const MAX_AGE_SECONDS = 7 * 24 * 3600;

/** Returns the text of https://mta-sts.DOMAIN/.well-known/mta-sts.txt. */
export function policyOf(site: MailSite): string {
  const mode = doubts(site).length === 0 ? 'enforce' : 'testing';
  return `version: STSv1\nmode: ${mode}\nmx: ${site.host}\nmax_age: ${MAX_AGE_SECONDS}\n`;
}

/** Returns what changes if and only if the policy does: a reader fetches it again for a new one. */
export function policyIdOf(site: MailSite): string {
  return createHash('sha256').update(policyOf(site)).digest('hex').slice(0, 20);
}

/** Returns why senders that enforce the policy might not deliver: each the end of a sentence. */
export function doubts({ host, keys }: MailSite): string[] {
  const shown = keys.filter(({ use }) => use === 'now');
  if (shown.length === 0) return ['no certificate is known'];
  return shown.flatMap(({ file, certificate }) => {
    if (certificate?.checkHost(host) === undefined) return [`${file} is not for ${host}`];
    return certificate.checkIssued(certificate) ? [`${file} is signed by its own key only`] : [];
  });
}
