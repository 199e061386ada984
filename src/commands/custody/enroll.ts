/**
 * `sealdir enroll`: wraps a secret key for a server, on its owner's machine. Takes a key or makes one; makes
 * a code for each device, a password if that is wanted, and the recovery code; writes what the server gets
 * and what its owner keeps. No code is in any file, argument or environment.
 */
import { dirname, join } from 'node:path';
import { canonicalAddress, parseAddress, pathSegment } from '../../core/address.ts';
import { visible } from '../../core/visible.ts';
import { enrol, newCode } from '../../custody/enrol.ts';
import { Derivations } from '../../custody/kdf.ts';
import { type NewSlot, secretOf } from '../../custody/slot.ts';
import { isLabel, MOST_SLOTS, textOf } from '../../custody/wrappedfile.ts';
import { realWorld } from '../../edge/world.ts';
import { generateKeyPair } from '../../keys/secretkeys.ts';
import { armoredSecretKey, readTransferableKey, type TransferableKey } from '../../keys/transferable.ts';
import { CommandError } from '../errors.ts';
import { MOST_KEYS, readInput } from '../inputfile.ts';
import { untilInterrupted } from '../interrupt.ts';
import type { KeyArguments, Streams } from '../key/subcommand.ts';
import { type NewFile, refuseUnmakeable, writeAll } from '../newfiles.ts';
import { emailOf, lifetimeOf, nameOf } from '../newowner.ts';
import { givenSecret } from '../passphrase.ts';
import { atTerminal } from '../prompt.ts';
import { importersOf, refuseUnfit, SAME } from './ownkey.ts';
import { ALONE, newPassword, refuseUnseen, wantsPassword, withoutCores } from './secrets.ts';
import { asCommandError } from './target.ts';
import { codeLines, HONEST, PASSWORD_HONEST } from './words.ts';
import { written } from './written.ts';

/** One of the ways in that are made. `code` is printed; a password is known already. */
interface Way extends Omit<NewSlot, 'secret'> {
  readonly code?: string;
  readonly password?: string;
}

const world = realWorld('localhost');

export async function run(given: KeyArguments, streams: Streams): Promise<number> {
  await withoutCores(streams);
  const address = addressOf(given.operands[0]);
  const labels = labelsOf(given);
  refuseUnseen(given, streams);
  const base = join(given.text('into') ?? '.', pathSegment(address));
  const paths = {
    certificate: `${base}.asc`,
    wrapped: `${base}.wrapped`,
    recovery: `${base}.recovery.asc`,
    revocation: `${base}.revocation.asc`,
  };
  await refuseUnmakeable(dirname(base), Object.values(paths));
  const { key, revocation } = await keyFor(address, given, streams);
  try {
    const ways = await waysFor(address, labels, given, streams);
    await untilInterrupted(async (pause) => {
      const files = await filesOf(address, key, ways, paths);
      if (revocation !== undefined) files.push({ path: paths.revocation, content: revocation, mode: 0o600 });
      pause();
      // files whose codes nobody has seen are of no use: they are made when the codes are shown
      await written(streams, told(address, key, ways, files, await importersOf(key)));
      writeAll(files, world.random(8).toString('hex'));
    });
  } finally {
    key.secretKey.fill(0);
  }
  return 0;
}

function addressOf(written: string | undefined): string {
  const address = parseAddress(emailOf(written, 'enroll'));
  const canonical = address && canonicalAddress(address, SAME);
  if (canonical === undefined) throw new CommandError('usage', `"${written}" is not an address`);
  return canonical;
}

/** The labels of the device slots. A code for one device is made where nothing else was asked for. */
function labelsOf(given: KeyArguments): readonly string[] {
  const devices = given.all('device');
  const labels = devices.length === 0 && !wantsPassword(given) ? ['device'] : devices;
  const all = [...labels, 'recovery', ...(wantsPassword(given) ? ['password'] : [])];
  const wrong = all.find((label) => !isLabel(label));
  if (wrong !== undefined) throw new CommandError('usage', `"${wrong}" is no name for a device`);
  const twice = all.find((label, n) => all.indexOf(label) !== n);
  if (twice !== undefined) throw new CommandError('usage', `two slots would be named "${twice}"`);
  if (all.length > MOST_SLOTS)
    throw new CommandError('usage', `${MOST_SLOTS} slots are the most there can be`);
  return labels;
}

