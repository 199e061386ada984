/**
 * `sealdir dns DOMAIN`: prints the records that a domain needs for its mail, or compares them with what is
 * published. Prints without asking anybody, reads the MTA-STS policy over HTTPS only if told to, and shows
 * the public parts of keys only.
 */
import { hostname } from 'node:os';
import { checkPublished } from '../../dns/check.ts';
import { checkPolicy } from '../../dns/checkpolicy.ts';
import type { Finding } from '../../dns/finding.ts';
import type { MailSite } from '../../dns/mailsite.ts';
import { asciiName, plainAddress } from '../../dns/names.ts';
import { policyOf } from '../../dns/policy.ts';
import { answering, parseServer, type ServerAddress, systemServers } from '../../dns/resolver.ts';
import { zoneText } from '../../dns/zone.ts';
import { realWorld } from '../../edge/world.ts';
import { readArguments, refuseStray } from '../arguments.ts';
import { CHECK_EXIT, CommandError } from '../errors.ts';
import type { Streams } from '../key/subcommand.ts';
import { settingsOf } from '../settings.ts';
import { readDkim, readServerKeys } from './keyfiles.ts';

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  host: { type: 'string' },
  ip: { type: 'string', multiple: true },
  certificate: { type: 'string', multiple: true },
  next: { type: 'string', multiple: true },
  dkim: { type: 'string', multiple: true },
  rua: { type: 'string' },
  policy: { type: 'boolean' },
  check: { type: 'boolean' },
  resolver: { type: 'string' },
} as const;

const LEVELS = ['error', 'warning', 'note'] as const;

interface Given {
  readonly options: Readonly<
    Partial<Record<'config' | 'host' | 'rua' | 'resolver', string>> &
      Partial<Record<'ip' | 'certificate' | 'next' | 'dkim', readonly string[]>> &
      Partial<Record<'policy' | 'check', boolean>>
  >;
  readonly operands: readonly string[];
}

export async function dnsCommand(args: readonly string[], { stdout }: Streams): Promise<number> {
  const given = readArguments([...args], OPTIONS);
  refuseStray('dns', given, Object.keys(OPTIONS));
  const { options, operands } = given as Given;
  if (operands.length !== 1) throw new CommandError('usage', 'give one domain: sealdir dns DOMAIN');
  const servers = serversOf(options.resolver);
  const site = await siteOf(operands[0] ?? '', options);
  if (options.check === true) {
    const read = options.policy === true ? [checkPublished, checkPolicy] : [checkPublished];
    return check(site, servers, read, stdout);
  }
  stdout.write(options.policy === true ? policyOf(site) : zoneText(site));
  return CHECK_EXIT.clean;
}

async function siteOf(domain: string, options: Given['options']): Promise<MailSite> {
  const { settings } = await settingsOf(options.config, hostname());
  const name = nameOf(domain, 'is no domain');
  const host =
    options.host === undefined
      ? nameOf(settings.hostname, 'is the hostname of the configuration, and no whole name: give --host')
      : nameOf(options.host, 'is no name of a host (--host)');
  return {
    domain: name,
    host,
    addresses: addressesOf(options.ip ?? []),
    keys: await readServerKeys({
      host,
      settings,
      certificates: options.certificate ?? [],
      next: options.next ?? [],
    }),
    dkim: await readDkim(options.dkim ?? [], name),
    reportsTo: options.rua === undefined ? `postmaster@${name}` : reportsOf(options.rua),
  };
}

function nameOf(written: string, fault: string): string {
  const name = asciiName(written);
  if (name === undefined) throw new CommandError('usage', `"${written}" ${fault}`);
  return name;
}

function addressesOf(written: readonly string[]): string[] {
  const addresses = written.map((each) => {
    const address = plainAddress(each);
    if (address === undefined) throw new CommandError('usage', `"${each}" is no IP address (--ip)`);
    return address;
  });
  return [...new Set(addresses)];
}

function reportsOf(written: string): string {
  const [, local, domain = ''] = /^mailto:([\x21-\x7e]+)@([^@]+)$/.exec(written) ?? [];
  const name = asciiName(domain);
  if (local !== undefined && name !== undefined) return `${local}@${name}`;
  throw new CommandError('usage', `"${written}" is no "mailto:" with one mail address (--rua)`);
}

function serversOf(written: string | undefined): ServerAddress[] {
  if (written === undefined) return systemServers();
  const server = parseServer(written);
  if (server === undefined)
    throw new CommandError(
      'usage',
      `"${written}" is no address of a resolver, like "127.0.0.1:53" (--resolver)`,
    );
  return [server];
}

async function check(
  site: MailSite,
  servers: readonly ServerAddress[],
  checks: readonly (typeof checkPublished)[],
  stdout: NodeJS.WriteStream,
): Promise<number> {
  const resolver = await answering(servers, site.domain, realWorld(site.host).random);
  if ('why' in resolver) throw new CommandError('tempFail', `nothing was checked: ${resolver.why}`);
  const findings = (await Promise.all(checks.map((each) => each(site, resolver)))).flat();
  const ofLevel = (wanted: Finding['level']) => findings.filter(({ level }) => level === wanted);
  const [errors, warnings] = [ofLevel('error').length, ofLevel('warning').length];
  for (const { level, what, fix } of LEVELS.flatMap(ofLevel))
    stdout.write(`${level}: ${what}\n    fix: ${fix}\n`);
  stdout.write(`${site.domain}, as ${resolver.name} has it: ${errors} errors, ${warnings} warnings\n`);
  if (errors > 0) return CHECK_EXIT.errors;
  return warnings > 0 ? CHECK_EXIT.warnings : CHECK_EXIT.clean;
}
