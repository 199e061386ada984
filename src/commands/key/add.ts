/**
 * `sealdir key add`: keys from files into the key directory. All of them are looked at first: if one is not
 * fit, nothing is changed. A key that takes the place of another is asked about.
 */
import { visible } from '../../core/visible.ts';
import { KeyFileError } from '../../keys/blocks.ts';
import { type Certificate, parseCertificates } from '../../keys/certificates.ts';
import type { Exchanged } from '../../keys/exchange.ts';
import { CommandError } from '../errors.ts';
import { readInput } from '../inputfile.ts';
import { apply, confirm } from './change.ts';
import { type Offered, ownersOf } from './owners.ts';
import { planFor } from './plan.ts';
import type { Plan } from './planned.ts';
import { couldNotLook, keySite } from './site.ts';
import type { KeyArguments, Streams } from './subcommand.ts';

/** A key ring of an office; what becomes a file of the directory is held to its own limit. */
const MOST_BYTES = 16 * 1024 * 1024;

export async function run(given: KeyArguments, streams: Streams): Promise<number> {
  const { operands } = given;
  if (operands.length === 0)
    throw new CommandError('usage', 'which key? sealdir key add FILE..., or - for standard input');
  const site = await keySite(given.text('config'));
  const offered: Offered[] = [];
  for (const file of operands) offered.push(...(await read(file, streams)));
  const owners = await ownersOf(offered, given.text('as'), site).catch(couldNotLook);
  const warn = (sentence: string) => streams.stderr.write(`sealdir: ${visible(sentence)}\n`);
  const plans: Plan[] = [];
  for (const [address, keys] of owners)
    plans.push(withShared(await planFor(address, keys, site, warn), owners));
  await confirm(plans, given, streams);
  const told = new Set<string>();
  await apply(plans, site, 'key add', (done) => {
    for (const each of done) streams.stdout.write(`${visible(sentenceOf(each))}\n`);
    for (const each of done) told.add(each.address);
  });
  for (const { address } of plans)
    if (!told.has(address)) streams.stdout.write(`${visible(address)}: has this key already\n`);
  return 0;
}

/** Whoever made a key may have given it the address of somebody else as well. */
function withShared(plan: Plan, owners: ReadonlyMap<string, readonly Certificate[]>): Plan {
  const shared = plan.added.flatMap((fingerprint) => {
    const all = [...owners].filter(([, keys]) => keys.some((key) => key.fingerprint === fingerprint));
    const addresses = all.map(([address]) => address).join(', ');
    return all.length > 1 ? [`${fingerprint} is for several recipients: ${addresses}`] : [];
  });
  return { ...plan, toConfirm: [...shared, ...plan.toConfirm] };
}

async function read(file: string, { stdin }: Streams): Promise<Offered[]> {
  const source = file === '-' ? 'standard input' : file;
  const wanted = { what: 'key file', most: MOST_BYTES };
  const bytes = file === '-' ? await readStdin(stdin()) : await readInput(file, wanted);
  try {
    const certificates = await parseCertificates(bytes);
    return certificates.map((certificate) => ({ source, certificate }));
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    throw new CommandError('data', `${source} ${error.message}; nothing was changed`);
  }
}

async function readStdin(input: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of input) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > MOST_BYTES) throw new CommandError('data', 'standard input is too large for a key file');
  }
  return Buffer.concat(pieces);
}

function sentenceOf({ address, file, before, after, kept }: Exchanged): string {
  const keys = after.join(', ');
  if (kept === undefined) return `${address}: ${keys} is added as ${file}`;
  if (after.length === 0) return `${address}: ${file} is removed; what it held is in ${kept}`;
  const isUpdate = before.length === after.length && before.every((each) => after.includes(each));
  if (isUpdate) return `${address}: ${keys} is updated; the copy of before is in ${kept}`;
  return `${address}: ${before.join(', ') || 'what could not be read'} is replaced by ${keys}; it is in ${kept}`;
}