/** Takes the key that was given, or makes one, which then has no passphrase of its own. */
async function keyFor(
  address: string,
  given: KeyArguments,
  streams: Streams,
): Promise<{ readonly key: TransferableKey; readonly revocation?: string }> {
  const [name, lifetime] = [nameOf(given.text('name')), lifetimeOf(given.text('expires'))];
  const file = given.text('key');
  if (file === undefined) {
    const pair = await generateKeyPair({ email: address, name, lifetime, madeAt: new Date(world.now()) });
    const key = await readTransferableKey(Buffer.from(pair.secretKey), async () => undefined);
    return { key, revocation: pair.revocation };
  }
  if (given.text('name') !== undefined || given.text('expires') !== undefined)
    throw new CommandError('usage', '--name and --expires are for a new key, and -k names one that is there');
  const bytes = await readInput(file, { what: 'key file', most: MOST_KEYS });
  const [from, fd] = [given.text('passphrase-file'), given.text('passphrase-fd')];
  const passphrase = async () =>
    (await givenSecret({ file: from, fd }, 'passphrase')) ?? (await askedFor(file, streams));
  const key = await readTransferableKey(bytes, passphrase).catch((error: unknown) => {
    if (error instanceof CommandError) throw error;
    throw new CommandError('data', `${file} ${(error as Error).message}; nothing was made`);
  });
  bytes.fill(0);
  try {
    await refuseUnfit(address, key, given, streams);
    return { key };
  } catch (error) {
    key.secretKey.fill(0);
    throw error;
  }
}

async function askedFor(file: string, { stderr }: Streams): Promise<string | undefined> {
  if (stderr.isTTY !== true) return undefined;
  return atTerminal((terminal) => terminal.ask(`Passphrase of ${file}: `, 'hidden'));
}

async function waysFor(
  address: string,
  labels: readonly string[],
  given: KeyArguments,
  streams: Streams,
): Promise<readonly Way[]> {
  const password = wantsPassword(given) ? await newPassword(address, given, streams) : undefined;
  return [
    ...(password === undefined ? [] : [{ kind: 'password', label: 'password', password } as const]),
    ...labels.map((label) => ({ kind: 'device', label, code: newCode(world) }) as const),
    { kind: 'recovery', label: 'recovery', code: newCode(world) },
  ];
}

async function filesOf(
  address: string,
  { fingerprint, certificate, secretKey }: TransferableKey,
  ways: readonly Way[],
  paths: Readonly<Record<'certificate' | 'wrapped' | 'recovery', string>>,
): Promise<NewFile[]> {
  const secrets = ways.map((way) => ({ ...way, secret: secretOf(way.code ?? way.password ?? '').bytes }));
  try {
    const parts = { derivations: new Derivations(ALONE), world };
    const wrapped = await enrol({ address, fingerprint }, secretKey, secrets, parts).catch(asCommandError);
    const recovery = ways.find(({ kind }) => kind === 'recovery')?.code;
    if (recovery === undefined) throw new Error('a recovery code is always made');
    return [
      { path: paths.certificate, content: certificate, mode: 0o644 },
      { path: paths.wrapped, content: textOf(wrapped), mode: 0o600 },
      { path: paths.recovery, content: await armoredSecretKey(secretKey, recovery), mode: 0o600 },
    ];
  } finally {
    for (const { secret } of secrets) secret.fill(0);
  }
}

function told(
  address: string,
  { fingerprint }: TransferableKey,
  ways: readonly Way[],
  files: NewFile[],
  importers: string,
): string {
  const [certificate = '', wrapped = '', recovery = '', revocation] = files.map(({ path }) => visible(path));
  const lines = [
    `fingerprint   ${fingerprint}`,
    `public key    ${certificate}  (for the server: sealdir key add --as ${visible(address)} FILE)`,
    `wrapped key   ${wrapped}  (for the server: sealdir slots import FILE)`,
    `recovery key  ${recovery}  (yours alone: keep it away from the server)`,
    ...(revocation === undefined ? [] : [`revocation    ${revocation}  (yours alone)`]),
  ];
  const codes = ways.flatMap(({ kind, label, code }) => {
    if (code === undefined) return [];
    const what =
      kind === 'recovery'
        ? `Recovery code, shown this once: write it down. It is the passphrase of the recovery key\n(${importers}), with its dashes and capital letters.`
        : `Code for "${visible(label)}", shown this once: enter it there as the password.`;
    return [codeLines(what, code)];
  });
  const hasPassword = ways.some(({ kind }) => kind === 'password');
  return `${lines.join('\n')}\n${codes.join('')}${HONEST}${hasPassword ? PASSWORD_HONEST : ''}`;
}
