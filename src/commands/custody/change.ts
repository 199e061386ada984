/**
 * `sealdir slots change`: another password or code in the place of one. Any one secret of the file is enough,
 * and it changes the slot that it has opened unless --slot names another.
 */
import { slotNamed, withChanged } from '../../custody/change.ts';
import type { Opened } from '../../custody/slot.ts';
import type { Slot, SlotKind, WrappedFile } from '../../custody/wrappedfile.ts';
import { CommandError } from '../errors.ts';
import type { KeyArguments, Streams } from '../key/subcommand.ts';
import { putSlot } from './changing.ts';
import { refuseUnseen, wantsPassword, withoutCores } from './secrets.ts';
import { checkedAt, targetOf } from './target.ts';
import { OLD_COPIES, RECOVERY_STAYS } from './words.ts';

export async function run(given: KeyArguments, streams: Streams): Promise<number> {
  await withoutCores(streams);
  const { place, rest } = await targetOf(given, 'slots change');
  if (rest[0] !== undefined) throw new CommandError('usage', `slots change: what is "${rest[0]}"?`);
  const name = given.text('slot');
  const named = await checkedAt(place, (file) => (name === undefined ? undefined : slotNamed(file, name)));
  let changed: SlotKind | undefined;
  const choose = ({ slot: opened }: Opened) => {
    const replaced = named ?? opened;
    const { kind, label, id } = replaced;
    if (kind !== 'password' && wantsPassword(given))
      throw new CommandError(
        'usage',
        `the slot "${label}" has a code, which is made anew: leave out the password`,
      );
    if (kind !== 'password') refuseUnseen(given, streams);
    changed = kind;
    return {
      head: { kind, label, id },
      replaced,
      put: (file: WrappedFile, slot: Slot) => withChanged(file, replaced, slot),
    };
  };
  await putSlot(place, choose, given, streams);
  streams.stderr.write(`sealdir: ${OLD_COPIES}\n`);
  if (changed === 'recovery') streams.stderr.write(`sealdir: ${RECOVERY_STAYS}\n`);
  return 0;
}
