/**
 * The records that a domain needs for its mail, each under its name. `zone.ts` writes them, checks compare.
 */
import { isIPv4 } from 'node:net';
import type { DkimKey } from './dkim.ts';
import type { MailSite } from './mailsite.ts';
import { isWithin, reverseName } from './names.ts';
import { policyIdOf } from './policy.ts';
import { type DnsRecord, txt } from './record.ts';
import { type ServerKey, tlsaOf } from './serverkey.ts';

export function mx({ domain, host }: MailSite): DnsRecord {
  return { name: domain, type: 'MX', data: `10 ${host}.` };
}

export function addressRecord({ host }: MailSite, address: string): DnsRecord {
  return { name: host, type: isIPv4(address) ? 'A' : 'AAAA', data: address };
}

export function ptr({ host }: MailSite, address: string): DnsRecord {
  return { name: reverseName(address), type: 'PTR', data: `${host}.` };
}

/** Only hosts that take mail for the domain send for it (RFC 7208). */
export function spf({ domain }: MailSite): DnsRecord {
  return txt(domain, SPF_TEXT);
}

/** A bounce has no sender: then the name in the greeting is what counts (RFC 7208 §2.3). */
export function spfOfHost({ host }: MailSite): DnsRecord {
  return txt(host, SPF_OF_HOST_TEXT);
}

export const SPF_TEXT = 'v=spf1 mx -all';
export const SPF_OF_HOST_TEXT = 'v=spf1 a -all';

export function dkim({ domain }: MailSite, { selector, text }: DkimKey): DnsRecord {
  return txt(`${selector}._domainkey.${domain}`, text);
}

/** RFC 7489: what has neither SPF nor DKIM of this very domain is refused. */
export function dmarcText({ reportsTo }: MailSite): string {
  return `v=DMARC1; p=reject; adkim=s; aspf=s; rua=${mailto(reportsTo)}`;
}

export function dmarc(site: MailSite): DnsRecord {
  return txt(`_dmarc.${site.domain}`, dmarcText(site));
}

/** RFC 7489 §7.1: another domain has to say that it takes the reports. */
export function dmarcElsewhere({ domain, reportsTo }: MailSite): DnsRecord | undefined {
  const taker = reportsTo.slice(reportsTo.lastIndexOf('@') + 1).toLowerCase();
  if (isWithin(taker, domain) || isWithin(domain, taker)) return undefined;
  return txt(`${domain}._report._dmarc.${taker}`, 'v=DMARC1');
}

export function stsText(site: MailSite): string {
  return `v=STSv1; id=${policyIdOf(site)}`;
}

export function sts(site: MailSite): DnsRecord {
  return txt(`_mta-sts.${site.domain}`, stsText(site));
}

/** Where the policy is read from. */
export function stsHost({ domain, host }: MailSite): DnsRecord {
  return { name: `mta-sts.${domain}`, type: 'CNAME', data: `${host}.` };
}

/** RFC 8460. */
export function tlsReportText({ reportsTo }: MailSite): string {
  return `v=TLSRPTv1; rua=${mailto(reportsTo)}`;
}

export function tlsReport(site: MailSite): DnsRecord {
  return txt(`_smtp._tls.${site.domain}`, tlsReportText(site));
}

export function tlsa(site: MailSite, key: ServerKey): DnsRecord {
  return { name: tlsaName(site), type: 'TLSA', data: tlsaOf(key) };
}

export function tlsaName({ host }: MailSite): string {
  return `_25._tcp.${host}`;
}

/** RFC 7489 §6.2 keeps "," and "!" for itself, RFC 6376 §3.2 ";"; RFC 3986 §3.3 has what needs no escape. */
function mailto(address: string): string {
  const escaped = address.replace(/[^a-z0-9@._~$&'()*+=:-]/gi, (character) => encodeURIComponent(character));
  return `mailto:${escaped.replaceAll('!', '%21')}`;
}
