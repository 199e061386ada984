/**
 * Compares what is published with what `wanted.ts` has. One file for each subject; this one only calls them.
 */
import { checkAddresses, checkMx, checkReverse } from './checkhost.ts';
import { checkSts } from './checksts.ts';
import { checkDkim, checkDmarc, checkSpf, checkTlsReports } from './checktexts.ts';
import { checkTlsa } from './checktlsa.ts';
import type { Finding } from './finding.ts';
import type { MailSite } from './mailsite.ts';
import type { Resolver } from './resolver.ts';

export async function checkPublished(site: MailSite, resolver: Resolver): Promise<Finding[]> {
  const found = [
    checkMx(site, resolver),
    checkAddresses(site, resolver),
    checkReverse(site, resolver),
    checkSpf(site, resolver),
    checkDkim(site, resolver),
    checkDmarc(site, resolver),
    checkTlsa(site, resolver),
    checkSts(site, resolver),
    checkTlsReports(site, resolver),
  ];
  return (await Promise.all(found)).flat();
}
