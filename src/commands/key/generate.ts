/**
 * `sealdir key generate`: a key pair for a user, on the user's own machine. Needs no configuration. The
 * secret part is locked with a passphrase that is in no argument, no environment and no file that this makes.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { asciiDomain, parseAddress, pathSegment } from '../../core/address.ts';
import { visible } from '../../core/visible.ts';
import { turnOffCoreDumps } from '../../edge/coredumps.ts';
import { realWorld } from '../../edge/world.ts';
import { parseCertificates } from '../../keys/certificates.ts';
import { generateKeyPair, type KeyPair } from '../../keys/secretkeys.ts';
import { CommandError } from '../errors.ts';
import { whyNoFile } from '../inputfile.ts';
import { untilInterrupted } from '../interrupt.ts';
import { newPassphrase } from '../passphrase.ts';
import type { KeyArguments, Streams } from './subcommand.ts';

interface NewFile {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

const DAY_SECONDS = 24 * 60 * 60;
const UNIT_DAYS: Readonly<Record<string, number>> = { d: 1, w: 7, m: 30, y: 365 };
/** RFC 9580 §5.2.3.13: four octets of seconds. */
const MOST_SECONDS = 2 ** 32 - 1;

export async function run(given: KeyArguments, { stdout, stderr }: Streams): Promise<number> {
  const trouble = await turnOffCoreDumps();
  if (trouble !== undefined)
    stderr.write(`sealdir: core dumps could not be turned off (${visible(trouble)})\n`);
  const email = emailOf(given.operands[0]);
  const name = nameOf(given.text('name'));
  const lifetime = lifetimeOf(given.text('expires'));
  const base = join(given.text('output') ?? '.', pathSegment(email));
  const paths = {
    secret: `${base}.secret.asc`,
    revocation: `${base}.revocation.asc`,
    certificate: `${base}.asc`,
  };
  refuseUnwritable(dirname(base));
  for (const path of Object.values(paths)) await refuseTaken(path);
  const world = realWorld('localhost');
  const passphrase = await newPassphrase({
    file: given.text('passphrase-file'),
    fd: given.text('passphrase-fd'),
    none: given.has('no-passphrase'),
    canAsk: stderr.isTTY === true,
  });
  const pair = await untilInterrupted(async (pause) => {
    const made = await generateKeyPair({ email, name, passphrase, lifetime, madeAt: new Date(world.now()) });
    pause();
    writeAll(filesOf(made, paths), world.random(8).toString('hex'));
    return made;
  });
  const [certificate] = await parseCertificates(Buffer.from(pair.certificate));
  const lines = [
    `fingerprint  ${certificate?.fingerprint}`,
    `secret key   ${paths.secret}  (yours alone: keep it, and a copy elsewhere)`,
    `revocation   ${paths.revocation}  (publish it if the secret key is lost or stolen)`,
    `public key   ${paths.certificate}  (give this one to your mail server)`,
  ];
  stdout.write(lines.map((line) => `${visible(line)}\n`).join(''));
  return 0;
}

function emailOf(written: string | undefined): string {
  if (written === undefined) throw new CommandError('usage', 'for whom? sealdir key generate ADDRESS');
  const address = parseAddress(written);
  const domain = address && asciiDomain(address.domain);
  // what openpgp takes for a mail address, too
  const isPlain = address !== undefined && /^[^\p{C}\p{Z}@<>\\"]+$/u.test(address.local);
  if (domain === undefined || !isPlain || !/[a-z0-9]$/.test(domain))
    throw new CommandError('usage', `"${written}" is not an address that a key can be made for`);
  return `${address.local}@${domain}`;
}

function nameOf(written: string | undefined): string | undefined {
  if (written === undefined) return undefined;
  if (written.trim() === '' || /[<>()\p{C}]/u.test(written))
    throw new CommandError('usage', `"${written}" is not a name: no brackets, and nothing invisible`);
  return written.trim();
}

/** Returns seconds; 0 for a key that never ends. */
function lifetimeOf(written: string | undefined): number {
  if (written === undefined || written === 'never') return 0;
  const [, count, unit = ''] = /^([1-9][0-9]{0,4})([dwmy])$/.exec(written) ?? [];
  const seconds = Number(count) * (UNIT_DAYS[unit] ?? 0) * DAY_SECONDS;
  if (count !== undefined && seconds <= MOST_SECONDS) return seconds;
  throw new CommandError('usage', `--expires takes 90d, 6w, 18m, 2y or never, not "${written}"`);
}

/** Refuses a directory that cannot be written to, or made, before anybody is asked for a passphrase. */
function refuseUnwritable(directory: string): void {
  const place = existsSync(directory) ? directory : dirname(directory);
  try {
    accessSync(place, constants.W_OK | constants.X_OK);
    if (statSync(place).isDirectory()) return;
  } catch {
    // told below
  }
  throw new CommandError('data', `no file can be made in ${directory}: nothing was made`);
}

async function refuseTaken(path: string): Promise<void> {
  if ((await whyNoFile(path, 'key file')) === undefined)
    throw new CommandError('data', `${path} is there already: nothing was made`);
}

function filesOf(pair: KeyPair, paths: Record<'secret' | 'revocation' | 'certificate', string>): NewFile[] {
  return [
    { path: paths.secret, content: pair.secretKey, mode: 0o600 },
    { path: paths.revocation, content: pair.revocation, mode: 0o600 },
    { path: paths.certificate, content: pair.certificate, mode: 0o644 },
  ];
}

/**
 * Writes all files or none: first under hidden names, then each gets its own. In one turn of the event loop,
 * so that no signal comes between.
 */
function writeAll(files: readonly NewFile[], tag: string): void {
  const made: string[] = [];
  try {
    const [{ path: first } = { path: '' }] = files;
    makeDirectory(dirname(first));
    const hidden = files.map((file, n) => ({
      ...file,
      temporary: join(dirname(file.path), `.sealdir-${tag}-${n}.tmp`),
    }));
    for (const { temporary, content, mode } of hidden) {
      made.push(temporary);
      const fd = openSync(temporary, 'wx', mode);
      try {
        writeFileSync(fd, content);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    }
    for (const { temporary, path } of hidden) {
      linkSync(temporary, path); // never over a file that is there
      made.push(path);
    }
    for (const { temporary } of hidden) unlinkSync(temporary);
    syncDirectory(dirname(first));
  } catch (error) {
    for (const path of made) removeQuietly(path);
    throw new CommandError(
      'data',
      `the key could not be written: ${(error as Error).message}; nothing was made`,
    );
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // it was not made
  }
}
