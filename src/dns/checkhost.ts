/** Whether mail finds the host: MX, A and AAAA, and the way back by PTR. */
import { isIPv4 } from 'node:net';
import { askedFor, type Finding, finding } from './finding.ts';
import type { MailSite } from './mailsite.ts';
import { plainAddress, reverseName } from './names.ts';
import type { Resolver } from './resolver.ts';
import * as wanted from './wanted.ts';

export async function checkMx(site: MailSite, resolver: Resolver): Promise<Finding[]> {
  const { domain, host } = site;
  return askedFor(resolver, domain, 'MX', ({ values }) => {
    const hosts = values.map((value) => value.replace(/^\d+ /, ''));
    const others = hosts.filter((each) => each !== host);
    if (hosts.length === 0) return [finding('error', `${domain} has no MX`, wanted.mx(site))];
    if (!hosts.includes(host))
      return [finding('error', `MX of ${domain} is ${others.join(', ')}, not ${host}`, wanted.mx(site))];
    if (others.length === 0) return [];
    const what = `MX of ${domain} is also ${others.join(', ')}, which is not looked at here`;
    return [finding('warning', what, 'remove it, or check it with --host')];
  });
}

/** Looks at A and AAAA; without addresses to compare with, there has to be one. */
export async function checkAddresses(site: MailSite, resolver: Resolver): Promise<Finding[]> {
  const { host, addresses } = site;
  const ofType = (type: 'A' | 'AAAA') =>
    askedFor(resolver, host, type, ({ values }) => {
      const published = values.map((value) => plainAddress(value) ?? value);
      const mine = addresses.filter((each) => isIPv4(each) === (type === 'A'));
      const missing = mine.filter((each) => !published.includes(each));
      const strange = addresses.length === 0 ? [] : published.filter((each) => !mine.includes(each));
      return [
        ...missing.map((each) =>
          finding('error', `${host} has no ${type} ${each}`, wanted.addressRecord(site, each)),
        ),
        ...strange.map((each) =>
          finding(
            'error',
            `${host} has ${type} ${each}, which is not an address of it`,
            'remove it, or give it with --ip',
          ),
        ),
      ];
    });
  const found = [...(await ofType('A')), ...(await ofType('AAAA'))];
  const answer = await resolver.ask(host, 'A');
  // RFC 2181 §10.3
  if (!('why' in answer) && answer.isAlias)
    found.push(
      finding('error', `${host} is a CNAME, which no MX may lead to`, 'give it addresses of its own'),
    );
  const published = await publishedAddresses(host, resolver);
  if (published.length > 0 || found.length > 0) return found;
  return [finding('error', `${host} has no address`, 'publish its A and AAAA records (--ip)')];
}

/** Receivers refuse mail from an address that has no name, or whose name does not lead back to it. */
export async function checkReverse(site: MailSite, resolver: Resolver): Promise<Finding[]> {
  const { host, addresses } = site;
  const all = addresses.length > 0 ? addresses : await publishedAddresses(host, resolver);
  const each = all.map((address) =>
    askedFor(resolver, reverseName(address), 'PTR', async ({ values: names }) => {
      const record = wanted.ptr(site, address);
      if (names.length === 0) return [finding('error', `${address} has no PTR`, record)];
      const confirmed: string[] = [];
      for (const name of names)
        if ((await publishedAddresses(name, resolver)).includes(address)) confirmed.push(name);
      if (confirmed.length === 0)
        return [
          finding(
            'error',
            `PTR of ${address} is ${names.join(', ')}, which does not lead back to it`,
            record,
          ),
        ];
      if (!confirmed.includes(host))
        return [finding('warning', `PTR of ${address} is ${names.join(', ')}, not ${host}`, record)];
      if (names.length === 1) return [];
      return [finding('warning', `${address} has several PTR: ${names.join(', ')}`, `keep that of ${host}`)];
    }),
  );
  return (await Promise.all(each)).flat();
}

async function publishedAddresses(name: string, resolver: Resolver): Promise<string[]> {
  const answers = await Promise.all([resolver.ask(name, 'A'), resolver.ask(name, 'AAAA')]);
  return answers.flatMap((answer) =>
    'why' in answer ? [] : answer.values.map((value) => plainAddress(value) ?? value),
  );
}
