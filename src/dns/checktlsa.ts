/**
 * Whether TLSA records fit the keys, and whether anybody uses them. A wrong record is worse than none:
 * servers with DANE then deliver nothing.
 */
import { askedFor, type Finding, finding } from './finding.ts';
import type { MailSite } from './mailsite.ts';
import type { Resolver } from './resolver.ts';
import { fits, parseTlsa, type ServerKey, type Tlsa, usedByAll } from './serverkey.ts';
import * as wanted from './wanted.ts';

export async function checkTlsa(site: MailSite, resolver: Resolver): Promise<Finding[]> {
  const name = wanted.tlsaName(site);
  if (site.keys.length === 0)
    return [finding('note', 'TLSA was not looked at', 'give the certificates with --certificate')];
  return askedFor(resolver, name, 'TLSA', async ({ values }) => {
    const records = values.map(parseTlsa);
    if (records.length === 0)
      return site.keys.map((key) =>
        finding(
          'warning',
          `${name} has no TLSA for ${titleOf(key)}: there is no DANE`,
          wanted.tlsa(site, key),
        ),
      );
    return [
      ...site.keys.flatMap((key) => judgeKey(site, key, records)),
      ...records.filter((each) => !site.keys.some((key) => fits(each, key))).map((each) => stray(name, each)),
      ...(await judgeSigning(site, resolver)),
    ];
  });
}

function judgeKey(site: MailSite, key: ServerKey, records: readonly Tlsa[]): Finding[] {
  const name = wanted.tlsaName(site);
  if (usedByAll(records).some((each) => fits(each, key))) return [];
  const record = wanted.tlsa(site, key);
  if (key.use === 'next')
    return [finding('warning', `no TLSA of ${name} fits the key to come, ${titleOf(key)}`, record)];
  const what = records.some((each) => fits(each, key))
    ? `TLSA of ${name} has a weaker digest for ${titleOf(key)} than for another key, so some servers overlook it`
    : `no TLSA of ${name} fits ${titleOf(key)}`;
  return [finding('error', `${what}: servers with DANE deliver nothing to it`, record)];
}

function stray(name: string, { usage, selector, matchingType, data }: Tlsa): Finding {
  const what = `TLSA "${usage} ${selector} ${matchingType} ${data.slice(0, 16)}..." of ${name} fits no key of this server`;
  return finding('warning', what, 'remove it, unless it is for a key to come (--next)');
}

/** Without DNSSEC from the MX to the TLSA, senders do not look at it (RFC 7672 §2.2). */
async function judgeSigning(site: MailSite, resolver: Resolver): Promise<Finding[]> {
  const { domain, host } = site;
  const questions = [
    [domain, 'MX'],
    [host, 'A'],
    [host, 'AAAA'],
    [wanted.tlsaName(site), 'TLSA'],
  ] as const;
  const unsigned: string[] = [];
  for (const [name, type] of questions) {
    const answer = await resolver.ask(name, type);
    if (!('why' in answer) && !answer.isSigned) unsigned.push(`${type} of ${name}`);
  }
  if (unsigned.length === 0) return [];
  const root = await resolver.ask('.', 'SOA');
  if (unsigned.length === questions.length && ('why' in root || !root.isSigned)) {
    const what = `${resolver.name} does not verify DNSSEC, so nothing is known of it here`;
    return [finding('warning', what, 'ask a resolver that does (--resolver), such as unbound')];
  }
  const what = `DNSSEC does not cover ${unsigned.join(', ')}: senders ignore TLSA`;
  return [finding('warning', what, 'sign the zone, and have its DS record in the zone above')];
}

function titleOf({ kind, file }: ServerKey): string {
  return `the ${kind} key of ${file}`;
}
