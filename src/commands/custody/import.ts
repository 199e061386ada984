/**
 * `sealdir slots import`: puts a wrapped file where the gateway looks for it. One that takes the place of
 * another key, or of a newer file, has to be agreed to: slots that were revoked would come back with it.
 */
import { isDeepStrictEqual } from 'node:util';
import { visible } from '../../core/visible.ts';
import { changeWrapped, LockedError, type Named, placeOf, readWrapped } from '../../custody/place.ts';
import {
  MOST_FILE_BYTES,
  parseWrappedFile,
  type WrappedFile,
  WrappedFileError,
} from '../../custody/wrappedfile.ts';
import { realWorld } from '../../edge/world.ts';
import { CommandError } from '../errors.ts';
import { readInput } from '../inputfile.ts';
import { confirm } from '../key/change.ts';
import { canonicalOf } from '../key/site.ts';
import type { KeyArguments, Streams } from '../key/subcommand.ts';
import { asCommandError, gatewaySite } from './target.ts';

export async function run(given: KeyArguments, streams: Streams): Promise<number> {
  const [path] = given.operands;
  if (path === undefined) throw new CommandError('usage', 'slots import: which wrapped key? Give a FILE');
  const { directory, same } = await gatewaySite(given);
  const file = await read(path);
  const canonical = canonicalOf(file.address, same);
  if (canonical !== file.address)
    throw new CommandError(
      'data',
      `${path} is for ${file.address}, which is ${canonical} here; nothing was changed`,
    );
  const place = placeOf(directory, file.address);
  const present = await presentAt(place);
  if (isDeepStrictEqual(present, file)) {
    streams.stdout.write(`${visible(file.address)}: has this file already\n`);
    return 0;
  }
  await confirm([{ toConfirm: objections(file, present) }], given, streams);
  const exchange = async () => {
    const now = await presentAt(place);
    if (isDeepStrictEqual(now, present)) return file;
    throw new LockedError(`${place.path} has changed meanwhile`);
  };
  await changeWrapped(place, exchange, { world: realWorld('localhost') }).catch(asCommandError);
  const labels = file.slots.map(({ label }) => `"${label}"`).join(', ') || 'none';
  streams.stdout.write(
    `${visible(`${file.address}: ${file.fingerprint} is in place; its slots are ${labels}`)}\n`,
  );
  return 0;
}

async function read(path: string): Promise<WrappedFile> {
  const bytes = await readInput(path, { what: 'wrapped key', most: MOST_FILE_BYTES });
  try {
    return parseWrappedFile(bytes.toString('utf8'));
  } catch (error) {
    if (!(error instanceof WrappedFileError)) throw error;
    throw new CommandError('data', `${path} ${error.message}; nothing was changed`);
  }
}

/** What is there: a file, none, or why it cannot be read. */
async function presentAt(place: Named): Promise<WrappedFile | string | undefined> {
  return readWrapped(place).catch((error: unknown) => {
    if (error instanceof WrappedFileError) return error.message;
    return asCommandError(error);
  });
}

/** Says what somebody has to agree to. */
function objections(file: WrappedFile, present: WrappedFile | string | undefined): readonly string[] {
  if (present === undefined) return [];
  if (typeof present === 'string') return [`${present}, and would be lost`];
  if (present.fingerprint !== file.fingerprint)
    return [`${file.address} has the key ${present.fingerprint} wrapped there, which would be lost`];
  if (present.serial < file.serial) return [];
  return [
    `the file that is there was changed ${present.serial - 1} times, this one ${file.serial - 1} times: what was revoked meanwhile would open it again`,
  ];
}
