/** Reads the MTA-STS policy as senders do (RFC 8461 §3.3), and whether it lets mail come to the host. */
import { get } from 'node:https';
import { type Finding, finding } from './finding.ts';
import type { MailSite } from './mailsite.ts';
import { policyOf } from './policy.ts';
import type { Resolver } from './resolver.ts';
import * as wanted from './wanted.ts';

const FETCH_MS = 10_000;
const MOST_BYTES = 64 * 1024;
const PATH = '/.well-known/mta-sts.txt';

export async function checkPolicy(site: MailSite, resolver: Resolver): Promise<Finding[]> {
  const { name } = wanted.stsHost(site);
  const url = `https://${name}${PATH}`;
  const answers = [await resolver.ask(name, 'A'), await resolver.ask(name, 'AAAA')];
  const [address] = answers.flatMap((answer) => ('why' in answer ? [] : answer.values));
  if (address === undefined) return []; // that is a finding already
  const fix = 'put there what --policy prints, with a certificate for that name';
  try {
    return judge(site, url, await fetched(name, address));
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    return [finding('error', `${url} cannot be read (${code ?? message})`, fix)];
  }
}

function judge(site: MailSite, url: string, text: string): Finding[] {
  const fields = text.split(/\r?\n/).flatMap((line) => {
    const [, key, value] = /^([A-Za-z0-9_.-]+):\s*(.*?)\s*$/.exec(line) ?? [];
    return key === undefined || value === undefined ? [] : [[key, value] as const];
  });
  const of = (key: string) => fields.flatMap(([name, value]) => (name === key ? [value.toLowerCase()] : []));
  const [mode = ''] = of('mode');
  const fix = 'put there what --policy prints';
  if (of('version')[0] !== 'stsv1' || !['enforce', 'testing', 'none'].includes(mode))
    return [finding('error', `${url} has no valid policy`, fix)];
  if (mode === 'none') return [finding('warning', `${url} says "mode: none": there is no MTA-STS`, fix)];
  if (!of('mx').some((pattern) => isNamedBy(site.host, pattern))) {
    const what = `${url} names ${of('mx').join(', ') || 'no MX'}, not ${site.host}`;
    const level = mode === 'enforce' ? 'error' : 'warning';
    return [
      finding(
        level,
        `${what}: servers with MTA-STS ${mode === 'enforce' ? 'deliver' : 'would deliver'} nothing`,
        fix,
      ),
    ];
  }
  if (text.replaceAll('\r', '').trim() === policyOf(site).trim()) return [];
  return [finding('note', `${url} is not what --policy prints (mode: ${mode})`, fix)];
}

/** RFC 8461 §4.1: a "*" stands for one label. */
function isNamedBy(host: string, pattern: string): boolean {
  return pattern === host || (pattern.startsWith('*.') && host.replace(/^[^.]+/, '*') === pattern);
}

/** Rejects for a redirection too: senders follow none. */
function fetched(name: string, address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(FETCH_MS);
    const options = {
      host: address,
      servername: name,
      path: PATH,
      headers: { host: name },
      signal,
      agent: false,
    };
    const request = get(options, (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      if (response.statusCode !== 200) request.destroy(new Error(`status ${response.statusCode}`));
      response.on('data', (piece: Buffer) => {
        pieces.push(piece);
        bytes += piece.length;
        if (bytes > MOST_BYTES) request.destroy(new Error('it is too large'));
      });
      response.on('error', reject);
      response.on('end', () => resolve(Buffer.concat(pieces).toString('utf8')));
    });
    request.on('error', reject);
  });
}
