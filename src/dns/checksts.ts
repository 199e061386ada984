/**
 * The record of MTA-STS, and whether there is a host to read the policy from.
 */
import { askedFor, type Finding, finding, onlyText } from './finding.ts';
import type { MailSite } from './mailsite.ts';
import type { Resolver } from './resolver.ts';
import { sameTags, tagsOf } from './tags.ts';
import * as wanted from './wanted.ts';

export async function checkSts(site: MailSite, resolver: Resolver): Promise<Finding[]> {
  const record = wanted.sts(site);
  const host = wanted.stsHost(site);
  const ofRecord = await askedFor(resolver, record.name, 'TXT', ({ values }) =>
    onlyText(
      values,
      /^v=STSv1\s*(?:;|$)/,
      finding('warning', `${record.name} has no record: there is no MTA-STS`, record),
      (text) => judge(site, text),
      `${record.name} has several records, so none counts`,
    ),
  );
  const [v4, v6] = await Promise.all([resolver.ask(host.name, 'A'), resolver.ask(host.name, 'AAAA')]);
  const isThere = [v4, v6].some((answer) => 'why' in answer || answer.values.length > 0);
  if (isThere) return ofRecord;
  const what = `${host.name} has no address, so nobody reads the policy`;
  return [...ofRecord, finding('warning', what, host)];
}

function judge(site: MailSite, text: string): Finding[] {
  const record = wanted.sts(site);
  const what = `${record.name} is "${text}"`;
  // RFC 8461 §3.1: 1*32(ALPHA / DIGIT)
  if (!/^[a-z0-9]{1,32}$/i.test(tagsOf(text).get('id') ?? ''))
    return [finding('error', `${what}, which is not valid`, record)];
  if (sameTags(text, wanted.stsText(site))) return [];
  return [finding('note', `${what}: its id is not that of the policy that --policy prints`, record)];
}
