// A real name server on loopback: unbound, with zones of a test that BIND's programs have checked and
// signed. It verifies DNSSEC as a resolver does, and asks nobody else.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { needs } from './peers.ts';
import { freePort } from './port.ts';
import { run, start } from './process.ts';
import { makeTraversable } from './traversable.ts';

export const needsNameServer = () => needs('unbound', 'named-checkzone', 'dnssec-keygen', 'dnssec-signzone');

export interface Zone {
  readonly name: string;
  /** Records, without SOA and NS. */
  readonly text: string;
  /** `bogus`: signed by a key that nobody trusts. */
  readonly signing?: 'none' | 'good' | 'bogus';
}

export interface NameServer {
  /** As `--resolver` takes it. */
  readonly address: string;
  readonly port: number;
  stop(): Promise<void>;
}

const SOA = (name: string) => `${name}. 3600 IN SOA ns.${name}. hostmaster.${name}. 1 3600 600 86400 60
${name}. 3600 IN NS ns.${name}.
ns.${name}. 3600 IN A 127.0.0.1
`;

/** Starts it on a free port of 127.0.0.1, or where it is wanted. */
export async function startNameServer(
  zones: readonly Zone[],
  where?: { readonly host: string; readonly port: number },
): Promise<NameServer> {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-dns-'));
  try {
    await makeTraversable(directory);
    const anchors: string[] = [];
    for (const zone of zones) anchors.push(...(await prepare(directory, zone)));
    const { host, port } = where ?? { host: '127.0.0.1', port: await freePort() };
    const config = join(directory, 'unbound.conf');
    await writeFile(config, configuration(directory, `${host}@${port}`, zones, anchors));
    const process = await start('unbound', ['-d', '-p', '-c', config], {
      ready: (output) => output.includes('start of service'),
    });
    return {
      address: `${host}:${port}`,
      port,
      async stop() {
        await process.stop();
        await rm(directory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Checks a zone and signs it. Returns the keys that are trusted. Rejects if BIND does not take the zone. */
async function prepare(directory: string, { name, text, signing = 'none' }: Zone): Promise<string[]> {
  await writeFile(join(directory, name), SOA(name) + text);
  await succeed(directory, 'named-checkzone', '-i', 'local', name, name);
  if (signing === 'none') return [];
  const key = await succeed(directory, 'dnssec-keygen', '-q', '-a', 'ECDSAP256SHA256', '-f', 'KSK', name);
  // with NSEC, unbound 1.17 denies nothing below a name that has no record, such as _domainkey
  await succeed(directory, 'dnssec-signzone', '-3', '-', '-S', '-z', '-q', '-o', name, '-f', name, name);
  if (signing === 'bogus') {
    for (const file of await readdir(directory))
      if (file.startsWith(`K${name}.`)) await rm(join(directory, file));
    const other = await succeed(directory, 'dnssec-keygen', '-q', '-a', 'ECDSAP256SHA256', '-f', 'KSK', name);
    return [await anchorIn(directory, other)];
  }
  return [await anchorIn(directory, key)];
}

async function anchorIn(directory: string, key: string): Promise<string> {
  const text = await readFile(join(directory, `${key.trim()}.key`), 'utf8');
  return text.replace(/^;.*\n/gm, '').trim();
}

function configuration(
  directory: string,
  where: string,
  zones: readonly Zone[],
  anchors: readonly string[],
): string {
  const local = zones.map(({ name }) => `  local-zone: "${name}." transparent`);
  const trusted = anchors.map((anchor) => `  trust-anchor: '${anchor.replaceAll('\t', ' ')}'`);
  const own = zones.map(
    ({ name }) => `auth-zone:
  name: "${name}."
  zonefile: "${join(directory, name)}"
  for-downstream: no
  for-upstream: yes
  fallback-enabled: no`,
  );
  return `server:
  interface: ${where}
  directory: "${directory}"
  chroot: ""
  username: ""
  use-syslog: no
  verbosity: 1
  num-threads: 1
  module-config: "validator iterator"
  local-zone: "." static
${local.join('\n')}
${trusted.join('\n')}
remote-control:
  control-enable: no
${own.join('\n')}
`;
}

async function succeed(cwd: string, program: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, { cwd });
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout.toString();
}
