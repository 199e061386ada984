/** `sealdir slots add`: another code or password for a key. Whoever has one of them can make more. */
import { refuseLabel, withSlot } from '../../custody/change.ts';
import { isLabel } from '../../custody/wrappedfile.ts';
import { CommandError } from '../errors.ts';
import type { KeyArguments, Streams } from '../key/subcommand.ts';
import { putSlot } from './changing.ts';
import { refuseUnseen, wantsPassword, withoutCores } from './secrets.ts';
import { checkedAt, targetOf } from './target.ts';

export async function run(given: KeyArguments, streams: Streams): Promise<number> {
  await withoutCores(streams);
  const { place, rest } = await targetOf(given, 'slots add');
  if (rest[0] !== undefined) throw new CommandError('usage', `slots add: what is "${rest[0]}"?`);
  const device = given.text('device');
  const kind = kindOf(given);
  const label = device ?? given.text('label') ?? kind;
  if (!isLabel(label)) throw new CommandError('usage', `"${label}" is no name for a slot`);
  if (kind !== 'password') refuseUnseen(given, streams);
  await checkedAt(place, (file) => refuseLabel(file, label));
  await putSlot(place, () => ({ head: { kind, label }, put: withSlot }), given, streams);
  return 0;
}

function kindOf(given: KeyArguments): 'password' | 'device' | 'recovery' {
  const kinds = [
    ...(wantsPassword(given) ? (['password'] as const) : []),
    ...(given.text('device') === undefined ? [] : (['device'] as const)),
    ...(given.has('recovery') ? (['recovery'] as const) : []),
  ];
  const [kind, other] = kinds;
  if (kind !== undefined && other === undefined) return kind;
  throw new CommandError('usage', 'slots add: give one of --device NAME, --password and --recovery');
}
