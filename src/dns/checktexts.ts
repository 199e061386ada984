/** What others read before they take mail from the domain: SPF, DKIM, DMARC; and where reports go. */
import { faultOf } from './dkim.ts';
import { askedFor, type Finding, finding, onlyText } from './finding.ts';
import type { MailSite } from './mailsite.ts';
import type { Resolver } from './resolver.ts';
import { sameTags, tagsOf } from './tags.ts';
import * as wanted from './wanted.ts';

const SPF = /^v=spf1(?: |$)/i;

export async function checkSpf(site: MailSite, resolver: Resolver): Promise<Finding[]> {
  const { domain, host } = site;
  const ofDomain = await askedFor(resolver, domain, 'TXT', ({ values }) =>
    onlyText(
      values,
      SPF,
      finding('error', `${domain} has no SPF record`, wanted.spf(site)),
      (text) => judgeSpf(site, text),
      `${domain} has several SPF records, which count as an error`,
    ),
  );
  if (host === domain) return ofDomain;
  const record = wanted.spfOfHost(site);
  const ofHost = await askedFor(resolver, host, 'TXT', ({ values }) =>
    onlyText(
      values,
      SPF,
      finding('note', `${host} has no SPF record, which bounces are judged by`, record),
      (text) =>
        isSpf(text, wanted.SPF_OF_HOST_TEXT)
          ? []
          : [finding('warning', `SPF of ${host} is "${text}"`, record)],
      `${host} has several SPF records, which count as an error`,
    ),
  );
  return [...ofDomain, ...ofHost];
}

function isSpf(text: string, expected: string): boolean {
  return text.trim().toLowerCase().replace(/ +/g, ' ') === expected;
}

function judgeSpf(site: MailSite, text: string): Finding[] {
  if (isSpf(text, wanted.SPF_TEXT)) return [];
  const terms = text.trim().toLowerCase().split(/ +/).slice(1);
  const what = `SPF of ${site.domain} is "${text}"`;
  const record = wanted.spf(site);
  if (terms.some((term) => term === '+all' || term === 'all'))
    return [finding('error', `${what}: everybody may send for the domain`, record)];
  if (!terms.some((term) => term === 'mx' || term === '+mx'))
    return [finding('warning', `${what}, which does not name the MX`, record)];
  if (terms.at(-1) !== '-all') return [finding('warning', `${what}, which refuses nobody`, record)];
  return [finding('note', `${what}: others may send too`, record)];
}

export async function checkDkim(site: MailSite, resolver: Resolver): Promise<Finding[]> {
  if (site.dkim.length === 0)
    return [finding('note', 'DKIM was not looked at', 'give the keys that sign with --dkim')];
  const each = site.dkim.map((key) => {
    const record = wanted.dkim(site, key);
    return askedFor(resolver, record.name, 'TXT', ({ values }) => {
      const none = finding('error', `${record.name} has no DKIM key`, record);
      const judge = (text: string) =>
        judgeDkim(record.name, text, key.text).map((what) => finding('error', what, record));
      return onlyText(values, /./s, none, judge, `${record.name} has several records`);
    });
  });
  return (await Promise.all(each)).flat();
}

/** Returns what is wrong with a published key. */
function judgeDkim(name: string, text: string, ours: string): string[] {
  const fault = faultOf(text);
  if (fault !== undefined) return [`${name} ${fault}`];
  const [published, wantedTags] = [tagsOf(text), tagsOf(ours)];
  const keyOf = (tags: ReadonlyMap<string, string>) =>
    `${tags.get('k') ?? 'rsa'} ${(tags.get('p') ?? '').replace(/\s/g, '')}`;
  if (keyOf(published) !== keyOf(wantedTags)) return [`${name} has another DKIM key: no signature holds`];
  const flags = (published.get('t') ?? '').split(/\s*:\s*/);
  return flags.includes('y') ? [`${name} says "t=y": its signatures do not count`] : [];
}

export async function checkDmarc(site: MailSite, resolver: Resolver): Promise<Finding[]> {
  const record = wanted.dmarc(site);
  const ofDomain = await askedFor(resolver, record.name, 'TXT', ({ values }) =>
    onlyText(
      values,
      /^v\s*=\s*DMARC1\s*(?:;|$)/,
      finding('warning', `${site.domain} has no DMARC record`, record),
      (text) => judgeDmarc(site, text),
      `${record.name} has several DMARC records, so none counts`,
    ),
  );
  const elsewhere = wanted.dmarcElsewhere(site);
  if (elsewhere === undefined) return ofDomain;
  const taken = await askedFor(resolver, elsewhere.name, 'TXT', ({ values }) =>
    values.some((text) => /^v\s*=\s*DMARC1\b/.test(text))
      ? []
      : [finding('warning', `${elsewhere.name} is missing: no reports go to ${site.reportsTo}`, elsewhere)],
  );
  return [...ofDomain, ...taken];
}

function judgeDmarc(site: MailSite, text: string): Finding[] {
  const ours = wanted.dmarcText(site);
  const record = wanted.dmarc(site);
  if (sameTags(text, ours)) return [];
  const policy = tagsOf(text).get('p')?.toLowerCase();
  const what = `DMARC of ${site.domain} is "${text}"`;
  if (policy === undefined || !['none', 'quarantine', 'reject'].includes(policy))
    return [finding('error', `${what}, which is not valid`, record)];
  if (policy !== 'reject') return [finding('warning', `${what}, which refuses nobody`, record)];
  return [finding('note', `${what}, not "${ours}"`, record)];
}

export async function checkTlsReports(site: MailSite, resolver: Resolver): Promise<Finding[]> {
  const record = wanted.tlsReport(site);
  const ours = wanted.tlsReportText(site);
  return askedFor(resolver, record.name, 'TXT', ({ values }) =>
    onlyText(
      values,
      /^v=TLSRPTv1\s*(?:;|$)/,
      finding('warning', `${record.name} has no record: nobody reports on TLS`, record),
      (text) => (sameTags(text, ours) ? [] : [finding('note', `${record.name} is "${text}"`, record)]),
      `${record.name} has several records, so none counts`,
    ),
  );
}
