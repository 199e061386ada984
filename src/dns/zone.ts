/**
 * Writes the records for an operator to publish, in the form of a zone file. A line with ";" and a space is a
 * comment; one with ";" and a name is a record of another zone than that of the domain.
 */
import { visible } from '../core/visible.ts';
import { rsaBitsOf } from './dkim.ts';
import type { MailSite } from './mailsite.ts';
import { isWithin } from './names.ts';
import { doubts, policyOf } from './policy.ts';
import { type DnsRecord, lineOf } from './record.ts';
import * as wanted from './wanted.ts';

const GOOD_RSA_BITS = 2048;

export function zoneText(site: MailSite): string {
  const blocks = [
    mail(site),
    reverse(site),
    senders(site),
    signatures(site),
    dmarcBlock(site),
    keys(site),
    policy(site),
    reports(site),
  ];
  return blocks
    .map((lines) => lines.join('\n'))
    .join('\n\n')
    .concat('\n');
}

function mail(site: MailSite): string[] {
  const addresses = site.addresses.map((address) => record(site, wanted.addressRecord(site, address)));
  return [
    ...comment(`Mail for ${site.domain} goes to ${site.host}.`),
    record(site, wanted.mx(site)),
    ...addresses,
    ...(addresses.length > 0 ? [] : comment('Give --ip IP for its A, AAAA and PTR records.')),
  ];
}

function reverse(site: MailSite): string[] {
  return [
    ...comment('Its addresses lead back to it, in a zone that the provider of the addresses mostly has.'),
    ...site.addresses.map((address) => record(site, wanted.ptr(site, address))),
  ];
}

function senders(site: MailSite): string[] {
  const { domain, host } = site;
  return [
    ...comment(`SPF: no other host sends mail for ${domain}. Where one does, name it before "-all".`),
    record(site, wanted.spf(site)),
    ...(host === domain ? [] : [record(site, wanted.spfOfHost(site))]),
  ];
}

function signatures(site: MailSite): string[] {
  const weak = site.dkim.filter((key) => (rsaBitsOf(key) ?? GOOD_RSA_BITS) < GOOD_RSA_BITS);
  const small = weak.map(
    ({ selector }) => `The key "${selector}" is below the ${GOOD_RSA_BITS} bits of RFC 8301.`,
  );
  return [
    ...comment('DKIM: the keys that sign what users send.', ...small),
    ...site.dkim.map((key) => record(site, wanted.dkim(site, key))),
    ...(site.dkim.length > 0 ? [] : comment('Give --dkim FILE for each of them.')),
  ];
}

function dmarcBlock(site: MailSite): string[] {
  const elsewhere = wanted.dmarcElsewhere(site);
  return [
    ...comment(
      'DMARC: mail with neither is refused. Begin with "p=none" and read the reports, if others send mail for',
      'the domain too.',
    ),
    record(site, wanted.dmarc(site)),
    ...(elsewhere === undefined ? [] : [record(site, elsewhere)]),
  ];
}

function keys(site: MailSite): string[] {
  const records = site.keys.flatMap((key) => [
    ...comment(`${key.kind}${key.use === 'next' ? ', to come' : ''}: ${visible(key.file)}`),
    record(site, wanted.tlsa(site, key)),
  ]);
  return [
    ...comment(
      'DANE: the keys of its certificates, which a renewal has to keep. They count where DNSSEC signs this zone.',
      'For a new key, publish its record a day before the server has it (--next FILE).',
    ),
    ...(records.length > 0 ? records : comment('Give --certificate FILE for each certificate.')),
  ];
}

function policy(site: MailSite): string[] {
  const { domain } = site;
  const why = doubts(site).map((doubt) => `Only "testing", since ${visible(doubt)}.`);
  return [
    ...comment(
      `MTA-STS: https://mta-sts.${domain}/.well-known/mta-sts.txt has this text (alone: --policy):`,
      ...policyOf(site)
        .trimEnd()
        .split('\n')
        .map((line) => `    ${line}`),
      ...why,
    ),
    record(site, wanted.stsHost(site)),
    record(site, wanted.sts(site)),
  ];
}

function reports(site: MailSite): string[] {
  return [...comment('Where others send reports about TLS.'), record(site, wanted.tlsReport(site))];
}

function record({ domain }: MailSite, each: DnsRecord): string {
  return isWithin(each.name, domain) ? lineOf(each) : `;${lineOf(each)}`;
}

function comment(...lines: readonly string[]): string[] {
  return lines.map((line) => `; ${line}`);
}
