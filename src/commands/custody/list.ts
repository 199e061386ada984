/** `sealdir slots list`: whose keys are wrapped, and the slots of each. Opens nothing; needs no secret. */
import { basename } from 'node:path';
import { textOfSegment } from '../../core/address.ts';
import { visible, visibleJson } from '../../core/visible.ts';
import { type Named, namesIn, placeOf, readWrapped } from '../../custody/place.ts';
import { dovecotLine } from '../../custody/upstream.ts';
import { type WrappedFile, WrappedFileError } from '../../custody/wrappedfile.ts';
import { EXIT } from '../errors.ts';
import { canonicalOf } from '../key/site.ts';
import type { KeyArguments, Streams } from '../key/subcommand.ts';
import { asCommandError, gatewaySite, targetOf, wrappedAt } from './target.ts';

export async function run(given: KeyArguments, { stdout, stderr }: Streams): Promise<number> {
  const files: WrappedFile[] = [];
  const lines: string[] = [];
  let code = 0;
  for (const place of await placesOf(given)) {
    try {
      const file = isNamed(given) ? await wrappedAt(place) : await readWrapped(place);
      if (file === undefined) continue;
      files.push(file);
      lines.push(...(given.has('dovecot') ? [visible(dovecotLine(file))] : linesOf(file)));
    } catch (error) {
      if (!(error instanceof WrappedFileError)) asCommandError(error);
      stderr.write(`sealdir: ${visible((error as Error).message)}\n`);
      code = EXIT.data; // the others are told all the same
    }
  }
  for (const line of given.has('json') ? jsonLines(files) : lines) stdout.write(`${line}\n`);
  return code;
}

function isNamed(given: KeyArguments): boolean {
  return given.operands.length > 0 || given.text('file') !== undefined;
}

async function placesOf(given: KeyArguments): Promise<readonly Named[]> {
  if (given.text('file') !== undefined) return [(await targetOf(given, 'slots list')).place];
  const { directory, same } = await gatewaySite(given);
  const named = given.operands.map((each) => placeOf(directory, canonicalOf(each, same)));
  if (named.length > 0) return named;
  const names = await namesIn(directory).catch(asCommandError);
  return names.map((name) => placeOf(directory, textOfSegment(basename(name))));
}

function linesOf({ address, fingerprint, serial, slots }: WrappedFile): string[] {
  const width = Math.max(0, ...slots.map(({ label }) => visible(label).length));
  return [
    `${visible(address)}  ${fingerprint}  changed ${serial - 1} times`,
    ...slots.map(
      ({ id, kind, label, made }) => `  ${visible(label).padEnd(width)}  ${kind.padEnd(8)}  ${made}  ${id}`,
    ),
  ];
}

function jsonLines(files: readonly WrappedFile[]): string[] {
  const rows = files.map(({ address, fingerprint, serial, slots }) => {
    const shown = slots.map(({ id, kind, label, made }) => ({ id, kind, label, made }));
    return visibleJson(JSON.stringify({ address, fingerprint, serial, slots: shown }));
  });
  return ['[', ...rows.map((row, n) => (n === rows.length - 1 ? row : `${row},`)), ']'];
}
