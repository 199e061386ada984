/**
 * `sealdir key generate`: a key pair for a user, on the user's own machine. Needs no configuration. The
 * secret part is locked with a passphrase that is in no argument, no environment and no file that this makes.
 */
import { dirname, join } from 'node:path';
import { pathSegment } from '../../core/address.ts';
import { visible } from '../../core/visible.ts';
import { turnOffCoreDumps } from '../../edge/coredumps.ts';
import { realWorld } from '../../edge/world.ts';
import { parseCertificates } from '../../keys/certificates.ts';
import { generateKeyPair, type KeyPair } from '../../keys/secretkeys.ts';
import { untilInterrupted } from '../interrupt.ts';
import { type NewFile, refuseUnmakeable, writeAll } from '../newfiles.ts';
import { emailOf, lifetimeOf, nameOf } from '../newowner.ts';
import { newPassphrase } from '../passphrase.ts';
import type { KeyArguments, Streams } from './subcommand.ts';

export async function run(given: KeyArguments, { stdout, stderr }: Streams): Promise<number> {
  const trouble = await turnOffCoreDumps();
  if (trouble !== undefined)
    stderr.write(`sealdir: core dumps could not be turned off (${visible(trouble)})\n`);
  const email = emailOf(given.operands[0], 'key generate');
  const name = nameOf(given.text('name'));
  const lifetime = lifetimeOf(given.text('expires'));
  const base = join(given.text('output') ?? '.', pathSegment(email));
  const paths = {
    secret: `${base}.secret.asc`,
    revocation: `${base}.revocation.asc`,
    certificate: `${base}.asc`,
  };
  await refuseUnmakeable(dirname(base), Object.values(paths));
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

function filesOf(pair: KeyPair, paths: Record<'secret' | 'revocation' | 'certificate', string>): NewFile[] {
  return [
    { path: paths.secret, content: pair.secretKey, mode: 0o600 },
    { path: paths.revocation, content: pair.revocation, mode: 0o600 },
    { path: paths.certificate, content: pair.certificate, mode: 0o644 },
  ];
}
