// The contestants of `disks`. There are two instances of each variant, since processes of the same code
// differ by a tenth for as long as they run. All are started once and warmed up once. They then deliver to
// one disk after the other: each disk has a domain of its own.

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Bed } from './bed.ts';
import { hasDovecot, hasMailCrypt, type MailFsync, type Storing, startDovecot } from './dovecot.ts';
import { generate } from './generate.ts';
import { BASE_KEY, makeCertificate } from './keys.ts';
import { addresses, freshBase } from './recipients.ts';
import { startSealdir } from './sealdir.ts';
import type { Server } from './server.ts';

// more than any load has under way; so are those of Dovecot (dovecot.ts)
const LIMITS = 'max_connections = 2000\nmax_peer_connections = 2000\nmax_mailbox_deliveries = 2000';
const WARM_UP = { bytes: 10_000, recipients: 1, connections: 20, mailboxes: 10 };

export interface Instance extends Server {
  /** Stores the mail of a domain in an empty directory elsewhere. */
  addDomain(domain: string, directory: string): Promise<void>;
  enrol(names: readonly string[]): Promise<void>;
}

export interface Variant {
  readonly name: string;
  readonly instances: readonly Instance[];
  /** How many processes have to be warmed up; none of Dovecot's. */
  readonly processes: number;
}

export const CORES = availableParallelism();
/** Leaves one core to the mail server. */
export const DEFAULT_PROCESSES = Math.max(1, CORES - 1);
export const SEALDIR = sealdirName(DEFAULT_PROCESSES);
export const SEALDIR_ALL = sealdirName(CORES);
export const OTHER_SEALDIR = 'the other Sealdir';
export const DOVECOT = 'Dovecot plaintext';
export const MAIL_CRYPT = 'Dovecot mail_crypt';

function sealdirName(processes: number): string {
  return `Sealdir, ${processes} process${processes === 1 ? '' : 'es'}`;
}

export async function startVariants(bed: Bed): Promise<{ variants: Variant[]; leftOut: string[] }> {
  const certificate = await makeCertificate(BASE_KEY);
  const leftOut: string[] = [];
  const variants: Variant[] = [];
  const add = async (name: string, processes: number, begin: () => Promise<Instance>) => {
    bed.progress(`disks: ${name} starts`);
    const instances: Instance[] = [];
    for (let n = 0; n < bed.pick(1, 2); n++) instances.push(await begin());
    variants.push({ name, instances, processes });
  };
  const counts = [...new Set([1, DEFAULT_PROCESSES, CORES])].sort((a, b) => a - b);
  for (const processes of counts)
    await add(sealdirName(processes), processes, () => sealdir(bed, certificate, processes));
  const { other } = bed;
  if (other !== undefined)
    await add(OTHER_SEALDIR, DEFAULT_PROCESSES, () =>
      sealdir(bed, certificate, DEFAULT_PROCESSES, programOf(other)),
    );
  if (!hasDovecot()) return { variants, leftOut: [...leftOut, 'dovecot (dovecot-lmtpd is not installed)'] };
  await add(DOVECOT, 0, () => dovecot(bed, 'plaintext', 'always'));
  await add(`${DOVECOT}, mail_fsync=optimized`, 0, () => dovecot(bed, 'plaintext', 'optimized'));
  if (hasMailCrypt()) await add(MAIL_CRYPT, 0, () => dovecot(bed, 'mail_crypt', 'always'));
  else leftOut.push('the mail_crypt plugin of Dovecot');
  return { variants, leftOut };
}

/** Returns the program of another checkout, wherever it has it. */
function programOf(checkout: string): string {
  const manifest = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as {
    bin: { sealdir: string };
  };
  return join(checkout, manifest.bin.sealdir);
}

/** Warms all up at once: V8 goes on compiling for some ten thousand messages in each process. */
export async function warmUp(bed: Bed, variants: readonly Variant[]): Promise<void> {
  bed.progress('disks: warm-up');
  const each = bed.pick(3_000, 12_000);
  const seconds = bed.pick(40, 180); // where the machine is busy
  const base = freshBase();
  const warm = async (instance: Instance, processes: number) => {
    const count = each * processes;
    await instance.enrol(addresses(base, WARM_UP.mailboxes));
    await generate({ ...WARM_UP, port: instance.port, base, mode: 'closed', count, seconds });
  };
  await Promise.all(
    variants.flatMap(({ instances, processes }) => instances.map((instance) => warm(instance, processes))),
  );
}

async function sealdir(bed: Bed, certificate: string, processes: number, cli?: string): Promise<Instance> {
  const toml = { processes, lmtp: LIMITS };
  const server = await startSealdir(bed, { toml, ...(cli === undefined ? {} : { cli }) });
  return { ...server, enrol: (names) => server.addRecipients(names, certificate) };
}

async function dovecot(bed: Bed, storing: Storing, fsync: MailFsync): Promise<Instance> {
  return { ...(await startDovecot(bed, storing, fsync)), enrol: async () => undefined };
}
