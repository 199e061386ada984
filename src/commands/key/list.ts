/** `sealdir key list`: every key of the directory, its state, and why no mail is sealed to it. */
import { visible, visibleJson } from '../../core/visible.ts';
import { daysLeft } from '../../keys/judgedentry.ts';
import { type KeyRow, rowsOf } from '../../keys/survey.ts';
import { CommandError } from '../errors.ts';
import { untilInterrupted } from '../interrupt.ts';
import { Progress } from '../progress.ts';
import { canonicalOf, couldNotLook, type KeySite, keySite } from './site.ts';
import type { KeyArguments, Streams } from './subcommand.ts';
import { table } from './table.ts';

export async function run(given: KeyArguments, { stdout, stderr }: Streams): Promise<number> {
  const site = await keySite(given.text('config'));
  const wanted = given.operands.map((each) => canonicalOf(each, site.same));
  const now = new Date(site.world.now());
  const rows = await untilInterrupted((pause) => rowsFor(site, wanted, stderr, pause)).catch(couldNotLook);
  const missing = wanted.find((address) => !rows.some((row) => row.address === address));
  if (missing !== undefined) throw new CommandError('noUser', `${missing}: no key file`);
  const lines = given.has('json') ? jsonLines(rows, now) : table(rows, now, stdout.columns ?? 80);
  for (const line of lines) stdout.write(`${line}\n`);
  return 0;
}

async function rowsFor(
  { directory, rules, world }: KeySite,
  wanted: readonly string[],
  stderr: NodeJS.WriteStream,
  pause: () => void,
): Promise<KeyRow[]> {
  const walk = await directory.walk(wanted.length === 0 ? undefined : new Set(wanted));
  const progress = new Progress(stderr, world, 'keys', walk.count);
  const now = new Date(world.now());
  const rows: KeyRow[] = [];
  try {
    for await (const group of walk.groups()) {
      pause();
      rows.push(...(await rowsOf(group, rules, now)));
      progress.step(group.length);
    }
  } finally {
    progress.end();
  }
  return rows;
}

/** Yields an array of objects, one on each line. README "Keys" has the meaning of each field. */
function* jsonLines(rows: readonly KeyRow[], now: Date): Generator<string> {
  yield '[';
  for (const [n, { address, file, fingerprint, kind, seipd, state }] of rows.entries()) {
    const row = {
      address: address ?? null,
      file,
      fingerprint: fingerprint ?? null,
      algorithm: kind ?? null,
      seipd: seipd ?? null,
      state: state.state,
      expires: state.expiresAt?.toISOString() ?? null,
      daysLeft: daysLeft(state, now) ?? null,
      why: state.reason === undefined ? null : visible(state.reason),
    };
    yield `${visibleJson(JSON.stringify(row))}${n === rows.length - 1 ? '' : ','}`;
  }
  yield ']';
}
